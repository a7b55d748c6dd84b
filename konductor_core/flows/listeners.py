"""Those who wait for a broadcast and stand in no queue: how they tell who they are, and how a snapshot lists them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from konductor_core.models import Listener

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["listeners_of", "who"]

NO_POD: Final = "-"


def who(holder: str, pod: str) -> str:
    """Return who waits, as Redis keeps it: `<pod or -> <holder>`."""
    return f"{NO_POD if not pod or ' ' in pod else pod} {holder}"


def listeners_of(rows: Iterable[list[Any]]) -> tuple[Listener, ...]:
    """Return the listeners of a reply's rows of request and name, the longest first; one that has no name is left out.

    A name is since when it waits, in milliseconds, and what `who` returned.
    """
    found = []
    for request, name in rows:
        since, _, rest = name.partition(" ")
        pod, _, holder = rest.partition(" ")
        if holder:
            pod = "" if pod == NO_POD else pod
            found.append(Listener(holder=holder, pod=pod, since_ms=int(since), request=request))
    return tuple(sorted(found, key=lambda each: (each.since_ms, each.holder, each.request)))
