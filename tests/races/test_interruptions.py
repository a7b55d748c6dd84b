"""Ctrl-C at any moment: nothing stays queued or held, and no reply answers another's question."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from redis.connection import UnixDomainSocketConnection

from konductor_core.client import Konductor

if TYPE_CHECKING:
    from tests.races.conftest import Place


def test_a_reply_that_was_not_read_answers_no_later_question(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """The moment between sending and reading is too short to hit with a signal; here it is hit for sure."""
    place.k.semaphore("one").define(permits=1)
    place.k.barrier("all").define(expected=2)
    place.k.semaphore("one").status()

    def interrupted(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(UnixDomainSocketConnection, "read_response", interrupted)
        with pytest.raises(KeyboardInterrupt):
            place.k.semaphore("one").status()
    assert place.k.barrier("all").status().spec.expected == 2
    assert place.k.semaphore("one").status().spec.permits == 1
