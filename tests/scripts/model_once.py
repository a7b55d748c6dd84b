"""What is done once, in plain Python: one runner with a lease, one completion, others in line."""

from __future__ import annotations

from dataclasses import dataclass, field

from konductor_core.durations import CLAIM_WINDOW

__all__ = ["OnceModel"]


@dataclass
class OnceModel:
    """One once; absent while `exists` is False. `runner` is a holder, until when, and whether it has yet to confirm."""

    now: int = 0
    ttl: int = 0
    exists: bool = False
    done_by: str = ""
    failures: int = 0
    completions: int = 0
    runner: tuple[str, int, bool] | None = None
    late: set[str] = field(default_factory=set)
    line: set[str] = field(default_factory=set)
    places: dict[str, int] = field(default_factory=dict)
    """Waiter -> its place, which it keeps until it is told that it runs, or that all is done."""

    @property
    def phase(self) -> str:
        if self.done_by:
            return "Done"
        return "Running" if self.runner and not self.runner[2] else "Pending"

    def notice(self) -> None:
        """End the lease whose time is up, and let the next in line run, who has the claim window to say so."""
        self._expire()
        self._serve()

    def _expire(self) -> None:
        if self.runner and self.runner[1] <= self.now:
            holder, _, claimed = self.runner
            self.runner = None
            if not claimed:
                self.late.add(holder)

    def _serve(self) -> None:
        if self.exists and not self.done_by and not self.runner and self.line:
            first = min(self.line, key=lambda each: self.places[each])
            self.line.remove(first)
            self.runner = (first, self.now + CLAIM_WINDOW, True)

    def define(self, ttl: int) -> str:
        self.notice()
        action = "created" if not self.exists else "unchanged" if ttl == self.ttl else "updated"
        self.exists, self.ttl = True, ttl
        return action

    def begin(self, holder: str, *, wait: bool) -> str:
        """Ask for the lease, or confirm it."""
        self.notice()
        if not self.exists:
            return "absent"
        if self.done_by:
            self.places.pop(holder, None)
            return "done"
        if (self.runner and self.runner[0] == holder) or not (self.runner or self.line):
            self.runner = (holder, self.now + self.ttl, False)
            self.places.pop(holder, None)
            return "granted"
        if not wait:
            return "refused"
        self.places.setdefault(holder, max(self.places.values(), default=0) + 1)
        self.line.add(holder)
        return "queued"

    def complete(self, holder: str) -> str:
        self.notice()
        if not self.exists:
            return "absent"
        if self.done_by:
            return "already" if self.done_by == holder else "done"
        if refusal := self._refusal(holder):
            return refusal
        self.done_by, self.runner = holder, None
        self.line.clear()
        self.completions += 1
        return "completed"

    def fail(self, holder: str) -> str:
        self.notice()
        if not self.exists:
            return "absent"
        if self.done_by:
            return "done"
        if refusal := self._refusal(holder):
            return refusal
        self.runner = None
        self.failures += 1
        self._serve()
        return "failed"

    def _refusal(self, holder: str) -> str:
        if self.runner and self.runner[0] == holder and not self.runner[2]:
            return ""
        return "lost" if holder in self.late else "not-held"

    def reset(self) -> None:
        """Begin a new epoch. Who waits in line goes on; who was to run and has not said so yet has to ask again."""
        self._expire()
        self.done_by, self.failures, self.runner = "", 0, None
        self.late.clear()
        self._serve()
