"""What asynchronous replication loses, and what waiting for a replica saves."""

from __future__ import annotations

from tests.faults.judge import say
from tests.faults.measure import measure


def test_no_acknowledged_grant_is_lost_when_a_replica_had_to_acknowledge_it() -> None:
    loss = measure(lag_ms=20, min_replicas=1)
    say(str(loss))
    assert loss.grants > 0
    assert loss.lost_grants == 0


def test_without_that_a_failover_loses_what_was_on_its_way_to_the_replica() -> None:
    """Nobody should be surprised: if this fails, the measuring does not measure."""
    loss = measure(lag_ms=50, min_replicas=0)
    say(str(loss))
    assert loss.lost_grants > 0
    assert loss.lost_arrivals > 0
