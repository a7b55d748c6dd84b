"""The work queue: what is due when."""

from __future__ import annotations

import asyncio
import itertools
import logging
from typing import TYPE_CHECKING, Self

from konductor_core.controller.agenda import Agenda
from tests.controller.stage import eventually

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import pytest


class Desk:
    """Runs an agenda, and notes when it worked on what."""

    def __init__(self, work: Callable[[str], Awaitable[float | None]] | None = None, **options: float) -> None:
        self.done: list[tuple[float, str]] = []
        self._work = work
        self.agenda: Agenda[str] = Agenda(self.look, **options)  # type: ignore[arg-type]  # workers is a whole number

    async def look(self, key: str) -> float | None:
        self.done.append((asyncio.get_running_loop().time(), key))
        return await self._work(key) if self._work else None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self.agenda.run())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def times(self, count: int) -> list[float]:
        await eventually(lambda: len(self.done) >= count, f"{count} looks")
        return [moment for moment, _ in self.done]


async def test_news_is_looked_at_at_once_and_a_second_time_after_a_rest() -> None:
    async with Desk(spacing=0.1) as desk:
        began = asyncio.get_running_loop().time()
        desk.agenda.poke("a")
        await desk.times(1)
        for _ in range(100):
            desk.agenda.poke("a")
        first, second = await desk.times(2)
        assert first - began < 0.05
        assert 0.1 <= second - first < 0.2
        assert "a" not in desk.agenda


async def test_a_burst_is_looked_at_at_growing_intervals() -> None:
    async with Desk(spacing=0.05, longest_spacing=0.2) as desk:
        while len(desk.done) < 6:
            desk.agenda.poke("a")
            await asyncio.sleep(0.005)
        times = await desk.times(6)
        gaps = [later - earlier for earlier, later in itertools.pairwise(times)]
        assert gaps[0] < 0.1
        assert all(0.2 <= gap < 0.3 for gap in gaps[2:])


async def test_keys_do_not_wait_for_each_other() -> None:
    held = asyncio.Event()

    async def work(key: str) -> None:
        if key == "slow":
            await held.wait()

    async with Desk(work, workers=2) as desk:
        desk.agenda.poke("slow")
        for key in "abc":
            desk.agenda.poke(key)
        await desk.times(4)
        held.set()


async def test_a_key_that_is_poked_while_it_is_looked_at_is_looked_at_again() -> None:
    begun, held = asyncio.Event(), asyncio.Event()

    async def work(_: str) -> None:
        begun.set()
        await held.wait()

    async with Desk(work, spacing=0.01) as desk:
        desk.agenda.poke("a")
        await begun.wait()
        desk.agenda.poke("a")
        await asyncio.sleep(0.05)
        assert len(desk.done) == 1
        held.set()
        await desk.times(2)


async def test_what_changes_by_itself_is_looked_at_then() -> None:
    moments = iter([0.15])

    async def work(_: str) -> float | None:
        return next(moments, None)

    async with Desk(work, spacing=0.01) as desk:
        desk.agenda.poke("a")
        first, second = await desk.times(2)
        assert 0.15 <= second - first < 0.25


async def test_an_earlier_poke_goes_before_a_later_one() -> None:
    async with Desk() as desk:
        desk.agenda.poke("a", 60.0)
        desk.agenda.poke("a", 0.05)
        await desk.times(1)
        assert "a" not in desk.agenda


async def test_what_fails_is_tried_again_and_holds_up_nothing_else(caplog: pytest.LogCaptureFixture) -> None:
    failures = iter([ValueError("first"), ValueError("second")])

    async def work(key: str) -> None:
        if key == "bad" and (error := next(failures, None)):
            raise error

    async with Desk(work, spacing=0.01) as desk:
        desk.agenda.poke("bad")
        desk.agenda.poke("good")
        times = await desk.times(4)
        assert [key for _, key in desk.done].count("bad") == 3
        assert times[-1] - times[0] >= 1.4  # after 0.5 s, and then 1 s
    assert [record.exc_info is not None for record in caplog.records] == [True]


async def test_an_outage_is_logged_once_whatever_it_concerns(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)

    async def work(_: str) -> None:
        raise ConnectionError("away")

    desk = Desk(work)
    desk.agenda = Agenda(desk.look, outages=(ConnectionError,))
    async with desk:
        for key in "abcdef":
            desk.agenda.poke(key)
        await desk.times(6)
    assert len(caplog.records) == 1


async def test_what_was_due_when_the_work_was_stopped_is_done_when_it_goes_on() -> None:
    held = asyncio.Event()

    async def work(_: str) -> None:
        await held.wait()

    desk = Desk(work, spacing=0.01)
    async with desk:
        desk.agenda.poke("a")
        await desk.times(1)
    held.set()
    async with desk:
        await desk.times(2)


async def test_a_key_that_nobody_looks_at_is_noticed() -> None:
    held = asyncio.Event()

    async def work(_: str) -> None:
        await held.wait()

    async with Desk(work, workers=1) as desk:
        desk.agenda.poke("a")
        desk.agenda.poke("b")
        await desk.times(1)
        await eventually(lambda: desk.agenda.overdue() > 0.1, "b is overdue")
        held.set()
        await eventually(lambda: desk.agenda.overdue() == 0.0, "nothing is overdue")
