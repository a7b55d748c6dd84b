"""`koncli version`."""

from __future__ import annotations

import click

from koncli.app import App, pass_app
from koncli.options import Verb


@click.command("version", cls=Verb, example="koncli version -o json")
@pass_app
def version(app: App) -> None:
    """Print the versions of koncli, Python and the Redis client. Asks no server."""
    import platform

    import redis

    from konductor_core import __version__

    versions = {"koncli": __version__, "python": platform.python_version(), "redis-py": redis.__version__}
    app.out.show(
        lambda: versions,
        lambda: f"koncli {versions['koncli']} (python {versions['python']}, redis-py {versions['redis-py']})",
        [__version__],
    )
