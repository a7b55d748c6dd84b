"""Reply codes: the first item of every script's reply, the same words as `lua/lib/codes.lua`."""

from __future__ import annotations

from enum import StrEnum

__all__ = ["Code"]


class Code(StrEnum):
    """What a script did, or why it did not."""

    GRANTED = "granted"
    QUEUED = "queued"
    REFUSED = "refused"
    IMPOSSIBLE = "impossible"
    ABSENT = "absent"
    CANCELLED = "cancelled"
    PROBING = "probing"
    DUPLICATE = "duplicate"
    FIXED = "fixed"
    ENDLESS = "endless"
    RENEWED = "renewed"
    LOST = "lost"
    RELEASED = "released"
    EXPIRED = "expired"
    NOT_HELD = "not-held"
    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    OWNED = "owned"
    DELETED = "deleted"
    RESET = "reset"
    READ = "read"
    ARRIVED = "arrived"
    ALREADY = "already"
    WAITING = "waiting"
    OPEN = "open"
    FAILED = "failed"
    LEFT = "left"
    ADDED = "added"
    FINISHED = "finished"
    BELOW = "below"
    DONE = "done"
    COMPLETED = "completed"
    CLEANED = "cleaned"
    RESTORED = "restored"
