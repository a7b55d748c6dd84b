"""Acquire, renew and release: the protocol of everything that hands out permits.

An uncontended acquire is one round trip. A waiter blocks on a list of its own until a script puts a grant there, and
confirms it by the same call that asked for it. Following the lease recipe of Gray and Cheriton (1989), the holder
counts its lease from just before the request was sent, so that it never believes in it longer than the server does.
"""

from __future__ import annotations

import math
from contextlib import suppress
from typing import TYPE_CHECKING, Final, NamedTuple

from konductor_core import durations, keys
from konductor_core.codes import Code
from konductor_core.errors import Denied, InvalidInput, KonductorError, NotFound, Unavailable, WaitTimeout
from konductor_core.flows.replies import Reply, refusal
from konductor_core.flows.steps import Answer, Block, Call, Clock, Flow, Pause
from konductor_core.flows.waiting import FAREWELL, Patience
from konductor_core.identity import Owner, new_request_id
from konductor_core.scripts import SCRIPTS

if TYPE_CHECKING:
    from konductor_core.keys import ObjectKeys

__all__ = ["Ask", "Grant", "acquire"]

ACQUIRE: Final = SCRIPTS["permit_acquire"]
CANCEL: Final = SCRIPTS["permit_cancel"]

SOON: Final = 0.25
"""Seconds before a waiter's own moment to look in which it looks when it is told of another: the scripts have noted the
first, and take one that never looks for dead."""

OWN_TTL: Final = -1
"""As a TTL argument: the object's own, which must end by itself."""

OWN_TTL_OR_ENDLESS: Final = -2
"""The same, but it need not end: the holder's pod will end it."""


class Grant(NamedTuple):
    """What a holder got of each object asked for: permits, a token, a TTL (ms, 0 without end), and when that ends.

    `deadlines` are monotonic seconds, infinite without an end.
    """

    holder: str
    permits: tuple[int, ...]
    tokens: tuple[int, ...]
    ttls_ms: tuple[int, ...]
    deadlines: tuple[float, ...]
    request: str


class Ask:
    """One request: a holder wants amounts of one or more objects of a namespace, all or nothing."""

    __slots__ = ("_tail", "amounts", "cancelled", "head", "holder", "keys", "objects", "replicas", "request", "wake")

    def __init__(
        self,
        objects: tuple[ObjectKeys, ...],
        amounts: tuple[int, ...],
        holder: str,
        *,
        ttl_ms: int | None = None,
        endless: bool = False,
        priority: int = 0,
        owner: Owner,
        replicas: int = 0,
    ) -> None:
        self.objects = objects
        self.amounts = amounts
        self.holder = holder
        self.replicas = replicas
        self.cancelled = False
        self.request = request = new_request_id()
        first = objects[0]
        self.keys = first.permits if len(objects) == 1 else sum((o.permit for o in objects), first.queueing)
        self.head = (request, holder)
        own = OWN_TTL_OR_ENDLESS if endless else OWN_TTL
        ttl = own if ttl_ms is None else ttl_ms
        self._tail: tuple[str | int, ...] = (priority, ttl, owner.pod, owner.uid, owner.node, *amounts)
        self.wake = keys.wake(first.namespace, request)

    @property
    def what(self) -> str:
        """The objects' names, for messages: `semaphore/x`, or several with commas."""
        return self.objects[0].id if len(self.objects) == 1 else ", ".join(o.id for o in self.objects)

    def call(self, mode: str, seconds: float = math.inf) -> Call:
        """Ask, keep the place, or confirm: the same call. `mode` is try, wait or must-exist."""
        return Call(ACQUIRE, self.keys, (*self.head, mode, *self._tail), self.replicas, seconds)

    def cancel(self, reason: str) -> Call:
        """Leave every queue and give back what was granted."""
        self.cancelled = True
        return Call(CANCEL, self.keys, (*self.head, reason), seconds=FAREWELL)


