"""An independent judge of requests for several objects: all or nothing, and each in its turn.

`check_permits`, with `Rules.several`, judges each object by itself. This one sees what no history shows alone.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from tests.history import Event

__all__ = ["Amounts", "check_several", "check_visible"]

Amounts = dict[str, int]
"""How much is asked for of each object."""
Sample = tuple[float, float, dict[str, set[str]]]
"""Who held what at one moment of the server, between two moments of the monotonic clock."""
SCRIPT_US = 50
"""The tokens of one script differ by the number of grants that it made; those of two scripts by what the first took."""


@dataclass(slots=True)
class _Request:
    """What the histories say of one request. The token of a grant is the microsecond at which its script began."""

    holder: str
    wanted: Amounts
    seq: int | None = None
    queued_ms: int = 0
    grants: dict[int, Amounts] = field(default_factory=lambda: defaultdict(dict))
    lapsed: bool = False

    @property
    def token(self) -> float:
        return min(self.grants, default=float("inf"))

    def stood_before(self, other: _Request) -> bool:
        """Tell whether this one stood in a queue when `other` came, or was granted at once."""
        if self.seq is None:
            return False
        return self.queued_ms * 1000 + 1000 <= other.token if other.seq is None else self.seq < other.seq


def check_several(
    histories: Mapping[str, Iterable[Event]], asked: Mapping[str, Amounts], dead: Collection[str]
) -> list[str]:
    """Return who was granted a part, or something else, who never was, and who was overtaken in an object of its own.

    `histories` are by object, `asked` and `dead` by holder; each holder asks once. Whoever stands before in one object
    is waited for in all, so that a request is served after those before it, and not more.
    """
    requests = {holder: _Request(holder, wanted) for holder, wanted in asked.items()}
    for ref, events in histories.items():
        for event in events:
            if event.holder in requests:
                _note(requests[event.holder], ref, event)
    violations = []
    for request in requests.values():
        violations += [
            f"{request.holder} was granted {found} of {request.wanted}"
            for found in request.grants.values()
            if found != request.wanted
        ]
        if not request.grants and request.holder not in dead:
            violations.append(f"{request.holder} was never served")
    alive = [each for each in requests.values() if each.holder not in dead and not each.lapsed]
    return violations + [
        f"{later.holder} was served before {earlier.holder}, which stood before it: {sorted(shared)}"
        for later in requests.values()
        for earlier in alive
        if later.token + SCRIPT_US < earlier.token
        and earlier.stood_before(later)
        and (shared := later.wanted.keys() & earlier.wanted)
    ]


def _note(request: _Request, ref: str, event: Event) -> None:
    if event.type == "queued":
        request.seq = int(event.detail.split()[0].removeprefix("seq="))
        request.queued_ms = max(request.queued_ms, event.at_ms)
    elif event.type == "granted":
        token = event.token or 0
        together = next((other for other in request.grants if abs(other - token) <= SCRIPT_US), token)
        request.grants[together][ref] = event.permits or 0
    elif event.type == "lapsed":
        request.lapsed = True


def check_visible(samples: Iterable[Sample], asked: Mapping[str, Amounts], gives: Mapping[str, float]) -> list[str]:
    """Return who was seen with a part before it began to give back: `gives` has those moments, by holder."""
    return [
        f"{holder} was seen with {sorted(found)} of {sorted(asked[holder])}"
        for _, until, held in samples
        for holder, found in held.items()
        if found != asked[holder].keys() and until < gives.get(holder, float("inf"))
    ]
