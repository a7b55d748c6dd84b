"""`konductor-webhook`: the program. It reads what it is told, and serves until a signal ends it."""

from __future__ import annotations

import asyncio
import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from konductor_core import __version__
from konductor_core.annotations import SYSTEM_NAMESPACE, WEBHOOK
from konductor_core.durations import SECOND, to_ms
from konductor_core.errors import InvalidInput, KonductorError, quoted
from konductor_core.identity import check_namespace
from konductor_core.quantities import Amount
from webhook.defaults import SLIM_IMAGE, Defaults

if TYPE_CHECKING:
    from collections.abc import Callable

    from webhook.serve import Listening

__all__ = ["main"]

_Command = TypeVar("_Command", bound="Callable[..., Any]")

LEVELS: Final = ("debug", "info", "warning", "error")


def _option(name: str, variable: str, text: str, **more: Any) -> Callable[[_Command], _Command]:  # noqa: ANN401
    """Return an option that a variable can give as well, and whose help says so."""
    return click.option(name, envvar=variable, show_default=True, help=f"{text} [{variable}]", **more)


@click.command("konductor-webhook", context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@_option("--image", "KONDUCTOR_SIDECAR_IMAGE", "The image of added containers.", default=f"{SLIM_IMAGE}:{__version__}")
@_option(
    "--image-pull-policy",
    "KONDUCTOR_SIDECAR_PULL_POLICY",
    "When it is pulled.",
    default="IfNotPresent",
    type=click.Choice(("Always", "IfNotPresent", "Never")),
)
@_option(
    "--resources",
    "KONDUCTOR_SIDECAR_RESOURCES",
    "What added containers ask for and may use, as resource=request:limit.",
    default="cpu=10m:500m,memory=32Mi:128Mi",
)
@_option(
    "--run-as-user",
    "KONDUCTOR_SIDECAR_USER",
    "The user of added containers where the pod names none; 'none' leaves it to the image or the platform.",
    default="65532",
)
@_option("--namespace", "POD_NAMESPACE", "The namespace of the webhook.", default=SYSTEM_NAMESPACE)
@_option(
    "--certificates",
    "KONDUCTOR_WEBHOOK_CERTIFICATES",
    "A directory with tls.crt and tls.key that somebody else renews; without it the webhook makes its own.",
    metavar="DIR",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
)
@_option("--listen", "KONDUCTOR_WEBHOOK_LISTEN", "Where the API server is answered.", default="0.0.0.0:8443")
@_option("--health-port", "KONDUCTOR_WEBHOOK_HEALTH_PORT", "/healthz, /readyz and /metrics.", default=8081, type=int)
@_option(
    "--linger",
    "KONDUCTOR_WEBHOOK_LINGER",
    "How long to go on answering after SIGTERM, until every API server has heard of it.",
    default="5s",
    metavar="DURATION",
)
@_option("--log-level", "KONDUCTOR_LOG_LEVEL", "What the log says.", default="info", type=click.Choice(LEVELS))
@click.version_option(__version__, message="%(prog)s %(version)s")
def command(log_level: str, **options: Any) -> None:  # noqa: ANN401 - click's options
    """Answer the API server: add to pods what their annotations ask for, and refuse what makes no sense."""
    logging.basicConfig(level=log_level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    defaults = Defaults(
        image=options["image"],
        image_pull_policy=options["image_pull_policy"],
        resources=tuple(Amount.parse(each, "--resources") for each in options["resources"].split(",")),
        run_as_user=_user(options["run_as_user"]),
    )
    namespace = check_namespace(options["namespace"], "--namespace")
    asyncio.run(_run(defaults, namespace, options["certificates"], _listening(options)))


def _user(text: str) -> int | None:
    if text == "none":
        return None
    if not (text.isascii() and text.isdigit() and 0 < int(text[:12]) < 2**31):
        raise InvalidInput(f"--run-as-user {quoted(text)} is not a user other than root: use a number from 1, or none")
    return int(text)


def _listening(options: dict[str, Any]) -> Listening:
    from webhook.serve import Listening

    host, _, port = options["listen"].rpartition(":")
    for number in (port, str(options["health_port"])):
        if not (number.isascii() and number.isdigit() and 0 < int(number[:6]) < 65_536):
            raise InvalidInput(f"port {quoted(number)} is not valid: use a number from 1 to 65535")
    linger_ms = to_ms(options["linger"], what="--linger")
    return Listening(
        host=host.strip("[]"), port=int(port), health_port=options["health_port"], linger_s=linger_ms / SECOND
    )


async def _run(defaults: Defaults, namespace: str, certificates: Path | None, listening: Listening) -> None:
    from webhook.certs import Lifetimes, server_names
    from webhook.cluster import Cluster, in_cluster
    from webhook.gates import Gates
    from webhook.jobs import Jobs
    from webhook.rotation import Files, Shared
    from webhook.serve import serve

    try:
        configuration = in_cluster()
    except KonductorError as error:
        if certificates is None:
            raise
        logging.getLogger(__name__).warning(
            "%s; the pods of a Job arrive as one, and no ring of gates is refused", error
        )
        await serve(defaults, Files(certificates), listening)
        return
    async with Cluster(configuration, namespace) as cluster:
        own = Shared(cluster, server_names(WEBHOOK, namespace), Lifetimes())
        source = own if certificates is None else Files(certificates)
        await serve(defaults, source, listening, jobs=Jobs(cluster), gates=Gates(cluster))


def main() -> int:
    """Run `konductor-webhook` with the program's arguments; returns its exit code."""
    try:
        command(standalone_mode=False)
    except click.exceptions.Exit as end:
        return end.exit_code
    except click.ClickException as error:
        return _refuse(error.format_message(), InvalidInput.exit_code)
    except (click.Abort, KeyboardInterrupt):
        return 130
    except KonductorError as error:
        return _refuse(str(error), error.exit_code)
    except OSError as error:
        return _refuse(f"cannot listen: {error}", 1)
    except ImportError as error:
        if (error.name or "").partition(".")[0] not in {"aiohttp", "cryptography", "kubernetes", "prometheus_client"}:
            raise
        return _refuse(f"{error.name} is not installed: install what the webhook needs, konductor[webhook]", 64)
    return 0


def _refuse(message: str, exit_code: int) -> int:
    """Say why nothing was started; returns the exit code."""
    sys.stderr.write(f"error: {message}\n")
    return exit_code


if __name__ == "__main__":
    sys.exit(main())
