"""Startup probes of sidecars: a command that says when the containers after them may start."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from koncli.local.process import Process

if TYPE_CHECKING:
    from collections.abc import Iterator

    from koncli.local.fields import Fields
    from koncli.local.process import Launch

__all__ = ["Probe", "has_started", "read_probe"]

FIRST_PAUSE_MS: Final = 250
"""How long after the start the probe is tried first; the pauses between tries grow up to its period."""

_NOT_EXEC: Final = dict.fromkeys(("httpGet", "tcpSocket", "grpc"), "only exec probes are run here")


@dataclass(frozen=True, slots=True)
class Probe:
    """A command that succeeds once its container has started; it is given up `patience_ms` after its first try."""

    command: tuple[str, ...]
    delay_ms: int
    period_ms: int
    timeout_ms: int
    patience_ms: int

    def pauses_ms(self) -> Iterator[int]:
        """Yield how long to wait before each try, until patience ends."""
        pause, passed = min(FIRST_PAUSE_MS, self.period_ms), 0
        while passed < self.patience_ms:
            yield pause
            passed += pause
            pause = min(2 * pause, self.period_ms)


def read_probe(fields: Fields) -> Probe | None:
    """Parse a `startupProbe`."""
    fields.unsupported(_NOT_EXEC)
    command = fields.child("exec")
    delay_s, period_s = fields.whole("initialDelaySeconds"), fields.whole("periodSeconds", minimum=1)
    timeout_s, failures = fields.whole("timeoutSeconds", minimum=1), fields.whole("failureThreshold", minimum=1)
    fields.ignore("exec", "successThreshold", "terminationGracePeriodSeconds", note=False)
    period_ms = 1000 * (10 if period_s is None else period_s)
    probe = Probe(
        command=command.strings("command"),
        delay_ms=1000 * (delay_s or 0),
        period_ms=period_ms,
        timeout_ms=1000 * (timeout_s or 1),
        patience_ms=period_ms * (failures or 3),
    )
    command.done()
    fields.done()
    return probe if probe.command else None


async def has_started(probe: Probe, launch: Launch) -> bool:
    """Run the probe, which is `launch`, until it succeeds; False once patience has ended."""
    await asyncio.sleep(probe.delay_ms / 1000)
    for pause_ms in probe.pauses_ms():
        await asyncio.sleep(pause_ms / 1000)
        if await _succeeds(launch, probe.timeout_ms):
            return True
    return False


async def _succeeds(launch: Launch, timeout_ms: int) -> bool:
    process = await Process.start(launch, lambda _: None)
    try:
        async with asyncio.timeout(timeout_ms / 1000):
            return (await process.wait()).code == 0
    except TimeoutError:
        return False
    finally:
        if process.running:
            await process.kill()
