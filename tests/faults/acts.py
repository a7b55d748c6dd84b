"""What one client does at a time, for both libraries: acts that yield calls, and get back what comes of them.

With the asyncio library a call gives something to await, and the act gets what that gives.
"""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any, TypeAlias

from konductor_core.amounts import SHARES
from konductor_core.errors import AlreadyDone, KonductorError, Unavailable
from tests.faults.objects import BARRIER, GROUP, ONCE, TALLY

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Generator, Iterator

    from konductor_core.async_lease import AsyncLease
    from konductor_core.lease import Lease
    from tests.races.jobs import Link

__all__ = ["Act", "Member"]

Act: TypeAlias = "Generator[Callable[[], Any], Any, None]"

HOLDS = {
    ("semaphore/dock", 1): 40,
    ("semaphore/dock", 2): 10,
    ("mutex/door", 1): 7,
    ("lease/chief", 1): 7,
    ("rwmutex/ledger", SHARES["read"]): 9,
    ("rwmutex/ledger", SHARES["write"]): 4,
}
"""What is asked for, and how often beside the rest."""


class Member:
    """One client of a load: `pause` is `threading.Event().wait` or `asyncio.sleep`, `k` goes with it.

    It begins nothing new once the file `enough` is there. Leases are asked for `ttl` seconds and held for up to `hold`.
    """

    def __init__(
        self,
        link: Link,
        k: Any,
        base: str,
        chance: random.Random,
        pause: Callable[[float], Any],
        *,
        enough: str,
        ttl: float,
        hold: float,
    ) -> None:
        self.link = link
        self.k = k
        self.base = base
        self.chance = chance
        self.pause = pause
        self.enough = Path(enough)
        self.ttl = ttl
        self.hold = hold

    def acts(self) -> Iterator[Act]:
        """Yield one act after the other, each under a name of its own."""
        turn = 0
        ways = {self._hold: 62, self._meet: 20, self._run_once: 8, self._take_part: 7, self._tally: 3}
        while not self.enough.exists():
            turn += 1
            act = self.chance.choices(list(ways), list(ways.values()))[0]
            yield self._noting_refusals(act, f"{self.base}/{turn}")

    def _noting_refusals(self, act: Callable[[str], Act], name: str) -> Act:
        try:
            yield from act(name)
        except KonductorError as error:
            self.link.say("refused", holder=name, code=error.code, text=str(error))

    def _while(self) -> Callable[[], Any]:
        return partial(self.pause, self.chance.uniform(0, self.hold))

    def _until_answered(self, call: Callable[[], Any]) -> Generator[Callable[[], Any], Any, Any]:
        """Call again and again while Redis is away: what does no harm twice."""
        while True:
            try:
                return (yield call)
            except Unavailable:
                yield partial(self.pause, 0.05)

    # ---- leases

    def _say_held(self, ref: str, lease: Lease | AsyncLease) -> None:
        hold = lease._hold
        about = {"holder": hold.holder, "token": hold.token, "permits": hold.permits, "until": hold.deadline}
        self.link.say("held", object=ref, **about)

    def _hold(self, holder: str) -> Act:
        ref, permits = self.chance.choices(list(HOLDS), list(HOLDS.values()))[0]
        self.link.say("asks", object=ref, holder=holder)
        lease = yield partial(self.k.permits(ref).take, permits, ttl=self.ttl, holder=holder)
        self._say_held(ref, lease)
        yield self._while()
        about = {"object": ref, "holder": holder, "token": lease.token}
        if self.chance.random() < 0.3:
            yield lease.renew
            self.link.say("renewed", until=lease._hold.deadline, **about)
        self.link.say("gave", **about)
        what = yield lease.release
        self.link.say("released", what=str(what), **about)

    def _run_once(self, holder: str) -> Act:
        """Run what is to be done once, whatever comes of it; whoever completes it lets it begin anew."""
        once, ref = self.k.once(ONCE), f"once/{ONCE}"
        self.link.say("asks", object=ref, holder=holder)
        try:
            run = yield partial(once.begin, holder=holder)
        except AlreadyDone:
            return
        self._say_held(ref, run)
        yield self._while()
        about = {"object": ref, "holder": holder, "token": run.token}
        way = self.chance.choices(("complete", "fail", "forget"), (6, 3, 1))[0]
        if way == "forget":
            return
        self.link.say("gave", **about)
        if way == "fail":
            yield run.fail
            return
        yield from self._until_answered(run.complete)
        self.link.say("completed", **about)
        while (yield from self._until_answered(once.status)).executor == holder:
            with suppress(Unavailable):  # it may have been reset all the same, and another runs it
                yield once.reset

    # ---- latches

    def _meet(self, arrival: str) -> Act:
        barrier, about = self.k.barrier(BARRIER), {"object": f"barrier/{BARRIER}", "id": arrival}
        self.link.say("arrives", **about)
        done = yield partial(barrier.arrive, holder=arrival)
        self.link.say("arrived", counted=done.counted, cycle=done.cycle, **about)
        if self.chance.random() < 0.5:
            since = monotonic()
            self.link.say("waits", cycle=done.cycle, **about)
            opened = yield partial(barrier.wait, cycle=done.cycle, holder=arrival)
            self.link.say("opened", cycle=opened.cycle, since=since, **about)

    def _take_part(self, member: str) -> Act:
        """Be a member while something is held, until that is over; a name can be said again as often as needed."""
        group, about = self.k.waitgroup(GROUP), {"object": f"waitgroup/{GROUP}", "id": member, "count": 1}
        self.link.say("adds", **about)
        yield from self._until_answered(partial(group.add, member))
        self.link.say("added", **about)
        yield from self._noting_refusals(self._hold, member)
        self.link.say("finishes", **about)
        yield from self._until_answered(partial(group.done, member))
        self.link.say("finished", **about)
        if self.chance.random() < 0.5:
            since = monotonic()
            self.link.say("waits", **about)
            ended = yield group.wait
            self.link.say("opened", cycle=ended.round, since=since, **about)

    def _tally(self, _: str) -> Act:
        """Add members without names, and take them off: by how many, one knows them again in the history."""
        tally, count = self.k.waitgroup(TALLY), self.chance.randint(1, 500_000)
        about = {"object": f"waitgroup/{TALLY}", "id": "", "count": count}
        self.link.say("adds", **about)
        yield partial(tally.add, count=count)
        self.link.say("added", **about)
        yield self._while()
        self.link.say("finishes", **about)
        yield partial(tally.done, count=count)
        self.link.say("finished", **about)
