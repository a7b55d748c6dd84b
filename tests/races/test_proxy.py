"""The proxy does to connections what the tests that use it rely on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import redis

from tests.proxy import Proxy
from tests.servers import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.servers import Server


@pytest.fixture
def proxy(redis_server: Server) -> Iterator[Proxy]:
    with Proxy(redis_server) as running:
        yield running


@pytest.fixture
def through(proxy: Proxy) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(proxy.url, socket_timeout=0.3, retry=None) as client:
        yield client


def test_it_passes_everything_on_both_of_its_addresses(proxy: Proxy, through: redis.Redis) -> None:
    through.set("a", "b" * 100_000)
    with redis.Redis.from_url(proxy.tcp_url) as client:
        assert client.get("a") == b"b" * 100_000


def test_a_lost_reply_belongs_to_an_executed_request(proxy: Proxy, through: redis.Redis) -> None:
    proxy.lose_reply("counter")
    with pytest.raises(redis.ConnectionError):
        through.incr("counter")
    assert through.get("counter") == b"1"
    assert proxy.seen("counter") == 2


def test_a_swallowed_reply_leaves_the_connection_open(proxy: Proxy, through: redis.Redis) -> None:
    through.ping()
    proxy.swallow_reply("counter")
    with pytest.raises(redis.TimeoutError):
        through.incr("counter")
    assert through.get("counter") == b"1"


def test_replies_are_delayed(proxy: Proxy, through: redis.Redis) -> None:
    proxy.delay(0.6)
    with pytest.raises(redis.TimeoutError):
        through.ping()
    proxy.heal()
    assert through.ping()


def test_stranded_connections_are_silent_and_new_ones_work(proxy: Proxy, through: redis.Redis) -> None:
    through.ping()
    proxy.strand()
    with pytest.raises(redis.TimeoutError):
        through.ping()
    assert through.ping()


def test_what_was_sent_to_a_frozen_proxy_arrives_when_it_heals(proxy: Proxy, through: redis.Redis) -> None:
    through.ping()
    proxy.freeze()
    with pytest.raises(redis.TimeoutError):
        through.set("late", 1)
    proxy.heal()
    until(lambda: through.get("late") == b"1", "the frozen request arrives")


def test_connections_are_cut_and_refused(proxy: Proxy, through: redis.Redis) -> None:
    through.ping()
    proxy.refuse()
    with pytest.raises(redis.ConnectionError):
        through.ping()
    until(lambda: proxy.connections == 0, "all connections are cut")
    proxy.heal()
    assert through.ping()
    proxy.cut()
    until(lambda: proxy.connections == 0, "all connections are cut")
    assert through.ping()
