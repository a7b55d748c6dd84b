"""The script table: every operation, what it takes and what it answers, and the loader of its source.

A test holds this table against the headers of the files in `lua/`. The loader replaces each line
`--@include lib/name` by that file, once; what includes itself is refused. Before the first line stand the
durations that scripts need, so that `konductor_core.durations` stays their only place. `pruning` then lays it out.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from typing import Final

from konductor_core import durations
from konductor_core.errors import KonductorError
from konductor_core.pruning import pruned

__all__ = ["SCRIPTS", "Script", "folder", "source_of"]

PERMIT_KEYS: Final = "dirty index seq meta leases weights queue ageing waiting events"
SEVERAL_KEYS: Final = "dirty index seq (meta leases weights queue ageing waiting events)+"
LATCH_KEYS: Final = "dirty index meta waiters events parts*"
BARRIER_KEYS: Final = "dirty index meta waiters events arrivals cycles"
GATE_KEYS: Final = "dirty index meta waiters events"
WAITGROUP_KEYS: Final = "dirty index meta waiters events members finished"

_CONSTANTS: Final = (
    "CLAIM_WINDOW",
    "DIRTY_TTL",
    "HEARTBEAT",
    "MAX_BYPASS",
    "MEMORY_TTL",
    "PROBE_WINDOW",
    "UNATTENDED_AFTER",
    "WAITER_TTL",
)
_INCLUDE: Final = "--@include "


@dataclass(slots=True, eq=False)
class Script:
    """One atomic operation. `keys`, `args` and `reply` are what the file's header says; its source comes lazily."""

    name: str
    keys: str
    args: str
    reply: tuple[str, ...]
    _source: str = ""
    _sha: str = ""

    @property
    def source(self) -> str:
        """The script with what it needs of its includes, as it is sent to Redis."""
        if not self._source:
            self._source = pruned(source_of(self.name))
        return self._source

    @property
    def sha(self) -> str:
        """The SHA-1 by which Redis knows the script."""
        if not self._sha:
            self._sha = hashlib.sha1(self.source.encode(), usedforsecurity=False).hexdigest()
        return self._sha


def _table(*rows: tuple[str, str, str, *tuple[str, ...]]) -> dict[str, Script]:
    return {name: Script(name, keys, args, tuple(reply)) for name, keys, args, *reply in rows}


