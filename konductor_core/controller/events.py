"""Kubernetes Events: what happened to an object that people should hear of, from the object's own history.

Each is written once. The name of an Event follows from what it reports, so that writing it again is refused; the status
of the resource says up to where the history was reported; and what is older than Events live is not reported any more.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from hashlib import sha256
from itertools import groupby, product
from typing import TYPE_CHECKING, Any, Final

from konductor_core.annotations import CONTROLLER
from konductor_core.controller.cluster import Forbidden, Missing
from konductor_core.durations import MINUTE, rfc3339
from konductor_core.identity import API_VERSION, Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from konductor_core.controller.cluster import Cluster
    from konductor_core.controller.store import Store
    from konductor_core.controller.view import Key, Resource
    from konductor_core.models import Event
    from konductor_core.models.objects import Status

__all__ = ["EventWriter"]

log = logging.getLogger(__name__)

NORMAL, WARNING = "Normal", "Warning"
REASONS: Final = {
    "opened": ("Opened", NORMAL, "{permits} have arrived: it is open"),
    "failed": ("Failed", WARNING, "it has failed: {detail}"),
    "expired": ("Expired", WARNING, "the lease of {holder} expired without being renewed"),
    "lost": ("Lost", WARNING, "the lease of {holder} was lost, as it noticed itself"),
    "force-released": ("ForceReleased", WARNING, "what {holder} held was taken away"),
    "reclaimed": ("Reclaimed", NORMAL, "what {holder} held was given back: {detail}"),
}
"""Which events of the history are reported: as what, how serious, in which words. They don't begin with a name, since a
sentence begins with a capital letter."""

OF_GATES: Final = {
    **REASONS,
    "opened": ("Opened", NORMAL, "{detail}: it is open"),
    "closed": ("Closed", NORMAL, "{detail}: it is closed"),
}
"""The same of gates, which nobody arrives at."""

OLDEST: Final = 30 * MINUTE
"""How old something may be to be reported, in ms. Less than the hour for which a cluster keeps Events."""

PAGE: Final = 500
ONE_BY_ONE: Final = 3
"""How many of one sort are reported one by one, before they are reported as a number."""

BURST: Final = 20
REFILL: Final = 15.0
"""Events of one object: so many at once, then one in so many seconds. What comes meanwhile is reported together."""


@dataclass(slots=True)
class _Account:
    """Up to where an object's history was reported, and how many Events it may have now."""

    uid: str
    seen: str
    budget: float
    at: float


class EventWriter:
    """Writes Events; `instance` is the name of this replica."""

    def __init__(self, cluster: Cluster, store: Store, instance: str) -> None:
        self._cluster = cluster
        self._store = store
        self._instance = instance
        self._accounts: dict[Key, _Account] = {}
        self.listeners: list[Callable[[Key, Event], None]] = []
        """Functions that are told of everything in the histories, some of it more than once."""

    def cursor(self, resource: Resource) -> dict[str, str]:
        """Return what the resource's status says of the history: nothing while none of it was reported."""
        seen = self._account(resource).seen
        return {"observedEvent": seen} if seen else {}

    def forget(self, key: Key) -> None:
        """Drop what is known of an object that is gone."""
        self._accounts.pop(key, None)

    async def write(self, resource: Resource, status: Status) -> float | None:
        """Report what is new in the history; return after how many seconds the rest may be, None if there is none."""
        account = self._account(resource)
        if account.budget < 1:
            return (1 - account.budget) * REFILL
        news = await self._store.history(resource.key, account.seen or "0", PAGE)
        if not news:
            return None
        for event, listener in product(news, self.listeners):
            listener(resource.key, event)
        oldest = status.now_ms - OLDEST
        reasons = _reasons(resource.key)
        told = sorted((each for each in news if each.type in reasons and each.at_ms >= oldest), key=_sort)
        for _, group in groupby(told, key=_sort):
            for some in _portions(list(group)):
                account.budget -= 1
                if not await self._write(resource, some):
                    return None
        account.seen = news[-1].id
        return 0.0 if len(news) == PAGE else None

    def _account(self, resource: Resource) -> _Account:
        now = asyncio.get_running_loop().time()
        account = self._accounts.get(resource.key)
        if account is None or account.uid != resource.uid:
            seen = str(resource.status.get("observedEvent", ""))
            account = self._accounts[resource.key] = _Account(resource.uid, seen, BURST, now)
        account.budget = min(BURST, account.budget + (now - account.at) / REFILL)
        account.at = now
        return account

    async def _write(self, resource: Resource, events: Sequence[Event]) -> bool:
        """Write one Event; False if there can be none, because the namespace is on its way out."""
        try:
            await self._cluster.create_event(resource.key.namespace, self._body(resource, events))
        except (Missing, Forbidden) as error:
            log.debug("%s: no Event: %s", resource.key, error)
            return False
        return True

    def _body(self, resource: Resource, events: Sequence[Event]) -> dict[str, Any]:
        first, last = events[0], events[-1]
        reason, severity, words = _reasons(resource.key)[first.type]
        digest = sha256(f"{resource.uid} {first.type} {first.id}".encode()).hexdigest()[:16]
        return {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": f"{resource.key.name[:230]}.{digest}", "namespace": resource.key.namespace},
            "involvedObject": {
                "apiVersion": API_VERSION,
                "kind": str(resource.key.kind),
                "namespace": resource.key.namespace,
                "name": resource.key.name,
                "uid": resource.uid,
            },
            "reason": reason,
            "type": severity,
            "message": _message(words, events),
            "count": len(events),
            "firstTimestamp": rfc3339(first.at_ms),
            "lastTimestamp": rfc3339(last.at_ms),
            "source": {"component": CONTROLLER, "host": self._instance},
            "reportingComponent": CONTROLLER,
            "reportingInstance": self._instance,
        }


def _reasons(key: Key) -> Mapping[str, tuple[str, str, str]]:
    return OF_GATES if key.kind is Kind.GATE else REASONS


def _sort(event: Event) -> str:
    return event.type


def _portions(events: list[Event]) -> list[list[Event]]:
    """Return the events as they are reported: a few one by one, many together."""
    return [[event] for event in events] if len(events) <= ONE_BY_ONE else [events]


def _message(words: str, events: Sequence[Event]) -> str:
    """Return what happened, in a sentence."""
    facts = [{"holder": each.holder or "", "permits": each.permits, "detail": each.detail or ""} for each in events]
    if len(events) == 1:
        text = words.format(**facts[0])
        return text[:1].upper() + text[1:] + "."
    holders = [str(each["holder"]) for each in facts if each["holder"]]
    text = f"{len(events)} times: " + words.format(**facts[0])
    if others := len(holders) - 1:
        text += f"; also of {', '.join(holders[1:3])}" + (f" and {others - 2} more" if others > 2 else "")
    return text[:1_000] + "."
