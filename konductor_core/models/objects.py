"""What all objects have in common: the head of every status, and events."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from konductor_core.models.base import Column, Model, count, internal, mapping, moment, text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from konductor_core.identity import Kind
    from konductor_core.models.base import Spec

__all__ = ["Event", "Listener", "Status"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Status(Model):
    """The head of every kind's status.

    `epoch` names one life of the object. `owner` is `cr/<uid>` or `cli`. `now_ms` is the server's time of the
    snapshot, `next_change_ms` what the script said about when to look again.
    """

    kind: ClassVar[Kind]
    columns: ClassVar[tuple[Column, ...]]

    name: str = field(metadata=text("Name of the object."))
    namespace: str = field(metadata=text("Namespace of the object."))
    epoch: str = field(metadata=text("This life of the object; a new one starts with nothing carried over."))
    owner: str = field(metadata=text("Who owns the object: cr/<uid> or cli."))
    labels: Mapping[str, str] = field(default_factory=dict, metadata=mapping("Labels of the object."))
    created_ms: int = field(metadata=moment("When this life of the object began.", name="createdAt"))
    now_ms: int = field(metadata=moment("The server's time of this snapshot.", name="observedAt"))
    next_change_ms: int = field(metadata=internal())

    if TYPE_CHECKING:

        @property
        def spec(self) -> Spec:
            """What was asked for: a field of every kind's status."""

    def to_dict(self) -> dict[str, Any]:
        """Return the flat JSON of `koncli KIND status`: kind, name, namespace, what this kind says, the rest."""
        document = Model.to_dict(self)
        head = {"kind": str(self.kind), "name": document.pop("name"), "namespace": document.pop("namespace")}
        tail = {
            name: document.pop(name) for name in ("labels", "epoch", "owner", "counters", "createdAt", "observedAt")
        }
        return head | self._summary() | document | tail

    def _summary(self) -> dict[str, Any]:
        """Return what is derived rather than stored, under JSON names."""
        return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Listener(Model):
    """One who waits until an object opens, and stands in no queue."""

    holder: str = field(metadata=text("Who waits."))
    pod: str = field(default="", metadata=text("The pod that waits.", sparse=True))
    since_ms: int = field(metadata=moment("Since when."))
    request: str = field(metadata=text("The id of the request."))


@dataclass(frozen=True, slots=True, kw_only=True)
class Event(Model):
    """One entry of an object's bounded history, in the server's order of `id`."""

    at_ms: int = field(metadata=moment("When it happened."))
    id: str = field(metadata=text("Its place in the history."))
    type: str = field(metadata=text("What happened."))
    holder: str | None = field(default=None, metadata=text("The holder or arrival it concerns.", sparse=True))
    token: int | None = field(default=None, metadata=count("The fencing token of the grant."))
    permits: int | None = field(default=None, metadata=count("How many permits."))
    detail: str | None = field(default=None, metadata=text("More about it.", sparse=True))
