"""`koncli doctor`: whether Redis, and what this user may do there, is what Konductor needs."""

from __future__ import annotations

import click

from koncli.app import App, pass_app
from koncli.options import Verb


@click.command("doctor", cls=Verb, example="koncli doctor --redis-url redis://redis.example:6379/0")
@pass_app
def doctor(app: App) -> None:
    """Check that Redis can be reached."""
    count = len(app.client().objects())
    app.out.line(f"ok    connection  {app.settings.redis.display} answers; {count} objects in {app.settings.namespace}")
