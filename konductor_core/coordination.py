"""What a pod asks of Konductor: its annotations, read and checked.

Every refusal is one sentence that names the annotation, its value and the remedy.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from konductor_core.annotation_values import Values
from konductor_core.annotations import ACQUIRES, ARRIVES, PREFIX, WAITS, Annotation
from konductor_core.durations import MIN_KEPT_TTL
from konductor_core.errors import InvalidInput, did_you_mean, quoted
from konductor_core.identity import COUNT_MAX, PRIORITY_MAX, Kind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from konductor_core.quantities import Amount

__all__ = ["Acquire", "Arrive", "Coordination", "Wait"]

WaitMode = Literal["init", "schedule"]
ArriveOn = Literal["success", "completion", "start"]
OnLost = Literal["continue", "signal", "delete-pod"]
PullPolicy = Literal["Always", "IfNotPresent", "Never"]


@dataclass(frozen=True, slots=True)
class Wait:
    """One object that the pod waits for; a `timeout_ms` of None has no end."""

    kind: Kind
    name: str
    timeout_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Acquire:
    """One object of which the pod holds permits."""

    kind: Kind
    name: str
    permits: int = 1


@dataclass(frozen=True, slots=True)
class Arrive:
    """One object at which the pod arrives."""

    kind: Kind
    name: str

    @property
    def verb(self) -> str:
        """What the library calls it."""
        return "done" if self.kind is Kind.WAITGROUP else "arrive"


@dataclass(frozen=True, slots=True, kw_only=True)
class Coordination:
    """All that a pod's annotations ask for, checked. Times are milliseconds; None is what the object or nobody says."""

    inject: bool = True
    waits: tuple[Wait, ...] = ()
    wait_mode: WaitMode = "init"
    acquires: tuple[Acquire, ...] = ()
    ttl_ms: int | None = None
    acquire_timeout_ms: int | None = None
    priority: int = 0
    arrives: tuple[Arrive, ...] = ()
    arrive_on: ArriveOn = "success"
    on_lost: OnLost = "continue"
    api: bool = False
    holder: str | None = None
    init_first: tuple[str, ...] = ()
    image: str | None = None
    image_pull_policy: PullPolicy | None = None
    resources: tuple[Amount, ...] = ()

    @property
    def asks(self) -> bool:
        """Whether there is anything to do for the pod, by whomever."""
        return bool(self.waits or self.acquires or self.arrives or self.api)

    @property
    def keeper(self) -> bool:
        """Whether the pod needs a keeper beside its own containers."""
        return bool(self.acquires) or self.api

    @classmethod
    def from_annotations(cls, annotations: Mapping[str, str] | None) -> Coordination:
        """Return what the annotations of a pod, or of a pod template, ask for; those of others are passed over.

        Raises `InvalidInput` for a name that is unknown or of a kind that does not exist yet, for a malformed value,
        for a setting that nothing in the pod heeds, and for what could never come true.
        """
        values = Values(annotations)
        if not values.flag(Annotation.INJECT, default=True):
            return cls(inject=False)
        _refuse_unknown(values)
        timeout_ms = values.duration(Annotation.WAIT_TIMEOUT)
        permits = values.count(Annotation.PERMITS, default=1, minimum=1, maximum=COUNT_MAX)
        found = cls(
            waits=tuple(
                Wait(kind, name, timeout_ms if own_ms is None else own_ms)
                for kind, annotation in WAITS.items()
                for name, own_ms in values.names_with_timeouts(annotation)
            ),
            wait_mode=values.choice(Annotation.WAIT_MODE, "init", "schedule"),
            acquires=tuple(
                Acquire(kind, name, own or permits)
                for kind, annotation in ACQUIRES.items()
                for name, own in values.names_with_amounts(annotation, kind)
            ),
            ttl_ms=values.duration(Annotation.TTL, minimum_ms=MIN_KEPT_TTL),
            acquire_timeout_ms=values.duration(Annotation.ACQUIRE_TIMEOUT),
            priority=values.count(Annotation.PRIORITY, default=0, minimum=-PRIORITY_MAX, maximum=PRIORITY_MAX),
            arrives=tuple(Arrive(kind, name) for kind, each in ARRIVES.items() for name in values.names(each)),
            arrive_on=values.choice(Annotation.ARRIVE_ON, "success", "completion", "start"),
            on_lost=values.choice(Annotation.ON_LOST, "continue", "signal", "delete-pod"),
            api=values.flag(Annotation.API, default=False),
            holder=values.holder(Annotation.HOLDER),
            init_first=values.words(Annotation.INIT_FIRST),
            image=values.word(Annotation.IMAGE),
            image_pull_policy=values.choice(Annotation.IMAGE_PULL_POLICY, None, "Always", "IfNotPresent", "Never"),
            resources=values.amounts(Annotation.RESOURCES),
        )
        _refuse_unheeded(values, found)
        _refuse_impossible(found)
        return found


def _refuse_unknown(values: Values) -> None:
    for name in values:
        if name not in _KNOWN:
            guess = did_you_mean(name.removeprefix(PREFIX), [each.word for each in Annotation])
            remedy = f"did you mean {PREFIX}{guess}?" if guess else "leave it out, or see the reference of annotations"
            raise InvalidInput(f"annotation {quoted(name)} is unknown: {remedy}")


_KNOWN: Final = frozenset(Annotation)
_WAITING: Final = (Annotation.WAIT_TIMEOUT, Annotation.WAIT_MODE)
_HOLDING: Final = (
    Annotation.TTL,
    Annotation.ACQUIRE_TIMEOUT,
    Annotation.PRIORITY,
    Annotation.ON_LOST,
)


_COUNTED: Final = {Kind.SEMAPHORE: ACQUIRES[Kind.SEMAPHORE]}


def _refuse_unheeded(values: Values, found: Coordination) -> None:
    """Raise `InvalidInput` for a setting of something that the pod does not do: it was meant to have an effect."""
    for settings, heeded, by in (
        (_WAITING, found.waits, WAITS),
        (_HOLDING, found.acquires, ACQUIRES),
        ((Annotation.PERMITS,), any(each.kind is Kind.SEMAPHORE for each in found.acquires), _COUNTED),
        ((Annotation.ARRIVE_ON,), found.arrives, ARRIVES),
        ((Annotation.HOLDER,), found.asks, {**ACQUIRES, **WAITS}),
    ):
        for annotation in settings:
            if not heeded and annotation in values:
                raise InvalidInput(
                    f"annotation {annotation} {quoted(values[annotation])} has no effect alone: "
                    f"add {' or '.join(by.values())}, or leave it out"
                )


def _refuse_impossible(found: Coordination) -> None:
    waited = {(wait.kind, wait.name) for wait in found.waits}
    both = next((each for each in found.arrives if (each.kind, each.name) in waited), None)
    if both is None:
        return
    what = f"annotation {ARRIVES[both.kind]} {quoted(both.name)} names what {WAITS[both.kind]} waits for"
    if found.arrive_on != "start":
        raise InvalidInput(
            f"{what}, so that the pod would wait for its own end: "
            f"take it out of one of them, or add {Annotation.ARRIVE_ON}: start"
        )
    if found.wait_mode == "schedule":
        raise InvalidInput(f"{what}, and an unscheduled pod cannot arrive: leave out {Annotation.WAIT_MODE}: schedule")
