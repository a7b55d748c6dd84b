"""What a trial has of each kind, and how much there is of it: known to the load and to its judge."""

from __future__ import annotations

from konductor_core.amounts import SHARES

__all__ = ["BARRIER", "EXPECTED", "GROUP", "NAMESPACE", "ONCE", "PERMITS", "PERMITTED", "SEMAPHORE", "TALLY"]

NAMESPACE = "faults"
SEMAPHORE = "dock"
PERMITS = 3
BARRIER = "round"
EXPECTED = 5
ONCE = "schema"
GROUP = "crew"
"""The wait group whose members have names, and which is waited for."""
TALLY = "tally"
"""The wait group of members without names."""
PERMITTED = {
    f"semaphore/{SEMAPHORE}": PERMITS,
    "mutex/door": 1,
    "lease/chief": 1,
    "rwmutex/ledger": SHARES["write"],
    f"once/{ONCE}": 1,
}
"""What is held under leases, and how many permits there are of it."""
