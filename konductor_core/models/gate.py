"""Gate: its conditions, its spec, and its status."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal, Self

from konductor_core.durations import UNATTENDED_AFTER
from konductor_core.errors import InvalidInput, did_you_mean, either, quoted
from konductor_core.identity import Kind
from konductor_core.models.base import (
    Checked,
    Column,
    Model,
    Rule,
    Spec,
    choice,
    count,
    duration,
    flag,
    items,
    mapping,
    moment,
    name_of,
    namespace_of,
    nested_spec,
    parts,
    text,
)
from konductor_core.models.objects import Listener, Status

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "AMOUNTS",
    "STATES",
    "Check",
    "Condition",
    "GateOverride",
    "GatePhase",
    "GateSpec",
    "GateStatus",
    "GateVerdict",
]

GatePhase = Literal["Waiting", "Open", "Closed", "Failed"]
GateVerdict = Literal["Waiting", "Open", "Failed"]
GateOverride = Literal["Open", "Closed"]

CONDITIONS_MAX: Final = 64

STATES: Final[Mapping[str, tuple[str, ...]]] = {
    "Job": ("Complete", "Failed", "Running"),
    "Pod": ("Ready", "Running", "Succeeded", "Failed"),
    "Deployment": ("Available",),
    "Barrier": ("Open", "Waiting", "Failed"),
    "Semaphore": ("Ready", "Full", "Paused"),
    "Lease": ("Held", "Available"),
    "Mutex": ("Unlocked", "Locked"),
    "RWMutex": ("Unlocked", "ReadLocked", "WriteLocked"),
    "Once": ("Done", "Running", "Pending"),
    "WaitGroup": ("Done", "Waiting", "Idle"),
    "Gate": ("Open", "Closed", "Waiting", "Failed"),
}
"""What a condition can be about, and in which states that can be; the first one is meant where none is given."""

OTHER_NAMES: Final[Mapping[str, Mapping[str, str]]] = {
    "Job": {"Active": "Running"},
    "Barrier": {"Closed": "Waiting"},
    "Semaphore": {"Available": "Ready"},
    "Lease": {"Acquired": "Held"},
    "WaitGroup": {"Zero": "Done", "NonZero": "Waiting"},
}
"""What manifests may call some of these states too."""

AMOUNTS: Final[Mapping[str, str]] = {
    "Job": "completions",
    "Deployment": "available replicas",
    "Barrier": "arrivals",
    "Semaphore": "free permits",
}
"""Of what a condition can ask for an amount, and what is counted then. It goes with the first state only."""

_TEXT: Final = re.compile(r"(?:([^/=:]+)/)?([^/=:]+)/([^/=:]+)(?:=([^=:]*))?(?::([^=:]*))?")


def _article(word: str) -> str:
    return f"an {word}" if word == "RWMutex" else f"a {word}"


def _names_of(kind: str, state: str) -> list[str]:
    """Return all names of a state, its own first."""
    return [state, *(name for name, meant in OTHER_NAMES.get(kind, {}).items() if meant == state)]


def _state_rules() -> tuple[Rule, ...]:
    return tuple(
        Rule(
            f"self.type != '{kind}' || !has(self.state) || self.state in {[*states, *OTHER_NAMES.get(kind, ())]}",
            f"the state of {_article(kind)} is {either(states)}",
        )
        for kind, states in STATES.items()
    )


@dataclass(frozen=True, slots=True)
class Condition(Checked):
    """What has to hold of one object: its state, or an amount of what its kind counts.

    A `namespace` of None is the gate's own, a `state` of None the first one in `STATES`.
    """

    rules: ClassVar[tuple[Rule, ...]] = (
        *_state_rules(),
        Rule(
            f"!has(self.value) || self.type in {list(AMOUNTS)}",
            f"a value goes with {either(list(AMOUNTS))}: only they count something",
        ),
        *(
            Rule(
                f"!has(self.value) || self.type != '{kind}' || !has(self.state) || "
                f"self.state in {_names_of(kind, STATES[kind][0])}",
                f"the value of {_article(kind)} goes with the state {STATES[kind][0]}: it is the least of its {amount}",
            )
            for kind, amount in AMOUNTS.items()
        ),
    )

    type: str = field(metadata=choice("What kind of object it is about.", *STATES))
    name: str = field(metadata=name_of("The name of that object."))
    namespace: str | None = field(
        default=None, metadata=namespace_of("The namespace of that object, unless it is the gate's own.")
    )
    state: str | None = field(
        default=None,
        metadata=text(
            "The state that it must be in; left out, Complete, Ready, Available, Open, Held, Unlocked or Done."
        ),
    )
    value: int | None = field(
        default=None,
        metadata=count("The least amount instead: completions, replicas, arrivals or free permits.", minimum=1),
    )

    @property
    def wanted(self) -> str:
        """The state that is wanted, by its own name."""
        if self.state is None:
            return STATES[self.type][0]
        return OTHER_NAMES.get(self.type, {}).get(self.state, self.state)

    @classmethod
    def parse(cls, words: str) -> Self:
        """Return the condition that `[NAMESPACE/]TYPE/NAME[=STATE][:VALUE]` says, the type in any case.

        Raises `InvalidInput`.
        """
        match = _TEXT.fullmatch(words)
        if not match:
            raise InvalidInput(
                f"condition {quoted(words)} is not one: write [NAMESPACE/]TYPE/NAME[=STATE][:VALUE], "
                "like job/migrate, deployment/web=Available or semaphore/slots:2"
            )
        namespace, kind, name, state, value = match.groups()
        if value is not None and not (value.isascii() and value.isdigit() and len(value) < 10):
            raise InvalidInput(f"condition {quoted(words)} has the value {quoted(value)}: write a whole number")
        by_key = {each.lower(): each for each in STATES}
        return cls(
            type=by_key.get(kind.lower(), kind),
            name=name,
            namespace=namespace,
            state=state,
            value=None if value is None else int(value),
        )

    def _cross_check(self) -> None:
        states = STATES[self.type]
        is_text = isinstance(self.state, str)
        if self.state is not None and not (is_text and self.wanted in states):
            guess = did_you_mean(self.state, states) if is_text else None
            remedy = f"did you mean {guess}?" if guess else f"use {either(states)}"
            raise InvalidInput(f"condition {self} wants the state {quoted(self.state)}, which is unknown: {remedy}")
        if self.value is None:
            return
        if self.type not in AMOUNTS:
            raise InvalidInput(
                f"condition {self} has the value {self.value}, but nothing of {_article(self.type)} is counted: "
                f"leave it out; it goes with {either(list(AMOUNTS))}"
            )
        if self.wanted != states[0]:
            raise InvalidInput(
                f"condition {self} has the value {self.value} and the state {self.state}: leave one of them out; "
                f"a value is the least of the {AMOUNTS[self.type]}"
            )

    def __str__(self) -> str:
        where = f"{self.namespace}/" if self.namespace else ""
        return f"{where}{self.type.lower()}/{self.name}"


@dataclass(frozen=True, slots=True)
class GateSpec(Spec):
    """What a gate waits for. Without conditions it is opened by hand only; a `timeout_ms` of None waits without end."""

    kind: ClassVar[Kind] = Kind.GATE
    about: ClassVar[str] = "Conditions that must all hold before the gate opens, and that any number of pods wait for."

    conditions: tuple[Condition, ...] = field(
        default=(), metadata=parts("What must hold, all at once, for the gate to open.", Condition, CONDITIONS_MAX)
    )
    timeout_ms: int | None = field(
        default=None, metadata=duration("How long after its beginning the gate fails unless open.", minimum_ms=1)
    )


@dataclass(frozen=True, slots=True)
class Check(Model):
    """How one condition stood when it was looked at last."""

    type: str = field(metadata=text("What kind of object it is about."))
    name: str = field(metadata=text("The name of that object."))
    namespace: str = field(metadata=text("The namespace of that object."))
    state: str = field(metadata=text("The state that is wanted."))
    value: int | None = field(default=None, metadata=count("The least amount that is wanted."))
    met: bool = field(metadata=flag("Whether it holds."), kw_only=True)
    message: str = field(metadata=text("How the object stands."), kw_only=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class GateStatus(Status):
    """A snapshot of one gate. The phase is that of the override if there is one, else the verdict."""

    kind: ClassVar[Kind] = Kind.GATE
    columns: ClassVar[tuple[Column, ...]] = (
        Column("Met", ".status.progress"),
        Column("Phase", ".status.phase"),
    )

    phase: GatePhase = field(metadata=choice("Where the gate stands.", "Waiting", "Open", "Closed", "Failed"))
    met: int = field(metadata=count("How many conditions held when they were looked at last."))
    total: int = field(metadata=count("How many conditions there are."))
    spec: GateSpec = field(metadata=nested_spec())
    verdict: GateVerdict = field(
        metadata=choice("What the conditions have come to, whatever a hand has done.", "Waiting", "Open", "Failed")
    )
    override: GateOverride | None = field(
        default=None, metadata=choice("What was done by hand; absent if the conditions decide.", "Open", "Closed")
    )
    waiting: int = field(metadata=count("How many wait for it to open."))
    deadline_ms: int | None = field(default=None, metadata=moment("When it fails unless open."))
    opened_ms: int | None = field(default=None, metadata=moment("When its conditions held.", name="openedAt"))
    failed_ms: int | None = field(default=None, metadata=moment("When it failed.", name="failedAt"))
    reason: str | None = field(default=None, metadata=text("What is missing, or why it failed.", sparse=True))
    checks: tuple[Check, ...] = field(default=(), metadata=items("How each condition stood.", Check))
    evaluated_ms: int | None = field(
        default=None, metadata=moment("When the conditions were looked at last.", name="evaluatedAt")
    )
    asked_ms: int | None = field(default=None, metadata=moment("Since when somebody asks for that.", name="askedAt"))
    waiters: tuple[Listener, ...] = field(default=(), metadata=items("Who waits.", Listener))
    counters: Mapping[str, int] = field(default_factory=dict, metadata=mapping("What has been counted so far."))

    @property
    def unattended(self) -> bool:
        """Whether nobody looks at the conditions, although it is asked for."""
        return self.asked_ms is not None and self.asked_ms + UNATTENDED_AFTER <= self.now_ms

    def to_dict(self) -> dict[str, Any]:
        """Return the flat JSON of `koncli gate status`; `checks` has what the conditions of the spec say."""
        document = Status.to_dict(self)
        document.pop("conditions", None)
        return document
