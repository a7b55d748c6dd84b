"""What has to be acknowledged by a replica is not called done before, whoever says it again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from konductor_core.client import Konductor
from konductor_core.config import Settings
from konductor_core.errors import Unavailable
from tests.servers import until

if TYPE_CHECKING:
    from tests.conftest import FreshServer


def test_a_completion_that_too_few_replicas_have_is_not_called_one_however_often_it_is_said(
    fresh_server: FreshServer,
) -> None:
    master, replica = fresh_server(tcp=True, options={"repl-diskless-sync-delay": "0"}), fresh_server()
    with replica.client(decode_responses=True) as client:
        client.replicaof("127.0.0.1", str(master.port))
        until(lambda: client.execute_command("ROLE")[3] == "connected", "the replica follows")
    settings = Settings.load({"redis_url": master.url, "namespace": "races", "min_replicas": 1, "socket_timeout_ms": 1})
    with Konductor(settings=settings) as k:
        once = k.once("schema")
        once.define()
        run = once.begin(holder="a", timeout=20)
        replica.pause()
        for _ in range(2):
            with pytest.raises(Unavailable, match="0 of 1 replicas acknowledged the completion of once/schema"):
                run.complete()
        replica.resume()
        assert not run.complete().counted
        assert once.status().phase == "Done"
