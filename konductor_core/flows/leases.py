"""What a holder does with a lease: renew it, keep it renewed until it is told to stop, give it back."""

from __future__ import annotations

import math
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from konductor_core.codes import Code
from konductor_core.errors import KonductorError, LeaseLost
from konductor_core.flows.absence import absent
from konductor_core.flows.steps import Call, Clock, Flow, Pause
from konductor_core.identity import new_request_id
from konductor_core.scripts import SCRIPTS

if TYPE_CHECKING:
    from konductor_core.flows.permits import Grant
    from konductor_core.keys import ObjectKeys

__all__ = ["Hold", "Released", "keep_renewed", "lost_detail", "pod_of_loss", "release", "renew", "report_lost"]

RENEW: Final = SCRIPTS["permit_renew"]
RELEASE: Final = SCRIPTS["permit_release"]
LOST: Final = SCRIPTS["permit_lost"]
RETRY: Final = 0.5
"""Seconds between tries to renew while Redis does not answer."""
SHORTEST_TRY: Final = 1.0
LONGEST_TRY: Final = 5.0
"""Seconds that one renewal is given: a network may be slow, or a connection may have died silently."""


class Released(StrEnum):
    """What a release found."""

    RELEASED = "released"
    EXPIRED = "expired"
    NOT_HELD = "not-held"


class Hold:
    """What a holder knows of its lease. `deadline` is monotonic seconds, infinite without an end."""

    __slots__ = ("deadline", "holder", "keys", "permits", "reason", "token", "ttl_ms")

    def __init__(
        self, keys: ObjectKeys, holder: str, *, permits: int, token: int, ttl_ms: int, deadline: float
    ) -> None:
        self.keys = keys
        self.holder = holder
        self.permits = permits
        self.token = token
        self.ttl_ms = ttl_ms
        self.deadline = deadline
        self.reason = ""

    @classmethod
    def of(cls, grant: Grant, keys: ObjectKeys, number: int = 0) -> Hold:
        """Return the hold that object `number` of a grant gives."""
        return cls(
            keys,
            grant.holder,
            permits=grant.permits[number],
            token=grant.tokens[number],
            ttl_ms=grant.ttls_ms[number],
            deadline=grant.deadlines[number],
        )


def renew(
    keys: ObjectKeys, holder: str, token: int | None, ttl_ms: int | None, seconds: float = math.inf
) -> Flow[Hold]:
    """Give the lease a new end; a TTL of None is the one it had.

    Raises `LeaseLost` if the holder does not hold it (any more), `NotFound`, `Unavailable` (after `seconds`, too).
    """
    args = (holder, "" if token is None else token, -1 if ttl_ms is None else ttl_ms)
    answer = yield Call(RENEW, keys.permits, args, seconds=seconds)
    code, _, current, left, permits = answer.reply
    if code == Code.ABSENT:
        raise absent(keys)
    if code != Code.RENEWED:
        raise LeaseLost(f"{keys.id} is not held by {holder}: the lease has ended or was given to another")
    deadline = math.inf if left < 0 else answer.sent + left / 1000
    return Hold(keys, holder, permits=permits, token=int(current), ttl_ms=max(left, 0), deadline=deadline)


def keep_renewed(hold: Hold, *, at_once: bool = False, early: float = 0.0) -> Flow[str]:
    """Renew at a third of the TTL until told to stop (result: nothing) or until the lease is lost (why).

    With `at_once` the first time is now: for a lease of which another process has used up a part. A lease that could
    not be renewed is given up at its deadline, or when the part `early` of its TTL is still left, time to stop in.

    While Redis is away, or has lost the object, it tries again until then, and not longer. One try
    takes a third of the TTL at most, so that there is time for another.
    """
    third, spare = hold.ttl_ms / 3000, hold.ttl_ms / 1000 * early
    pause = 0.0 if at_once else third
    patience = max(SHORTEST_TRY, min(third, LONGEST_TRY))
    now = yield Clock()
    while True:
        if (yield Pause(min(pause, max(0.0, hold.deadline - spare - now)))):
            return ""
        now = yield Clock()
        left = hold.deadline - spare - now
        if left <= 0:
            return "its TTL passed before it could be renewed" if not spare else "it could not be renewed in time"
        try:
            renewed = yield from renew(hold.keys, hold.holder, hold.token, hold.ttl_ms, min(left, patience))
        except LeaseLost:
            return "Redis says that it has ended or was given to another"
        except KonductorError:
            pause = RETRY if pause < third else 0.0  # at once for the first time: a connection may have died silently
        else:
            hold.deadline, pause = renewed.deadline, third
        now = yield Clock()


def release(
    keys: ObjectKeys, holder: str, token: int | None = None, event: str = "released", *, must_exist: bool = False
) -> Flow[Released]:
    """Give back what the holder holds; says which it was. Repeating it does no harm.

    Raises `Unavailable`, and with `must_exist` `NotFound`.
    """
    args = (new_request_id(), holder, "" if token is None else token, event)
    answer = yield Call(RELEASE, keys.permits, args)
    code = answer.reply[0]
    if code == Code.ABSENT and must_exist:
        raise absent(keys)
    return Released.NOT_HELD if code == Code.ABSENT else Released(code)


_POD_UID: Final = "; pod uid "


def lost_detail(reason: str, pod_uid: str) -> str:
    """Return what a report of a loss says: why, and of which pod the lease was."""
    return reason + _POD_UID + pod_uid if pod_uid else reason


def pod_of_loss(detail: str) -> str:
    """Return the uid of the pod that a report of a loss is about; empty if it names none."""
    return detail.rpartition(_POD_UID)[2] if _POD_UID in detail else ""


def report_lost(keys: ObjectKeys, holder: str, token: int, detail: str) -> Flow[None]:
    """Note in the object's history that the holder has found its lease lost, and `detail`.

    Raises `NotFound`, `Unavailable`.
    """
    answer = yield Call(LOST, keys.permits, (new_request_id(), holder, token, detail))
    if answer.reply[0] == Code.ABSENT:
        raise absent(keys)
