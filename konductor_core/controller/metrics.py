"""What Prometheus reads: each object's state as of its last look, what its scripts have counted, and how we are doing.

Only the active replica shows objects. Of each kind so many are shown one by one; the rest is a number, so that labels
stay bounded.
"""

from __future__ import annotations

from collections import Counter as Tally
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

from konductor_core.amounts import LEASED
from konductor_core.identity import Kind
from konductor_core.models import (
    SPECS,
    BarrierStatus,
    GateStatus,
    LeaseStatus,
    OnceStatus,
    PermitStatus,
    SemaphoreStatus,
    WaitGroupStatus,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from konductor_core.controller.cluster import Rule
    from konductor_core.controller.view import Key
    from konductor_core.models.objects import Status

__all__ = ["Metrics"]

LABELS: Final = ("namespace", "name")
SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

_LEASED: Final = (*LEASED, Kind.ONCE)
_LEASED_GAUGES: Final = {
    "holders": "Leases that are held.",
    "waiting": "Requests that are queued.",
    "longest_wait_seconds": "The longest that a request has waited so far.",
}
_LEASED_COUNTERS: Final = {
    "grants": "Grants, since the object's life began.",
    "refusals": "Requests that were refused.",
    "expiries": "Leases that expired.",
    "timeouts": "Waits that were given up.",
    "renewals": "Renewals.",
}
_GAUGES: Final = {
    "semaphore_permits": "Permits of a semaphore.",
    "semaphore_in_use": "Permits that are held.",
    **{f"{kind.key}_{name}": text for kind in _LEASED for name, text in _LEASED_GAUGES.items()},
    "barrier_expected": "Arrivals that a barrier waits for.",
    "barrier_needed": "Arrivals that open it: the quorum, if there is one.",
    "barrier_arrived": "Arrivals so far.",
    "barrier_waiting": "Who waits for it to open.",
    "barrier_open": "Whether it is open.",
    "barrier_failed": "Whether it has failed.",
    "once_done": "Whether it is done.",
    "once_listening": "Who waits until it is done, and would not run it.",
    "waitgroup_counter": "Members of a wait group that are not done yet.",
    "waitgroup_waiting": "Who waits for them.",
    "gate_conditions": "Conditions of a gate.",
    "gate_met": "How many of them hold, as of the last look, or when it opened or failed.",
    "gate_waiting": "Who waits for it to open.",
    "gate_open": "Whether it is open, by its conditions or by hand.",
    "gate_failed": "Whether it has failed.",
    "gate_by_hand": "Whether a hand has opened or closed it, whatever its conditions.",
}
_COUNTERS: Final = {
    **{f"{kind.key}_{name}": text for kind in _LEASED for name, text in _LEASED_COUNTERS.items()},
    **{f"{kind.key}_waited_seconds": "How long all requests together have waited." for kind in _LEASED},
    "lease_transitions": "How often a lease went from one holder to another.",
    "once_failures": "Runs that have failed.",
    "barrier_repeats": "Arrivals that had arrived before.",
    "waitgroup_added": "Members that were added, since the object's life began.",
}


def _values(status: Status) -> dict[str, float]:
    """Return what is shown of a snapshot, by the metric's name without its prefix."""
    match status:
        case SemaphoreStatus():
            return {"semaphore_permits": status.spec.permits, "semaphore_in_use": status.in_use, **_leased(status)}
        case LeaseStatus():
            return {"lease_transitions": status.transitions, **_leased(status)}
        case OnceStatus():
            done = {"once_done": status.phase == "Done", "once_listening": status.listening}
            return {**done, "once_failures": status.failures, **_leased(status)}
        case PermitStatus():
            return _leased(status)
        case BarrierStatus():
            return {
                "barrier_expected": status.spec.expected,
                "barrier_needed": status.spec.needed,
                "barrier_arrived": status.arrived,
                "barrier_waiting": status.waiting,
                "barrier_open": status.phase == "Open",
                "barrier_failed": status.phase == "Failed",
                "barrier_repeats": status.counters.get("repeats", 0),
            }
        case WaitGroupStatus():
            return {
                "waitgroup_counter": status.counter,
                "waitgroup_waiting": status.waiting,
                "waitgroup_added": status.added,
            }
        case GateStatus():
            return {
                "gate_conditions": status.total,
                "gate_met": status.met,
                "gate_waiting": status.waiting,
                "gate_open": status.phase == "Open",
                "gate_failed": status.phase == "Failed",
                "gate_by_hand": status.override is not None,
            }
        case _:
            return {}


def _leased(status: PermitStatus) -> dict[str, float]:
    counted = {name: float(value) for name, value in status.counters.items()}
    values = {
        "holders": status.holders_total,
        "waiting": status.waiting,
        "longest_wait_seconds": counted.get("longestWaitMs", 0) / 1000,
        "waited_seconds": counted.get("waitedMs", 0) / 1000,
        **{name: counted.get(name, 0) for name in _LEASED_COUNTERS},
    }
    return {f"{status.kind.key}_{name}": value for name, value in values.items()}


@dataclass(slots=True, eq=False)
class _Objects:
    """The collector of what is known of objects."""

    shown: int
    values: dict[Key, dict[str, float]]

    def describe(self) -> list[Any]:
        """Return nothing: the registry need not ask for metrics before there are any."""
        return []

    def collect(self) -> Iterable[GaugeMetricFamily | CounterMetricFamily]:
        """Yield the metrics of objects, as of their last look."""
        families: dict[str, GaugeMetricFamily | CounterMetricFamily] = {
            name: GaugeMetricFamily(f"konductor_{name}", text, labels=LABELS) for name, text in _GAUGES.items()
        }
        families |= {
            name: CounterMetricFamily(f"konductor_{name}", text, labels=LABELS) for name, text in _COUNTERS.items()
        }
        counted: Tally[Kind] = Tally()
        for key, values in self.values.items():
            counted[key.kind] += 1
            if counted[key.kind] > self.shown:
                continue
            for name, value in values.items():
                families[name].add_metric((key.namespace, key.name), value)
        yield from families.values()
        total = GaugeMetricFamily("konductor_objects", "Objects by kind.", labels=("kind",))
        hidden = GaugeMetricFamily("konductor_objects_hidden", "Objects that have no metrics.", labels=("kind",))
        for kind in SPECS:
            total.add_metric((str(kind),), counted[kind])
            hidden.add_metric((str(kind),), max(0, counted[kind] - self.shown))
        yield from (total, hidden)


class Metrics:
    """Everything that is measured. `shown` objects of each kind are shown one by one."""

    def __init__(self, shown: int) -> None:
        self.registry = registry = CollectorRegistry()
        self._objects = _Objects(shown, {})
        registry.register(self._objects)
        self.active = Gauge("konductor_active", "Whether this replica is the active one.", registry=registry)
        self.backlog = Gauge("konductor_backlog", "Objects that are due to be looked at.", registry=registry)
        self.redis_up = Gauge("konductor_redis_up", "Whether Redis answered when last asked.", registry=registry)
        self.api_up = Gauge(
            "konductor_api_up", "Whether the Kubernetes API answered when last asked.", registry=registry
        )
        self.lag = Histogram(
            "konductor_lag_seconds",
            "From when an object was due to when it had been looked at.",
            buckets=SECONDS,
            registry=registry,
        )
        self.reconcile = Histogram(
            "konductor_reconcile_seconds", "How long a look at an object takes.", buckets=SECONDS, registry=registry
        )
        self.failures = Counter("konductor_reconcile_failures", "Looks at objects that failed.", registry=registry)
        self.redis_errors = Counter(
            "konductor_redis_errors", "Times that Redis was found unavailable.", registry=registry
        )
        self.api_requests = Counter(
            "konductor_api_requests",
            "Calls of the Kubernetes API; code 0 is no answer.",
            ("verb", "resource", "code"),
            registry=registry,
        )
        self.nudges = Counter("konductor_nudges", "Messages that told of a changed object.", registry=registry)

    def note(self, key: Key, status: Status | None) -> None:
        """Note an object's snapshot; None if it is gone."""
        if status is None:
            self._objects.values.pop(key, None)
        else:
            self._objects.values[key] = _values(status)

    def forget_objects(self) -> None:
        """Show no objects any more: another replica does."""
        self._objects.values.clear()

    def looked(self, _key: Key, waited: float, took: float, ok: bool) -> None:  # noqa: FBT001 - an Agenda's observer
        """Note a look at an object: seconds since it was due, seconds it took."""
        self.lag.observe(waited + took)
        self.reconcile.observe(took)
        if not ok:
            self.failures.inc()

    def called(self, rule: Rule, status: int) -> None:
        """Note an answer of the Kubernetes API."""
        self.api_requests.labels(rule.verb, rule.resource, str(status)).inc()
        self.api_up.set(status not in {0, 500, 502, 503, 504})

    def text(self) -> bytes:
        """Return everything in the text format of Prometheus."""
        return generate_latest(self.registry)

    def summary(self) -> Mapping[str, int]:
        """Return how many objects of each kind are known."""
        counted = Tally(key.kind for key in self._objects.values)
        return {str(kind): counted[kind] for kind in SPECS}
