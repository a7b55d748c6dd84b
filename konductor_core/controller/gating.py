"""Gates: looked at whenever something changes that they wait for. What decides is `gates.judge`, and then the script.

A look collects the facts, judges them, and writes only what is news, or what somebody waits to hear. A verdict other
than waiting is final: so before it is given, the API is asked for everything that it stands on.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from typing import TYPE_CHECKING

from konductor_core.controller.agenda import Agenda
from konductor_core.controller.cluster import ApiUnavailable
from konductor_core.controller.view import Key
from konductor_core.errors import Unavailable
from konductor_core.facts import FACTS, fact_of
from konductor_core.gates import Reference, forbidden, is_news, judge, may_look, references
from konductor_core.identity import Kind
from konductor_core.models import GateStatus
from konductor_core.projection import Problem
from konductor_core.rings import Place, Walk

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from konductor_core.controller.cluster import Cluster
    from konductor_core.controller.store import Store
    from konductor_core.controller.view import Namespace, Pod, View
    from konductor_core.controller.workloads import Workload
    from konductor_core.facts import Fact
    from konductor_core.gates import Verdict
    from konductor_core.models.objects import Status

__all__ = ["Gating"]

log = logging.getLogger(__name__)


class Gating:
    """Evaluates gates. It must be told of every snapshot of any object: `note`.

    `show` has a gate's resource looked at, whose condition `Ready` may have become another: `problem`.
    """

    def __init__(self, view: View, cluster: Cluster, store: Store, *, show: Callable[[Key], None]) -> None:
        self._view = view
        self._cluster = cluster
        self._store = store
        self._show = show
        self._asks: dict[Key, tuple[Reference, ...]] = {}
        self._asked: defaultdict[Reference, set[Key]] = defaultdict(set)
        self._agenda: Agenda[Key] = Agenda(self._work, outages=(Unavailable, ApiUnavailable))
        view.pods.listeners.append(self._pod_changed)
        view.workloads.listeners.append(self._workload_changed)
        view.namespaces.listeners.append(self._namespace_changed)

    async def run(self) -> None:
        """Evaluate until cancelled."""
        for gate in self._asks:
            self._agenda.poke(gate)
        await self._agenda.run()

    def note(self, key: Key, status: Status | None) -> None:
        """Take note of an object: whoever waits for it is looked at, and so is itself if it is a gate."""
        if key.kind is Kind.GATE:
            self._note_gate(key, references(status.spec, key.namespace) if isinstance(status, GateStatus) else ())
            if status is None:
                self._agenda.forget(key)
            else:
                self._agenda.poke(key)
        self._changed(Reference(str(key.kind), key.namespace, key.name))

    def problem(self, status: Status) -> Problem | None:
        """Return what keeps a gate from opening by itself: that it waits for itself, by way of others."""
        if not isinstance(status, GateStatus) or status.verdict != "Waiting":
            return None
        place = Place(status.namespace, status.name)
        walk = Walk(place, self._gates_of(place))
        while walk.due:
            gate = walk.next()
            walk.refers(gate, self._gates_of(gate))
        return Problem("Cycle", f"{walk.describe()}: none of them can open.") if walk.ring else None

    # ----------------------------------------------------------------------------------------- who waits for what

    def _note_gate(self, gate: Key, asks: tuple[Reference, ...]) -> None:
        before = self._asks.get(gate, ())
        if asks == before:
            return
        for reference in before:
            self._asked[reference].discard(gate)
            if not self._asked[reference]:
                del self._asked[reference]
        for reference in asks:
            self._asked[reference].add(gate)
        concerned = self._behind(gate)
        if asks:
            self._asks[gate] = asks
        else:
            self._asks.pop(gate, None)
        for each in concerned | self._behind(gate):
            self._show(each)

    def _behind(self, gate: Key) -> set[Key]:
        """Return the gates that a gate waits for, directly or not: those with which it can be in a ring."""
        found: set[Key] = set()
        due = [Place(gate.namespace, gate.name)]
        while due:
            for place in self._gates_of(due.pop()):
                key = Key(Kind.GATE, *place)
                if key in self._asks and key not in found:
                    found.add(key)
                    due.append(place)
        return found - {gate}

    def _gates_of(self, gate: Place) -> Iterable[Place]:
        """Return the gates that a gate names."""
        asks = self._asks.get(Key(Kind.GATE, *gate), ())
        return [Place(each.namespace, each.name) for each in asks if each.type == Kind.GATE]

    def _changed(self, reference: Reference) -> None:
        for gate in self._asked.get(reference, ()):
            self._agenda.poke(gate)

    def _pod_changed(self, key: tuple[str, str], before: Pod | None, after: Pod | None) -> None:
        if before is None or after is None or before.fact != after.fact:
            self._changed(Reference("Pod", *key))

    def _workload_changed(self, key: Reference, before: Workload | None, after: Workload | None) -> None:
        if before is None or after is None or before.fact != after.fact:
            self._changed(key)

    def _namespace_changed(self, name: str, before: Namespace | None, after: Namespace | None) -> None:
        if (before and before.gates_from) != (after and after.gates_from):
            for reference in [each for each in self._asked if each.namespace == name]:
                self._changed(reference)

    # ------------------------------------------------------------------------------------------------ a look at one

    async def _work(self, gate: Key) -> None:
        """Look at one gate."""
        status = await self._store.read(gate)
        if not isinstance(status, GateStatus):
            self._note_gate(gate, ())
            self._agenda.forget(gate)
        elif status.verdict == "Waiting":
            verdict = await self._judge(status, self._seen)
            if verdict.phase != "Waiting":
                verdict = await self._judge(status, self._asked_for)
            if is_news(status, verdict) and await self._store.evaluate(status, verdict) and verdict.phase != "Waiting":
                log.info("%s: %s", gate, verdict.reason or "all of its conditions hold")

    async def _judge(self, status: GateStatus, look: Callable[[Reference], Awaitable[Fact | None]]) -> Verdict:
        facts: dict[Reference, Fact] = {}
        for reference in references(status.spec, status.namespace):
            fact = await self._fact(reference, status.namespace, look)
            if fact is not None:
                facts[reference] = fact
        return judge(status.spec, status.namespace, facts)

    async def _fact(
        self, reference: Reference, home: str, look: Callable[[Reference], Awaitable[Fact | None]]
    ) -> Fact | None:
        """Return how an object stands for a gate in the namespace `home`; None if there is none."""
        namespace = self._view.namespaces.items.get(reference.namespace)
        if reference.namespace != home and namespace and not may_look(namespace.gates_from, home):
            return forbidden(reference, home)
        if reference.type in FACTS:
            return await look(reference)
        status = await self._store.glance(Key(Kind(reference.type), reference.namespace, reference.name))
        return None if status is None else fact_of(status)

    async def _seen(self, reference: Reference) -> Fact | None:
        """Return how a pod, a job or a deployment stood when it was heard of last."""
        if reference.type == "Pod":
            pod = self._view.pod(reference.namespace, reference.name)
            return None if pod is None else pod.fact
        workload = self._view.workloads.items.get(reference)
        return None if workload is None else workload.fact

    async def _asked_for(self, reference: Reference) -> Fact | None:
        """Return how it stands now: what was heard may be about one that was deleted and made anew since."""
        ask = {"Pod": self._cluster.pod, "Job": self._cluster.job, "Deployment": self._cluster.deployment}
        body = await ask[reference.type](reference.namespace, reference.name)
        return None if body is None else FACTS[reference.type](body)
