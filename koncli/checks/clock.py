"""Whether the server's clock, by which all leases end, runs evenly."""

from __future__ import annotations

import time
from itertools import pairwise
from threading import Event
from typing import TYPE_CHECKING, Final

from koncli.checks.findings import Finding, bad, doubtful, good, hidden
from koncli.checks.probe import RefusedError

if TYPE_CHECKING:
    from koncli.checks.probe import Probe

SAMPLES: Final = 6
PAUSE: Final = 0.03
"""Seconds between two samples."""
UNEVEN_MS: Final = 20.0
_REMEDY: Final = "let its clock be slewed, not stepped (chrony or ntpd on the server's host)"


def clock(probe: Probe) -> Finding:
    """Compare how far the server's clock and ours go within a moment; where they stand does not matter."""
    samples = []
    for _ in range(SAMPLES):
        sent = time.monotonic()
        try:
            seconds, micros = probe.ask("TIME")
        except RefusedError:
            return hidden("this user may not ask for TIME", "allow it: +time")
        received = time.monotonic()
        samples.append((int(seconds) * 1000 + int(micros) / 1000, sent * 1000, received * 1000))
        Event().wait(PAUSE)
    ahead = samples[-1][0] - time.time() * 1000 + (time.monotonic() * 1000 - samples[-1][2])  # noqa: TID251 - shown only
    return _judge(samples, ahead)


def _judge(samples: list[tuple[float, float, float]], ahead_ms: float) -> Finding:
    """Judge samples of (server, sent, received), all in milliseconds."""
    for (before, *_), (after, *_) in pairwise(samples):
        if after < before:
            return bad(f"the server's clock went back by {before - after:.0f} ms", _REMEDY)
    (first, sent, received), (last, last_sent, last_received) = samples[0], samples[-1]
    passed = last - first
    if passed > last_received - sent + UNEVEN_MS or passed < last_sent - received - UNEVEN_MS:
        here = last_sent - sent
        return doubtful(f"the server's clock went {passed:.0f} ms while ours went {here:.0f} ms", _REMEDY)
    where = f"{abs(ahead_ms):.0f} ms {'ahead of' if ahead_ms > 0 else 'behind'} this host's"
    return good(f"runs evenly; {where}, which does not matter")
