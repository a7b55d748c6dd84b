"""What worker processes do about gates: look at their conditions, wait for them, open and close them by hand."""

from __future__ import annotations

import random
import threading
from time import monotonic
from typing import TYPE_CHECKING

from konductor_core.client import Konductor
from konductor_core.errors import KonductorError
from tests.looking import look_at_ours

if TYPE_CHECKING:
    from tests.races.jobs import Link

__all__ = ["lend_a_hand", "look_after", "pass_through"]


def look_after(link: Link, *, url: str, namespace: str, name: str) -> None:
    """Look at the gate after every change of anything, until killed."""
    with Konductor(url, namespace=namespace) as k:
        for changed in k.nudges(0.2):
            if changed is None or changed[1] != name:
                try:
                    link.say("looked", news=look_at_ours(k, name))
                except KonductorError as error:
                    link.say("refused", code=error.code)


def pass_through(link: Link, *, url: str, namespace: str, name: str, times: int) -> None:
    """Wait for the gate, and say when it let one through."""
    with Konductor(url, namespace=namespace) as k:
        for _ in range(times):
            asked = monotonic()
            link.say("waits")
            passed = k.gate(name).wait(timeout=60)
            link.say("passed", asked=asked, met=passed.met, epoch=passed.epoch)


def lend_a_hand(link: Link, *, url: str, namespace: str, name: str, seed: int, seconds: float) -> None:
    """Open and close the gate at random."""
    chance, end = random.Random(seed), monotonic() + seconds
    with Konductor(url, namespace=namespace) as k:
        gate = k.gate(name)
        while monotonic() < end:
            act = chance.choice((gate.open, gate.close, gate.close, gate.auto))
            try:
                link.say("did", what=act.__name__, changed=act().changed)
            except KonductorError as error:
                link.say("refused", code=error.code)
            threading.Event().wait(chance.uniform(0, 0.02))
