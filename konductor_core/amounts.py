"""How much is asked of an object that grants permits: a number of a semaphore's, `read` or `write` of an RWMutex."""

from __future__ import annotations

from typing import Final, Literal

from konductor_core.errors import InvalidInput, quoted
from konductor_core.identity import COUNT_MAX, Kind, check_count, check_name

__all__ = ["LEASED", "SHARES", "Mode", "amount_of", "leased_object", "mode_of", "named", "parse_amount"]

Mode = Literal["read", "write"]

LEASED: Final = (Kind.SEMAPHORE, Kind.LEASE, Kind.MUTEX, Kind.RWMUTEX)
"""The kinds that grant permits, under leases."""

SHARES: Final[dict[Mode, int]] = {"read": 1, "write": COUNT_MAX}
"""How many permits of an RWMutex each takes: a writer all there are."""


def mode_of(permits: int) -> Mode:
    """Return the mode that takes so many permits of an RWMutex."""
    return "read" if permits == SHARES["read"] else "write"


def named(kind: Kind, name: str, permits: int) -> str:
    """Return an object and how much of it is asked for as `parse_amount` reads it: `semaphore/a=2`, `mutex/b`."""
    if kind is Kind.RWMUTEX:
        return f"{kind.key}/{name}={mode_of(permits)}"
    return f"{kind.key}/{name}={permits}" if kind is Kind.SEMAPHORE else f"{kind.key}/{name}"


def leased_object(ref: str) -> tuple[Kind, str]:
    """Return kind and name of `mutex/x`. Raises `InvalidInput` for what grants no permits."""
    word, slash, name = ref.partition("/")
    kind = Kind.parse(word) if slash else None
    if kind not in LEASED:
        raise InvalidInput(f"{quoted(ref)} grants no permits: name objects like semaphore/load-concurrency or mutex/x")
    return kind, check_name(name)


def amount_of(kind: Kind, amount: int | str, what: str) -> int:
    """Return how many permits are asked for by a number or by a word; `what` names the object in errors.

    Raises `InvalidInput` for an amount that the kind never grants.
    """
    if kind is Kind.RWMUTEX:
        for mode, shares in SHARES.items():
            if amount in (mode, shares):
                return shares
        raise InvalidInput(f"{what}: {quoted(amount)} is neither read nor write: use one of them")
    if isinstance(amount, str):
        if not (amount.isascii() and amount.isdigit() and len(amount) < 10):
            raise InvalidInput(f"{what}: {quoted(amount)} is not a number of permits: use one from 1 to {COUNT_MAX}")
        amount = int(amount)
    if kind is not Kind.SEMAPHORE and amount != 1:
        raise InvalidInput(f"{what} has one permit only, not {amount}: leave the number out")
    return check_count(amount, f"permits of {what}", 1)


def parse_amount(text: str) -> tuple[str, int]:
    """Return `semaphore/a=2`, `mutex/b` or `rwmutex/c=read` as the object's name and the amount.

    Without one it is one permit; an RWMutex is then locked to write. Raises `InvalidInput`.
    """
    ref, equals, amount = text.partition("=")
    kind, name = leased_object(ref)
    name = f"{kind.key}/{name}"
    if not equals:
        return name, SHARES["write"] if kind is Kind.RWMUTEX else 1
    return name, amount_of(kind, amount, name)
