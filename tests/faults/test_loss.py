"""What asynchronous replication loses, and what waiting for a replica saves."""

from __future__ import annotations

import pytest

from tests.faults.judge import say
from tests.faults.measure import measure, measure_sentinel


def test_nothing_is_lost_that_a_replica_had_to_acknowledge() -> None:
    """Neither grants nor arrivals."""
    loss = measure(lag_ms=20, min_replicas=1)
    say(str(loss))
    assert loss.grants > 0
    assert loss.arrivals > 0
    assert (loss.lost_grants, loss.lost_arrivals) == (0, 0)


def test_without_that_a_failover_loses_what_was_on_its_way_to_the_replica() -> None:
    """Nobody should be surprised: if this fails, the measuring does not measure."""
    loss = measure(lag_ms=50, min_replicas=0)
    say(str(loss))
    assert loss.lost_grants > 0
    assert loss.lost_arrivals > 0


@pytest.mark.slow
def test_a_former_master_that_still_takes_writes_is_not_believed_when_replicas_must_acknowledge() -> None:
    """A Sentinel is told to replace it, and demotes it only after some time."""
    loss = measure_sentinel(min_replicas=1, ordered=True)
    say(str(loss))
    assert loss.grants > 0
    assert loss.arrivals > 0
    assert (loss.lost_grants, loss.lost_arrivals) == (0, 0)
