"""The in-memory volume that the containers of a pod share, and what lies in it.

    grants/<kind>-<name>/token        the fencing token
                         holder       under which name the pod holds
                         expires-at   until when, unless renewed, by the node's clock; `never` without an end
                         state        held, lost or released
    leases.json     the same for the keeper, with moments of the node's monotonic clock
    deadlines/      until when a wait may last, however often its container is started again
    ready           is there while the keeper looks after everything
    started         is there once the pod's own containers may have started
    api.sock        the local API

Everybody may read it all; the pod's own containers have it mounted read-only.
"""
# ruff: noqa: PTH102, PTH105, PTH107, PTH110, PTH118, PTH123 - pathlib is slow to import

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from konductor_core.async_lease import AsyncLease
    from konductor_core.lease import Lease

__all__ = ["HELD", "LOST", "RELEASED", "RUN_VARIABLE", "Grant", "Volume", "as_grant", "is_ready", "root"]

RUN_VARIABLE: Final = "KONDUCTOR_RUN_DIRECTORY"
"""Where the volume is, if it is not mounted at its usual place."""

HELD, LOST, RELEASED = "held", "lost", "released"


@dataclass(frozen=True, slots=True)
class Grant:
    """One lease of the pod's. `until_ms` is a moment of the node's clock `boot`, None without an end.

    `shown` are those that the pod's annotations ask for: only they have files of their own. One that is `lost` stands
    here only until Redis has been told.
    """

    object: str
    holder: str
    permits: int
    token: int
    ttl_ms: int
    until_ms: int | None
    boot: str
    shown: bool = True
    lost: bool = False

    @property
    def kind(self) -> str:
        """The object's kind as keys have it: `semaphore`."""
        return self.object.partition("/")[0]

    @property
    def name(self) -> str:
        """The object's name."""
        return self.object.partition("/")[2]

    def seconds_left(self) -> float:
        """For how long it surely lasts by the node's clock; 0 after a restart of the node, infinite without an end."""
        from sidecar.clock import boot_id, boot_ms

        if self.until_ms is None:
            return float("inf")
        return max(0.0, (self.until_ms - boot_ms()) / 1000) if self.boot == boot_id() else 0.0


def as_grant(name: str, lease: Lease | AsyncLease) -> Grant:
    """Return what the volume keeps of a lease of the object `semaphore/x`."""
    from sidecar.clock import boot_id, until

    return Grant(name, lease.holder, lease.permits, lease.token, lease.ttl_ms, until(lease.expires_in), boot_id())


def root(env: Mapping[str, str]) -> str:
    """Return the directory of the volume."""
    from konductor_core.annotations import RUN_DIRECTORY

    return env.get(RUN_VARIABLE) or RUN_DIRECTORY


def is_ready(env: Mapping[str, str]) -> bool:
    """Tell whether the keeper looks after everything."""
    return os.path.exists(os.path.join(root(env), "ready"))


class Volume:
    """The volume at a directory. Every method raises OSError if it can't be used, except where it says otherwise."""

    def __init__(self, directory: str) -> None:
        self.directory = directory

    def path(self, *parts: str) -> str:
        """Return the path of something in it."""
        return os.path.join(self.directory, *parts)

    # ---- files

    def write(self, text: str, *parts: str, private: bool = False) -> None:
        """Write a file: whoever reads it finds all of it, or what was there before."""
        path = self.path(*parts)
        folder = os.path.dirname(path)  # noqa: PTH120
        self._make_folder(folder)
        partial = f"{path}.{os.getpid()}"
        with open(partial, "w", encoding="utf-8") as file:
            os.fchmod(file.fileno(), 0o600 if private else 0o644)  # whatever the image's umask is
            file.write(text)
        os.replace(partial, path)

    def read(self, *parts: str) -> str:
        """Return a file's text, empty if there is none. Never raises."""
        try:
            with open(self.path(*parts), encoding="utf-8", errors="replace") as file:
                return file.read()
        except OSError:
            return ""

    def remove(self, *parts: str) -> None:
        """Remove a file, if it is there. Never raises."""
        with suppress(OSError):
            os.remove(self.path(*parts))

    def has(self, *parts: str) -> bool:
        """Tell whether something is there."""
        return os.path.exists(self.path(*parts))

    def _make_folder(self, folder: str) -> None:
        if not os.path.isdir(folder):  # noqa: PTH112
            self._make_folder(os.path.dirname(folder))  # noqa: PTH120
            with suppress(FileExistsError):
                os.mkdir(folder)
                os.chmod(folder, 0o755)  # noqa: PTH101, S103 - for every user of the pod, whatever the umask is

    # ---- grants

    def write_grants(self, grants: Sequence[Grant]) -> None:
        """Write the keeper's own file: everything that is held."""
        self.write(json.dumps([asdict(each) for each in grants]), "leases.json", private=True)

    def read_grants(self) -> list[Grant]:
        """Return what was acquired; nothing if nothing was, or if the file is not ours. Never raises."""
        try:
            found: list[dict[str, Any]] = json.loads(self.read("leases.json") or "[]")
            return [Grant(**each) for each in found]
        except (ValueError, TypeError):
            return []

    def show(self, grant: Grant, state: str) -> None:
        """Write the files of one grant, its state last."""
        folder = self.folder(grant)
        self.write(f"{grant.token}\n", folder, "token")
        self.write(f"{grant.holder}\n", folder, "holder")
        self.show_expiry(grant)
        self.show_state(grant, state)

    def show_state(self, grant: Grant, state: str) -> None:
        """Write the state of one grant."""
        self.write(f"{state}\n", self.folder(grant), "state")

    def state(self, grant: Grant) -> str:
        """Return the state of a grant as it was last written. Never raises."""
        return self.read(self.folder(grant), "state").strip()

    def show_expiry(self, grant: Grant) -> None:
        """Write when a grant ends unless renewed."""
        self.write(_moment(grant) + "\n", self.folder(grant), "expires-at")

    @staticmethod
    def folder(grant: Grant) -> str:
        """Return the folder of a grant, below the volume."""
        return os.path.join("grants", f"{grant.kind}-{grant.name}")


def _moment(grant: Grant) -> str:
    from time import time  # noqa: TID251 - for the containers, which share the node's clock; nothing is decided by it

    from konductor_core.durations import rfc3339
    from sidecar.clock import boot_ms

    if grant.until_ms is None:
        return "never"
    return rfc3339(int(time() * 1000) + grant.until_ms - boot_ms())
