"""What a semaphore is, in plain Python: the promises of the design, and nothing about how Redis keeps them.

Time is `now`, in milliseconds, and moves only by hand. Whatever ends by itself is noticed at the next operation, as
scripts do; so every operation begins with `_notice` and ends with `_serve`.

One thing the model leaves to Redis: once a grant has lapsed, a waiter that has been silent for a claim window or more
may be passed over as well. `passed_over` names those for whom that was so; the model checks that it was allowed.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from konductor_core.durations import CLAIM_WINDOW, MAX_BYPASS, MEMORY_TTL, PROBE_WINDOW, WAITER_TTL

__all__ = ["Lease", "SemaphoreModel", "Wish"]


@dataclass(slots=True)
class Lease:
    """What a holder has; `ends` None is never. A `claim` was granted to a waiter that has not confirmed it."""

    amount: int
    ttl: int
    ends: int | None
    request: str
    claim: bool = False


@dataclass(slots=True)
class Wish:
    """A request that waits. It keeps its place while it is known, whether it stands in the queue or not."""

    id: str
    holder: str
    amount: int
    priority: int
    ttl: int | None
    place: int
    ages: int
    known_until: int
    stands: bool = False
    aged: bool = False
    probe: tuple[str, int] | None = None
    answered: str = ""


@dataclass
class SemaphoreModel:
    """One semaphore with its holders and waiters; absent while `permits` is None."""

    now: int = 0
    permits: int | None = None
    ttl: int = 0
    policy: str = "Strict"
    bypass: int = 0
    fixed: bool = False
    """Whether holders never change their share, as those of locks."""
    leases: dict[str, Lease] = field(default_factory=dict)
    wishes: dict[str, Wish] = field(default_factory=dict)
    places: int = 0
    cancelled: dict[str, int] = field(default_factory=dict)
    did: dict[str, tuple[str, int]] = field(default_factory=dict)
    ended: dict[str, int] = field(default_factory=dict)
    passed_over: set[str] = field(default_factory=set)

    # ---------------------------------------------------------- what can be seen

    @property
    def in_use(self) -> int:
        return sum(lease.amount for lease in self.leases.values())

    @property
    def queue(self) -> list[Wish]:
        """Who stands in the queue and lives, in the order of their turns."""
        standing = [wish for wish in self.wishes.values() if wish.stands and wish.known_until > self.now]
        return sorted(standing, key=lambda wish: (not wish.aged, 0 if wish.aged else -wish.priority, wish.place))

    def _fits(self, amount: int) -> bool:
        return self.permits is not None and self.permits - self.in_use >= amount

    def _impossible(self, amount: int) -> bool:
        return bool(self.permits) and amount > (self.permits or 0)

    # ------------------------------------------------------------ what time does

    def _notice(self) -> None:
        """End what has ended by itself: leases, claims, what is remembered of requests."""
        lapsed = False
        for holder, lease in list(self.leases.items()):
            if lease.ends is not None and lease.ends <= self.now:
                del self.leases[holder]
                lapsed = lapsed or lease.claim
                if not lease.claim:
                    self.ended[holder] = self.now + MEMORY_TTL
        for wish in self.queue:
            if wish.holder in self.passed_over:
                assert lapsed, f"{wish.holder} was passed over although it lives"
                assert self.now >= wish.known_until - WAITER_TTL + CLAIM_WINDOW, f"{wish.holder} was not silent"
                wish.stands = False
        self.wishes = {name: wish for name, wish in self.wishes.items() if wish.known_until > self.now}
        self.cancelled = {name: until for name, until in self.cancelled.items() if until > self.now}
        self.did = {name: (what, until) for name, (what, until) in self.did.items() if until > self.now}
        self.ended = {holder: until for holder, until in self.ended.items() if until > self.now}

    def _serve(self, caller: str = "") -> None:
        """Grant to everybody whose turn it is. Who asks right now has confirmed by that."""
        for wish in self.wishes.values():
            wish.aged = wish.aged or (wish.stands and wish.ages <= self.now)
        while turn := self._next():
            turn.stands = False
            self._grant(turn, claim=turn.id != caller)
            if turn.id == caller:
                del self.wishes[turn.id]

    def _next(self) -> Wish | None:
        for wish in self.queue:
            if self._fits(wish.amount):
                return wish
            if self.policy == "Strict" or wish.aged:
                return None
        return None

    def _grant(self, wish: Wish, *, claim: bool) -> None:
        ttl = self.ttl if wish.ttl is None else wish.ttl
        lasts = CLAIM_WINDOW if claim else ttl
        ends = self.now + lasts if lasts else None
        self.leases[wish.holder] = Lease(wish.amount, ttl, ends, wish.id, claim)

    # ------------------------------------------------------------------- acquire

    def acquire(self, ask: Wish, *, wait: bool) -> str:
        """Ask, keep the place, confirm, or repeat; `ask` has the arguments of the call. Return the code."""
        self._notice()
        code = self._acquire(ask, wait=wait)
        self._serve()
        return code

    def _acquire(self, ask: Wish, *, wait: bool) -> str:
        if ask.id in self.cancelled:
            return "cancelled"
        self._serve(ask.id)
        if ask.holder in self.leases:
            return self._keep(ask)
        if self.permits is None and not wait:
            if ask.id in self.wishes:
                self.wishes[ask.id].stands = False
            return "absent"
        if self._impossible(ask.amount):
            return "impossible"
        if not self.queue and self._fits(ask.amount):
            self._grant(ask, claim=False)
            return "granted"
        return self._wait(ask) if wait else "refused"

    def _keep(self, ask: Wish) -> str:
        """The holder has it already: go on with it, shrink it, or grow it if that fits at once."""
        lease = self.leases[ask.holder]
        if self.fixed and ask.amount != lease.amount:
            return "fixed"
        if ask.amount > lease.amount:
            if self._impossible(ask.amount):
                return "impossible"
            if self.queue or not self._fits(ask.amount - lease.amount):
                return "refused"
        if lease.claim:
            self.wishes.pop(lease.request, None)
        lease.ttl = self.ttl if ask.ttl is None else ask.ttl
        lease.ends = self.now + lease.ttl if lease.ttl else None
        lease.amount, lease.claim = ask.amount, False
        if lease.request != ask.id:
            lease.request = ""  # two requests count on it
        return "granted"

    def _wait(self, ask: Wish) -> str:
        rival = next((wish for wish in self.queue if wish.holder == ask.holder and wish.id != ask.id), None)
        if rival and (code := self._challenge(rival, ask.id)):
            return code
        mine = self.wishes.get(ask.id)
        if mine is None:
            mine = self._enter(ask, rival)
        elif mine.probe:
            mine.answered, mine.probe = mine.probe[0], None
        mine.known_until = self.now + WAITER_TTL
        if not mine.stands:
            mine.stands, mine.aged = True, mine.ages <= self.now
        self._serve(ask.id)
        if ask.holder in self.leases:
            return "granted"
        return "absent" if self.permits is None else "queued"

    def _challenge(self, rival: Wish, challenger: str) -> str:
        """Another live request of the holder waits: ask it for a sign of life; nothing to say if it gives none."""
        if rival.answered == challenger:
            return "duplicate"
        if rival.probe is None or rival.probe[0] != challenger:
            rival.probe = (challenger, self.now)
            return "probing"
        return "probing" if self.now < rival.probe[1] + PROBE_WINDOW else ""

    def _enter(self, ask: Wish, dead: Wish | None) -> Wish:
        """Take the next place, or that of a dead waiter of the same holder."""
        if dead:
            del self.wishes[dead.id]
            ask.place, ask.ages = dead.place, dead.ages
        else:
            self.places += 1
            ask.place = self.places
            ask.ages = self.now + (MAX_BYPASS if self.permits is None else self.bypass)
        self.wishes[ask.id] = ask
        return ask

    # -------------------------------------------------------- holders and waiters

    def renew(self, holder: str, ttl: int | None) -> str:
        self._notice()
        lease = self.leases.get(holder)
        code = "renewed"
        if lease is None:
            code = "lost" if self.permits is not None else "absent"
        elif lease.claim:
            code = "lost"
        else:
            lease.ttl = lease.ttl if ttl is None else ttl
            lease.ends = self.now + lease.ttl if lease.ttl else None
        self._serve()
        return code

    def release(self, request: str, holder: str) -> str:
        self._notice()
        if request not in self.did:
            if self.leases.pop(holder, None):
                self.ended.pop(holder, None)
                code = "released"
            elif holder in self.ended:
                code = "expired"
            else:
                code = "absent" if self.permits is None else "not-held"
            self.did[request] = (code, self.now + MEMORY_TTL)
        self._serve()
        return self.did[request][0]

    def cancel(self, request: str, holder: str) -> str:
        self._notice()
        if holder in self.leases and self.leases[holder].request == request:
            del self.leases[holder]
        self.wishes.pop(request, None)
        self.cancelled[request] = self.now + MEMORY_TTL
        self._serve()
        return "cancelled"

    # -------------------------------------------------------------- the object

    def define(self, permits: int, ttl: int, policy: str, bypass: int) -> str:
        self._notice()
        before = (self.permits, self.ttl, self.policy, self.bypass)
        self.permits, self.ttl, self.policy, self.bypass = permits, ttl, policy, bypass
        for wish in self.wishes.values():
            wish.stands = wish.stands and not self._impossible(wish.amount)
        self._serve()
        if before[0] is None:
            return "created"
        return "unchanged" if before == (permits, ttl, policy, bypass) else "updated"

    def reset(self) -> bool:
        """End every lease; who waits goes on waiting."""
        self._notice()
        self.leases.clear()
        self.ended.clear()
        self._serve()
        return True

    def delete(self) -> bool:
        """Forget the object. Who waits is sent to ask again, and keeps its place."""
        self._notice()
        existed = self.permits is not None
        if existed:
            self.permits = None
            self.leases.clear()
            self.ended.clear()
            for wish in self.wishes.values():
                wish.stands = False
        return existed

    def look(self) -> None:
        """Read the object."""
        self._notice()
        self._serve()
