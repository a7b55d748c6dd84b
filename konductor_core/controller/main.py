"""`konductor-controller`: the program. It reads what it is told, starts the controller, and ends it on a signal."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import threading
from typing import TYPE_CHECKING, Any, Final

import click

from konductor_core import __version__
from konductor_core.config import Settings
from konductor_core.controller.logs import FORMATS, LEVELS, set_up
from konductor_core.controller.settings import DEFAULT_LISTEN, ControllerSettings, listen_address, resync_ms
from konductor_core.errors import InvalidInput, KonductorError, quoted

if TYPE_CHECKING:
    from kubernetes.aio.client import Configuration

__all__ = ["main"]

log = logging.getLogger("konductor")

USAGE: Final = 64
PATIENCE: Final = 3.5
"""Seconds for an orderly end; the kubelet gives more, but nothing needs it."""


@click.command(
    "konductor-controller", context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.option("--redis-url", metavar="URL", help="Where Redis is. [KONDUCTOR_REDIS_URL]")
@click.option("-n", "--namespace", metavar="NAME", help="Namespace in which the controller runs. [POD_NAMESPACE]")
@click.option(
    "--listen",
    metavar="HOST:PORT",
    default=DEFAULT_LISTEN,
    envvar="KONDUCTOR_LISTEN",
    show_default=True,
    help="Where /healthz, /readyz, /metrics and /status are served. [KONDUCTOR_LISTEN]",
)
@click.option(
    "--resync",
    metavar="DURATION",
    default="10m",
    envvar="KONDUCTOR_RESYNC",
    show_default=True,
    help="How often everything is looked at again, whatever was told. [KONDUCTOR_RESYNC]",
)
@click.option(
    "--workers",
    type=click.IntRange(1, 64),
    default=8,
    envvar="KONDUCTOR_WORKERS",
    show_default=True,
    help="How many objects are looked at at once. [KONDUCTOR_WORKERS]",
)
@click.option(
    "--metrics-objects",
    type=click.IntRange(0, 100_000),
    default=1_000,
    envvar="KONDUCTOR_METRICS_OBJECTS",
    show_default=True,
    help="How many objects of each kind have metrics of their own. [KONDUCTOR_METRICS_OBJECTS]",
)
@click.option(
    "--tenancy",
    type=click.Choice(("isolated", "shared")),
    default="isolated",
    envvar="KONDUCTOR_TENANCY",
    show_default=True,
    help="Whether each namespace has a Redis user of its own, or all have the controller's. [KONDUCTOR_TENANCY]",
)
@click.option(
    "--kubeconfig", metavar="FILE", envvar="KUBECONFIG", help="Outside a cluster: how to reach one. [KUBECONFIG]"
)
@click.option("--context", metavar="NAME", help="Which context of the kubeconfig.")
@click.option(
    "--log-level",
    type=click.Choice(LEVELS),
    default="info",
    envvar="KONDUCTOR_LOG_LEVEL",
    show_default=True,
    help="What the log says. [KONDUCTOR_LOG_LEVEL]",
)
@click.option(
    "--log-format",
    type=click.Choice(FORMATS),
    default="text",
    envvar="KONDUCTOR_LOG_FORMAT",
    show_default=True,
    help="One line each, for people or as JSON. [KONDUCTOR_LOG_FORMAT]",
)
@click.version_option(__version__, message="%(prog)s %(version)s")
def command(log_level: str, log_format: str, **options: Any) -> None:  # noqa: ANN401 - click's options
    """Keep custom resources and the objects in Redis alike, and care for what dies.

    It runs in the cluster, with the rights of its ServiceAccount; one replica is active, the others stand by. How Redis
    is reached is configured as for koncli, with KONDUCTOR_REDIS_URL and its companions.
    """
    set_up(log_level, log_format)
    raise SystemExit(asyncio.run(_run(_settings(options))))


def _settings(options: dict[str, Any]) -> ControllerSettings:
    """Return checked settings. Raises `InvalidInput`."""
    redis = Settings.load({"redis_url": options["redis_url"], "namespace": options["namespace"]})
    host, port = listen_address(options["listen"])
    return ControllerSettings(
        redis=redis,
        instance=redis.holder,
        host=host,
        port=port,
        resync_ms=resync_ms(options["resync"]),
        workers=options["workers"],
        tenancy=options["tenancy"],
        metrics_objects=options["metrics_objects"],
        kubeconfig=options["kubeconfig"] or "",
        context=options["context"] or "",
    )


async def configuration(settings: ControllerSettings) -> Configuration:
    """Return how the API is reached: by the ServiceAccount inside a cluster, else by a kubeconfig."""
    from kubernetes.aio.client import Configuration
    from kubernetes.aio.config import ConfigException, load_incluster_config, load_kube_config

    if settings.kubeconfig and not any(map(os.path.exists, settings.kubeconfig.split(os.pathsep))):
        raise InvalidInput(f"kubeconfig {quoted(settings.kubeconfig)} does not exist: name the file of a cluster")
    found = Configuration()
    try:
        if not settings.kubeconfig and os.environ.get("KUBERNETES_SERVICE_HOST"):
            load_incluster_config(found)
        else:
            await load_kube_config(settings.kubeconfig or None, settings.context or None, found, persist_config=False)
    except (ConfigException, OSError) as error:
        hint = "run it in a cluster, or give --kubeconfig"
        raise InvalidInput(f"the Kubernetes API is not configured: {error}", hint=hint) from None
    return found


async def _run(settings: ControllerSettings) -> int:
    """Run the controller until a signal; returns the exit code."""
    from konductor_core.controller.controller import Controller

    api = await configuration(settings)
    log.info("konductor-controller %s, %s, for the cluster at %s", __version__, settings.instance, api.host)
    controller = Controller(settings, api)
    task = asyncio.create_task(controller.run())
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, _end, task, number)
    try:
        await task
    except asyncio.CancelledError:
        return 0
    except BaseExceptionGroup as group:
        _set_deadline()
        for error in _each(group):
            known = isinstance(error, (KonductorError, OSError))
            log.log(logging.ERROR, "ending: %s", error if known else repr(error), exc_info=None if known else error)
    return 1


def _end(task: asyncio.Task[None], number: int) -> None:
    """End the task, and if it will not, the process."""
    log.info("%s: ending", signal.Signals(number).name)
    task.cancel()
    _set_deadline()


def _set_deadline() -> None:
    """See to it that the process ends in time, whatever hangs."""
    watchdog = threading.Timer(PATIENCE, os._exit, (1,))
    watchdog.daemon = True
    watchdog.start()


def _each(group: BaseExceptionGroup[Any]) -> list[BaseException]:
    """Return the errors in a group of groups."""
    found: list[BaseException] = []
    for error in group.exceptions:
        found += _each(error) if isinstance(error, BaseExceptionGroup) else [error]
    return found


def main() -> int:
    """Run `konductor-controller` with the program's arguments; returns its exit code."""
    try:
        command(standalone_mode=False)
    except click.exceptions.Exit as end:
        return end.exit_code
    except click.ClickException as error:
        return _refuse(error.format_message(), "see konductor-controller --help")
    except InvalidInput as error:
        return _refuse(error.message, error.hint)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 1
    except (click.Abort, KeyboardInterrupt):
        return 130
    except ImportError as error:
        if (error.name or "").partition(".")[0] not in {"kopf", "kubernetes", "aiohttp", "prometheus_client"}:
            raise
        return _refuse(f"{error.name} is not installed", "install what the controller needs: konductor[controller]")
    return 0


def _refuse(message: str, hint: str | None) -> int:
    """Say why nothing was started; returns the exit code."""
    sys.stderr.write(f"error: {message}\n" + (f"hint: {hint}\n" if hint else ""))
    return USAGE


if __name__ == "__main__":
    sys.exit(main())
