"""A lease in the hands of a thread: renewed in the background if wished, released at the end of a `with` block."""

from __future__ import annotations

import os
import threading
from contextlib import ContextDecorator
from time import monotonic
from typing import TYPE_CHECKING, Any, Self

from konductor_core.durations import to_ms
from konductor_core.errors import LeaseLost, Unavailable
from konductor_core.flows import leases
from konductor_core.flows.leases import Hold, Released

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from konductor_core.drivers.sync import Driver
    from konductor_core.verbs import Duration

__all__ = ["Guard", "Lease"]


class Lease:
    """A holder's permits. `lost` is set once the lease is known to be gone; `token` grows with every grant.

    As a context manager it releases at the end, and raises `LeaseLost` there if it was lost on the way. A process that
    was forked inside the block leaves it without a release: its parent holds the lease.
    """

    def __init__(
        self,
        driver: Driver,
        hold: Hold,
        *,
        renewing: bool = False,
        at_once: bool = False,
        early: float = 0.0,
        on_lost: Callable[[Lease], None] | None = None,
    ) -> None:
        self._driver = driver
        self._hold = hold
        self._on_lost = on_lost
        self._at_once = at_once
        self._early = early
        self._process = os.getpid()
        self._lock = threading.Lock()
        self._renewal: _Renewal | None = None
        if renewing and hold.ttl_ms:
            try:
                self._renewal = _Renewal(self._keep, hold.keys.name)
            except BaseException:
                self.release()  # nobody would renew it, and nobody else could give it back
                raise

    @property
    def lost(self) -> threading.Event:
        """Set once the lease is known to be gone. Made when first asked for: most leases are never asked."""
        found: threading.Event | None = self.__dict__.get("_lost")
        return found or self.__dict__.setdefault("_lost", threading.Event())

    @property
    def ref(self) -> str:
        """What it is of, like `semaphore/gpu`."""
        return self._hold.keys.id

    @property
    def holder(self) -> str:
        """Who holds."""
        return self._hold.holder

    @property
    def permits(self) -> int:
        """How many permits."""
        return self._hold.permits

    @property
    def token(self) -> int:
        """The fencing token: hand it to what you write to, and let that refuse smaller ones."""
        return self._hold.token

    @property
    def ttl_ms(self) -> int:
        """The TTL in milliseconds; 0 has no end."""
        return self._hold.ttl_ms

    @property
    def expires_in(self) -> float:
        """Seconds for which the lease is surely held, by this process's clock; 0 when lost, infinite without end."""
        return 0.0 if self.lost.is_set() else max(0.0, self._hold.deadline - monotonic())

    @property
    def reason(self) -> str:
        """Why the lease was lost; empty as long as it is not."""
        return self._hold.reason

    def renew(self, ttl: Duration | None = None) -> Lease:
        """Give the lease a new end from now, and the TTL to go on with. Raises `LeaseLost`."""
        ttl_ms = self._hold.ttl_ms if ttl is None else to_ms(ttl, what="ttl")
        with self._lock:
            renewing = self._end_renewal()  # of two renewals at once, either could be the last one to arrive
            try:
                renewed = self._driver.run(leases.renew(self._hold.keys, self.holder, self.token, ttl_ms))
                self._hold.deadline, self._hold.ttl_ms = renewed.deadline, renewed.ttl_ms
            except LeaseLost:
                self.lost.set()
                raise
            finally:
                if renewing and self._hold.ttl_ms and not self.lost.is_set():
                    self._renewal = _Renewal(self._keep, self._hold.keys.name)
        return self

    def release(self) -> Released:
        """Stop renewing, then give the permits back; doing so twice does no harm."""
        with self._lock:
            self._end_renewal()
            return self._driver.run(leases.release(self._hold.keys, self.holder, self.token))

    def _end_renewal(self) -> bool:
        renewal, self._renewal = self._renewal, None
        if renewal is not None:
            renewal.end()
        return renewal is not None

    def _keep(self, stop: threading.Event, ended: threading.Event) -> None:
        reason = "the thread that renewed it has failed"
        try:
            reason = self._driver.run(
                leases.keep_renewed(self._hold, at_once=self._at_once, early=self._early), stop=stop
            )
        finally:
            lost = bool(reason) and not stop.is_set()
            if lost:
                self._hold.reason = reason
                self.lost.set()
            ended.set()
            if lost and self._on_lost is not None:
                self._on_lost(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._process != os.getpid():
            return
        try:
            released = self.release()
        except Unavailable:
            if kind is None:
                raise
            return  # what went wrong inside the block matters more, and the TTL frees the permits
        if kind is None and released is not Released.RELEASED:
            raise LeaseLost(f"{self._hold.keys.id} was lost while held: {self._hold.reason or released}")


class _Renewal:
    """The thread that renews a lease, until it is told to end or the lease is lost."""

    def __init__(self, keep: Callable[[threading.Event, threading.Event], None], name: str) -> None:
        self._stop, self._ended = threading.Event(), threading.Event()
        thread = threading.Thread(
            target=keep, args=(self._stop, self._ended), name=f"konductor-renew-{name}", daemon=True
        )
        thread.start()

    def end(self) -> None:
        """Let it renew no more, and wait for the renewal that may be under way."""
        self._stop.set()
        self._ended.wait()


class Guard(ContextDecorator):
    """Holds a lease, renewed, inside a `with` block or around every call of a decorated function.

    Threads may share it, and blocks may be nested: each has a lease of its own, unless a holder is named.
    """

    def __init__(self, take: Callable[..., Lease], acquire: dict[str, Any]) -> None:
        self._take = take
        self._acquire = {"renew": True, **acquire}
        self._mine = threading.local()

    def __enter__(self) -> Lease:
        lease = self._take(**self._acquire).__enter__()
        self._mine.__dict__.setdefault("leases", []).append(lease)
        return lease

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._mine.leases.pop().__exit__(kind, error, trace)
