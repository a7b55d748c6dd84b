"""One run of koncli: its flags, its settings, its connection and its way of printing."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Protocol

import click

from koncli.options import Flags
from koncli.output import Output, wants_color

if TYPE_CHECKING:
    from collections.abc import Mapping

    from konductor_core.client import Konductor
    from konductor_core.config import Settings
    from konductor_core.identity import Kind
    from konductor_core.models import Event, Status


class Defined(Protocol):
    """What defining an object did to it."""

    @property
    def action(self) -> str:
        """`created`, `updated` or `unchanged`."""


class Handle(Protocol):
    """What every kind's handle can do; the shared verbs need no more."""

    def define_spec(self, spec: Any, labels: Mapping[str, str] | None = None) -> Defined:  # noqa: ANN401 - its own kind of spec
        """Create the object, or update it to this spec."""

    def status(self) -> Status:
        """Read a snapshot; NotFound."""

    def reset(self) -> object:
        """Begin a new epoch; NotFound."""

    def delete(self) -> bool:
        """Delete the object; tells whether it was there."""

    def events(self, limit: int = 100, since_id: str | None = None) -> list[Event]:
        """Return the history, oldest first."""


class App:
    """What a verb gets with `@pass_app`; everything is made at its first use and closed with the run."""

    def __init__(self, env: Mapping[str, str] = os.environ) -> None:
        self.env = env
        self.flags = Flags()
        self._settings: Settings | None = None
        self._out: Output | None = None
        self._clients: dict[str, Konductor] = {}

    @property
    def settings(self) -> Settings:
        """Flags, then variables, then the config file, then defaults; InvalidInput names what is wrong."""
        if self._settings is None:
            from konductor_core.config import Settings

            self._settings = Settings.load(self.flags.settings(), self.env)
        return self._settings

    @property
    def out(self) -> Output:
        """The printer in the chosen form."""
        if self._out is None:
            self._out = Output(self.settings.output, color=wants_color(no_color=self.settings.no_color, env=self.env))
        return self._out

    @property
    def holder(self) -> str:
        """The bare holder of this host or pod: another process of it may release what this one acquired."""
        return self.settings.holder

    def limit(self, timeout: str | None, *, wait: bool = True) -> str | float | None:
        """Return how long a wait may take: what `--timeout` says, none without `wait`, else what the settings say.

        A number is seconds; None is without end.
        """
        if timeout is not None or not wait:
            return "0" if timeout is None else timeout
        return None if self.settings.timeout_ms is None else self.settings.timeout_ms / 1000

    def client(self, namespace: str | None = None) -> Konductor:
        """Return the connection for a namespace, by default the one of the flags and settings."""
        wanted = namespace or self.settings.namespace
        if wanted not in self._clients:
            from konductor_core.client import Konductor

            self._log(wanted)
            self._clients[wanted] = Konductor(namespace=wanted, settings=self.settings)
        return self._clients[wanted]

    def _log(self, namespace: str) -> None:
        """Set up logging if more than warnings are wanted, and say where we connect to."""
        if self.settings.log_level == "warning":
            return
        import logging

        logging.basicConfig(level=self.settings.log_level.upper(), format="%(levelname)s %(name)s: %(message)s")
        where, holder = self.settings.redis.display, self.settings.holder
        logging.getLogger("koncli").info("%s, namespace %s, holder %s", where, namespace, holder)

    def handle(self, kind: Kind, name: str, namespace: str | None = None) -> Handle:
        """Return the handle of one object of any kind; InvalidInput for a name that can't exist."""
        handle: Handle = getattr(self.client(namespace), kind.key)(name)
        return handle

    def close(self) -> None:
        """Close the connections."""
        for client in self._clients.values():
            client.close()
        self._clients.clear()


pass_app = click.make_pass_decorator(App)
