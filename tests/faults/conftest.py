"""What fault tests have: a seed, workers, and a way to judge a load while things break.

KONDUCTOR_FAULT_SEED repeats a run; the seed is in the header of every run and in the output of a test that failed.
"""

from __future__ import annotations

import os
import random
from contextlib import ExitStack
from typing import TYPE_CHECKING, Protocol

import pytest

from konductor_core.client import Konductor
from tests.faults.judge import Trial, say
from tests.faults.objects import NAMESPACE
from tests.races.conftest import lag, zygote

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.races.crew import Zygote
    from tests.topologies import Deployment

__all__ = ["lag", "zygote"]

SEED = os.environ.get("KONDUCTOR_FAULT_SEED") or str(random.SystemRandom().randrange(10**9))


def pytest_report_header() -> str:
    return f"faults: KONDUCTOR_FAULT_SEED={SEED}"


@pytest.fixture
def chance(request: pytest.FixtureRequest) -> random.Random:
    """Chance of the test's own, from the run's seed and the test's name."""
    say(f"KONDUCTOR_FAULT_SEED={SEED}")
    return random.Random(f"{SEED}/{request.node.name}")


class Trials(Protocol):
    """Makes a trial of the test: clients use `url`; recorders, and who helps the load to its end, use `server`."""

    def __call__(self, server: Deployment, *, url: str | None = None) -> Trial: ...


@pytest.fixture
def trial(zygote: Zygote, chance: random.Random, tmp_path: Path) -> Iterator[Trials]:
    with ExitStack() as stack:

        def make(server: Deployment, *, url: str | None = None) -> Trial:
            k = stack.enter_context(Konductor(server.url, namespace=NAMESPACE))
            client = stack.enter_context(server.client())
            return stack.enter_context(Trial(k, client, zygote, url or server.url, chance, tmp_path))

        yield make
