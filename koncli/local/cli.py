"""`koncli local run`: the command line of the local runner."""

from __future__ import annotations

import os
import shutil
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click

from koncli.app import App, pass_app
from koncli.options import VerbGroup, verb
from koncli.parameters import timeout_option

if TYPE_CHECKING:
    from koncli.local.documents import Documents
    from koncli.local.runner import Options
    from koncli.local.view import LinesView

local = VerbGroup("local", help="Run manifests on this machine: containers become local processes.")

_FOLDERS = click.Path(path_type=Path, file_okay=False, exists=True)
_PASSED_ON = ("KONDUCTOR_REDIS_USERNAME", "KONDUCTOR_REDIS_PASSWORD", "KONDUCTOR_REDIS_CA_FILE")


@verb(
    local,
    "run",
    example="koncli local run examples/etl-pipeline\nkoncli local run jobs.yaml --path ./bin --timeout 10m",
)
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="DIR|FILE...")
@click.option(
    "--path", "search", multiple=True, type=_FOLDERS, help="Folder with programs, before the others; repeatable."
)
@click.option(
    "--view", type=click.Choice(["auto", "table", "lines"]), default="auto", help="Table on a terminal, else lines."
)
@click.option("--keep", is_flag=True, help="Keep the volumes, and on an external Redis the objects.")
@click.option(
    "--stay", is_flag=True, help="Once all is complete, leave Deployments and endless Pods running until Ctrl-C."
)
@click.option(
    "--then", metavar="CMD", help="Shell command after success, in the folder that has a folder for each claim."
)
@click.option(
    "--no-namespaces", is_flag=True, help="Rewrite mount paths instead of mounting, as where mounts are not allowed."
)
@timeout_option("End the run after so long, with exit code 3.")
@pass_app
def run(
    app: App,
    paths: tuple[Path, ...],
    *,
    search: tuple[Path, ...],
    view: str,
    keep: bool,
    stay: bool,
    then: str | None,
    no_namespaces: bool,
    timeout: str | None,
) -> None:
    """Rehearse a pipeline: Jobs, Deployments and Pods with a Valkey server of their own.

    Images are ignored: programs come from --path, a folder bin beside the manifests, the folder of koncli, and the
    PATH. Volumes are directories. With --redis-url the objects live in that Redis; those that the run made are deleted
    after it.

    The run ends when every Job is complete and every Deployment available (exit code 0), when something has failed
    (1), or with Ctrl-C: once for a deletion with grace, twice to end everything at once.
    """
    if stay and then is not None:
        raise click.UsageError("--stay ends with Ctrl-C, and then no command follows: leave out --then or --stay")
    from koncli.local.documents import read_documents
    from koncli.local.runner import Options
    from konductor_core.durations import to_ms

    documents = read_documents(list(paths))
    settings = app.settings if app.flags.redis_url is not None else None
    options = Options(
        namespace=documents.namespace(app.flags.namespace, settings.namespace if settings else "default"),
        search=_search(search, documents.folders),
        settings=settings,
        connection={} if settings is None else _connection(app, settings.redis_url),
        namespaces=not no_namespaces,
        keep=keep,
        stay=stay,
        timeout_ms=None if timeout is None else to_ms(timeout, what="--timeout"),
        then=then,
    )
    click.get_current_context().exit(_run(app, documents, options, view))


def _run(app: App, documents: Documents, options: Options, view: str) -> int:
    import asyncio

    from koncli.local.report import document
    from koncli.local.runner import Runner

    async def perform() -> int:
        runner = Runner(documents, options, _view(app, view))
        outcome = await runner.run()
        if app.out.mode in ("json", "yaml"):
            statuses = runner.cluster.statuses.values() if runner.cluster else ()
            app.out.show(lambda: document(outcome, runner.workload, statuses, runner.took), lambda: "", ())
        runner.view.say(f"{outcome.text}; exit code {outcome.code}")
        return outcome.code

    return asyncio.run(perform())


def _view(app: App, wanted: str) -> LinesView:
    """Lines go to stdout, or to stderr where stdout is for a document."""
    from koncli.local.view import LinesView

    stream = sys.stderr if app.out.mode in ("json", "yaml") else sys.stdout
    if wanted == "table" or (wanted == "auto" and stream.isatty() and os.environ.get("TERM") != "dumb"):
        with suppress(ModuleNotFoundError):  # without rich, lines
            from koncli.local.live import LiveView

            return LiveView(stream, color=app.out.color)
    return LinesView(stream)


def _search(given: tuple[Path, ...], folders: list[Path]) -> tuple[str, ...]:
    """Where programs are looked for before the host's PATH."""
    beside = [folder / "bin" for folder in folders if (folder / "bin").is_dir()]
    found = [str(folder.resolve()) for folder in (*given, *beside)]
    koncli = shutil.which(sys.argv[0])
    return tuple(
        dict.fromkeys([*found, *([str(Path(koncli).parent)] if koncli else []), str(Path(sys.executable).parent)])
    )


def _connection(app: App, url: str) -> dict[str, str]:
    return {name: app.env[name] for name in _PASSED_ON if name in app.env} | {"KONDUCTOR_REDIS_URL": url}