def acquire(ask: Ask, timeout_ms: int | None, *, must_exist: bool = False) -> Flow[Grant]:
    """Get the permits: waits without end for a timeout of None, tries once for 0.

    Raises `WouldBlock` (a try, or a held amount that cannot grow), `WaitTimeout`, `Impossible`, `NotFound` (a try or
    `must_exist`), `AlreadyWaiting`, `Denied`, `Unavailable`. Whatever is raised, nothing stays held or queued.
    """
    try:
        if timeout_ms == 0:
            return (yield from _attempt(ask))
        return (yield from _wait(ask, timeout_ms, "must-exist" if must_exist else "wait"))
    except (Denied, NotFound, InvalidInput, GeneratorExit):
        raise
    except BaseException as error:
        with suppress(KonductorError):  # the lease's TTL frees it
            yield ask.cancel("timeout" if isinstance(error, WaitTimeout) else "cancelled")
        raise


def _attempt(ask: Ask) -> Flow[Grant]:
    answer = yield ask.call("try")
    reply = Reply(answer.reply)
    if reply.code == Code.GRANTED:
        return _granted(ask, answer, reply)
    raise refusal(ask, reply)


def _wait(ask: Ask, timeout_ms: int | None, mode: str) -> Flow[Grant]:
    now = yield Clock()
    patience = Patience(ask.what, timeout_ms, now)
    while True:
        try:
            answer = yield ask.call(mode, patience.for_call(now))
        except Unavailable as error:
            yield from patience.sit_out(error)
            now = yield Clock()
            continue
        patience.connected()
        reply = Reply(answer.reply)
        now = yield Clock()
        if reply.code == Code.GRANTED:
            grant = _granted(ask, answer, reply)
            if now < min(grant.deadlines):
                return grant
            patience.check(now)
            continue  # stopped or stalled for longer than the lease lasted: it is not ours any more
        if reply.code == Code.PROBING:
            yield Pause(min(reply.next_change_ms / 1000, patience.left(now)))
        elif reply.code in {Code.QUEUED, Code.ABSENT} and (mode == "wait" or reply.code == Code.QUEUED):
            yield from patience.say(reply.describe())
            yield from _block(ask, reply, patience)
        else:
            raise refusal(ask, reply)
        now = yield Clock()
        patience.check(now)


def _block(ask: Ask, reply: Reply, patience: Patience) -> Flow[None]:
    """Sleep until a script says something, the moment to look comes, or it is time for a heartbeat."""
    now = yield Clock()
    look_at = _moment(now, reply.next_change_ms)
    beat_at = now + durations.HEARTBEAT / 1000
    while True:
        seconds = min(look_at, beat_at, patience.deadline) - now
        if seconds <= 0:
            return
        try:
            message = yield Block(ask.wake, seconds, patience.for_call(now))
        except Unavailable as error:
            yield from patience.sit_out(error)
            return
        now = yield Clock()
        if message is None:
            continue
        word, _, rest = message.partition(" ")
        if word == "deleted":
            yield from patience.say(f"{reply.object} was deleted, waiting for a new one")
        if word not in {"arm", "watch"} or now >= look_at - SOON:
            return
        look_at = _moment(now, int(rest))
        if word == "arm":
            reply.position = 1
            yield from patience.say(reply.describe())


def _moment(now: float, ms: int) -> float:
    return math.inf if ms < 0 else now + ms / 1000


def _granted(ask: Ask, answer: Answer, reply: Reply) -> Grant:
    if answer.acks < ask.replicas:
        raise Unavailable(
            f"{answer.acks} of {ask.replicas} replicas acknowledged the grant of {ask.what}: it was given back",
            hint="check the replicas, or lower KONDUCTOR_MIN_REPLICAS",
        )
    tokens, lefts = tuple(map(int, reply.grants[::2])), reply.grants[1::2]
    ttls_ms = tuple([max(0, ms) for ms in lefts])
    deadlines = tuple([math.inf if ms < 0 else answer.sent + ms / 1000 for ms in lefts])
    return Grant(ask.holder, ask.amounts, tokens, ttls_ms, deadlines, ask.request)
