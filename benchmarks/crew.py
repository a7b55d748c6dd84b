"""Forked workers that talk with the benchmark over a pipe each."""

from __future__ import annotations

import multiprocessing
import os
import signal
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, Self

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.connection import Connection

__all__ = ["Crew"]

P = ParamSpec("P")
_FORK = multiprocessing.get_context("fork")


class Crew:
    """`size` processes that run `work(pipe, *arguments)`; leaving the context kills those that still run.

    What a worker sends reaches the benchmark through `pipes`. Fork before any thread is started.
    """

    def __init__(
        self, size: int, work: Callable[Concatenate[Connection, P], None], *args: P.args, **kwargs: P.kwargs
    ) -> None:
        self.pipes: list[Connection] = []
        self.processes: list[Any] = []
        for _ in range(size):
            ours, theirs = _FORK.Pipe()
            process = _FORK.Process(target=work, args=(theirs, *args), kwargs=kwargs, daemon=True)
            process.start()
            theirs.close()
            self.pipes.append(ours)
            self.processes.append(process)

    def tell(self, message: object) -> None:
        """Send every worker a message."""
        for pipe in self.pipes:
            pipe.send(message)

    def hear(self) -> list[Any]:
        """Return one message of each worker. Raises `EOFError` if one has ended instead."""
        return [pipe.recv() for pipe in self.pipes]

    def kill(self) -> None:
        """End all workers at once, as a crash does."""
        for process in self.processes:
            if process.is_alive():
                os.kill(process.pid, signal.SIGKILL)
        for process in self.processes:
            process.join()
        for pipe in self.pipes:
            pipe.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