SCRIPTS: Final = _table(
    (
        "permit_acquire",
        SEVERAL_KEYS,
        "request holder mode priority ttl pod uid node amounts+",
        "code next_change_ms object position waiting in_use permits (token expires_in_ms)*",
    ),
    ("permit_cancel", SEVERAL_KEYS, "request holder reason", "code next_change_ms"),
    ("permit_define", PERMIT_KEYS, "owner labels permits ttl policy bypass", "code next_change_ms epoch owner"),
    ("permit_delete", PERMIT_KEYS, "request owner", "code next_change_ms owner"),
    (
        "permit_import",
        PERMIT_KEYS,
        "owner labels permits ttl policy bypass epoch created done by result leases*",
        "code next_change_ms epoch owner restored",
    ),
    (
        "permit_read",
        PERMIT_KEYS,
        "holders_limit waiters_limit",
        "code next_change_ms now_ms in_use holders_total waiters_total fields_count (field value)*",
        "holders_count (holder expires_ms token permits since ttl pod uid node claim)*",
        "waiters_count (holder request permits priority since pod)*",
        "listening listeners_count (request who)*",
    ),
    ("permit_reclaim", PERMIT_KEYS, "holder token uid", "code next_change_ms"),
    ("permit_lost", PERMIT_KEYS, "request holder token detail", "code next_change_ms"),
    ("permit_release", PERMIT_KEYS, "request holder token event", "code next_change_ms"),
    ("permit_renew", PERMIT_KEYS, "holder token ttl", "code next_change_ms token expires_in_ms permits"),
    ("permit_reset", PERMIT_KEYS, "request", "code next_change_ms epoch"),
    (
        "barrier_arrive",
        BARRIER_KEYS,
        "request arrival",
        "code next_change_ms epoch cycle arrived expected target phase reason",
    ),
    ("barrier_define", BARRIER_KEYS, "owner labels expected quorum timeout cyclic", "code next_change_ms epoch owner"),
    (
        "barrier_import",
        BARRIER_KEYS,
        "owner labels expected quorum timeout cyclic epoch created phase decided reason cycle (arrival at_ms)*",
        "code next_change_ms epoch owner restored",
    ),
    (
        "barrier_read",
        BARRIER_KEYS,
        "arrivals_limit waiters_limit",
        "code next_change_ms now_ms arrived waiting fields_count (field value)*",
        "arrivals_count (arrival at_ms)*",
        "waiters_count (request who)*",
    ),
    ("barrier_reset", BARRIER_KEYS, "request", "code next_change_ms epoch"),
    (
        "barrier_wait",
        BARRIER_KEYS,
        "request holder cycle epoch who",
        "code next_change_ms epoch cycle arrived target deadline_ms reason",
    ),
    ("gate_define", GATE_KEYS, "owner labels conditions total timeout", "code next_change_ms epoch owner"),
    (
        "gate_evaluate",
        GATE_KEYS,
        "epoch conditions verdict met reason checks",
        "code next_change_ms epoch phase",
    ),
    (
        "gate_import",
        GATE_KEYS,
        "owner labels conditions total timeout epoch created verdict decided override reason met checks",
        "code next_change_ms epoch owner restored",
    ),
    ("gate_override", GATE_KEYS, "request override", "code next_change_ms epoch phase"),
    (
        "gate_read",
        GATE_KEYS,
        "waiters_limit",
        "code next_change_ms now_ms waiting fields_count (field value)*",
        "waiters_count (request who)*",
    ),
    ("gate_reset", GATE_KEYS, "request", "code next_change_ms epoch"),
    (
        "gate_wait",
        GATE_KEYS,
        "request who",
        "code next_change_ms epoch cycle met total deadline_ms reason phase unattended",
    ),
    ("latch_delete", LATCH_KEYS, "request owner", "code next_change_ms owner"),
    ("latch_leave", LATCH_KEYS, "request", "code next_change_ms"),
    ("once_complete", PERMIT_KEYS, "request holder token result", "code next_change_ms executor"),
    ("once_fail", PERMIT_KEYS, "request holder token reason", "code next_change_ms executor"),
    ("once_wait", PERMIT_KEYS, "request who", "code next_change_ms epoch cycle done failures deadline_ms runner"),
    *(
        (
            f"waitgroup_{verb}",
            WAITGROUP_KEYS,
            "request member count",
            "code next_change_ms epoch cycle counter anonymous phase",
        )
        for verb in ("add", "done")
    ),
    (
        "waitgroup_import",
        WAITGROUP_KEYS,
        "owner labels epoch created round added anonymous done (member at_ms)*",
        "code next_change_ms epoch owner restored",
    ),
    ("waitgroup_define", WAITGROUP_KEYS, "owner labels", "code next_change_ms epoch owner"),
    (
        "waitgroup_read",
        WAITGROUP_KEYS,
        "members_limit waiters_limit",
        "code next_change_ms now_ms counter waiting members finished fields_count (field value)*",
        "members_count (member at_ms)*",
        "waiters_count (request who)*",
    ),
    ("waitgroup_reset", WAITGROUP_KEYS, "request", "code next_change_ms epoch"),
    (
        "waitgroup_wait",
        WAITGROUP_KEYS,
        "request cycle allow_idle who",
        "code next_change_ms epoch cycle counter added deadline_ms phase",
    ),
    (
        "awaited_read",
        "dirty awaited",
        "objects_limit waiters_limit",
        "code next_change_ms now_ms waiters_count (object holder request permits priority since pod)*",
        "objects_count (object listeners_count (request who)*)*",
    ),
    ("dirty_clean", "dirty", "(object looked_at_ms)*", "code next_change_ms now_ms"),
)


def folder() -> str:
    """Return the directory of the Lua sources: inside the installed package, or beside it in a checkout."""
    here = os.path.dirname(os.path.abspath(__file__))  # noqa: PTH100, PTH120 - pathlib is slow to import
    packaged = os.path.join(here, "_lua")  # noqa: PTH118
    return packaged if os.path.isdir(packaged) else os.path.join(os.path.dirname(here), "lua")  # noqa: PTH112, PTH118, PTH120


def source_of(name: str, root: str | None = None) -> str:
    """Return the text of script `name` with its includes resolved and the durations in front.

    Raises `KonductorError` for an include that is missing or leads back to itself.
    """
    prelude = "".join(f"local {name} = {getattr(durations, name)}\n" for name in _CONSTANTS)
    return prelude + _expand(root or folder(), name, [], set())


def _expand(root: str, name: str, above: list[str], done: set[str]) -> str:
    if name in above:
        raise KonductorError("lua includes run in a circle: " + " -> ".join([*above, name]))
    if name in done:
        return ""
    done.add(name)
    try:
        with open(os.path.join(root, f"{name}.lua"), encoding="utf-8") as file:  # noqa: PTH118, PTH123
            lines = file.read().splitlines()
    except OSError as error:
        raise KonductorError(f"lua script {name} cannot be read: {error.strerror}") from None
    text = [
        _expand(root, line.removeprefix(_INCLUDE).strip(), [*above, name], done) if line.startswith(_INCLUDE) else line
        for line in lines
    ]
    return "\n".join(text) + "\n"
