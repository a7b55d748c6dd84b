"""The certificate that all replicas share: agreed on in one Secret, published, and loaded without a break."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from konductor_core.annotations import SYSTEM_NAMESPACE, WEBHOOK
from tests.certificates import Authority
from tests.webhook.api import CONFIGURATIONS, Api, cluster_of
from webhook.certs import Lifetimes, server_names
from webhook.cluster import ApiError
from webhook.rotation import Certificate, Files, Shared, keep_loaded

if TYPE_CHECKING:
    from pathlib import Path

    from webhook.cluster import Cluster

NAMES = server_names(WEBHOOK, SYSTEM_NAMESPACE)
LIFETIMES = Lifetimes(authority=timedelta(days=300), server=timedelta(days=30), overlap=timedelta(hours=1))


class Clock:
    """A calendar that the test turns."""

    def __init__(self) -> None:
        self.now = datetime(2030, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


def replica(cluster: Cluster, clock: Clock | None = None) -> Shared:
    return Shared(cluster, NAMES, LIFETIMES, clock or Clock())


async def test_replicas_that_start_at_once_agree_on_one_certificate_and_publish_it() -> None:
    async with cluster_of(api := Api()) as cluster:
        pairs = await asyncio.gather(*(replica(cluster).pair() for _ in range(5)))
        assert len(set(pairs)) == 1
        assert pairs[0] == (api.secret["tls.crt"], api.secret["tls.key"])
        assert api.bundles == {api.secret["ca.crt"].decode()}
        assert api.writes.count("POST secrets") == 1


async def test_a_look_at_which_nothing_is_due_writes_nothing() -> None:
    async with cluster_of(api := Api()) as cluster:
        one = replica(cluster)
        first = await one.pair()
        api.writes.clear()
        assert await one.pair() == first
        assert api.writes == []


async def test_what_one_replica_renews_all_others_show() -> None:
    async with cluster_of(Api()) as cluster:
        clock = Clock()
        one, other = replica(cluster, clock), replica(cluster, clock)
        first = await one.pair()
        assert await other.pair() == first
        clock.now += timedelta(days=21)
        second = await one.pair()
        assert second != first
        assert await other.pair() == second


async def test_replicas_that_renew_at_once_agree_again() -> None:
    async with cluster_of(Api()) as cluster:
        clock = Clock()
        replicas = [replica(cluster, clock) for _ in range(4)]
        await asyncio.gather(*(each.pair() for each in replicas))
        clock.now += timedelta(days=21)
        await asyncio.gather(*(each.pair() for each in replicas))
        assert len({await each.pair() for each in replicas}) == 1


async def test_a_new_authority_is_published_before_anything_is_signed_by_it() -> None:
    async with cluster_of(api := Api()) as cluster:
        clock = Clock()
        one = replica(cluster, clock)
        await one.pair()
        former = api.secret["ca.crt"].decode()
        clock.now += timedelta(days=199)
        shown = await one.pair()
        clock.now += timedelta(days=2)
        assert await one.pair() == shown
        (bundle,) = api.bundles
        assert bundle.endswith(former)
        assert bundle.count("BEGIN CERTIFICATE") == 2
        clock.now += timedelta(hours=2)
        assert await one.pair() != shown


async def test_a_secret_that_was_deleted_is_written_again_as_it_was() -> None:
    async with cluster_of(api := Api()) as cluster:
        one = replica(cluster)
        first, bundle = await one.pair(), api.bundles
        await api.remove_secret()
        assert await one.pair() == first
        assert api.bundles == bundle
        assert api.secret["tls.crt"] == first[0]


async def test_a_secret_that_somebody_spoiled_is_written_again_as_it_was() -> None:
    async with cluster_of(api := Api()) as cluster:
        one = replica(cluster)
        first = await one.pair()
        await api.spoil(**{"tls.key": b"nonsense"})
        assert await one.pair() == first
        assert api.secret["tls.key"] == first[1]


async def test_a_bundle_that_a_deployment_wiped_is_published_again() -> None:
    async with cluster_of(api := Api()) as cluster:
        one = replica(cluster)
        await one.pair()
        await api.wipe()
        assert "" in api.bundles
        await one.pair()
        assert api.bundles == {api.secret["ca.crt"].decode()}


async def test_without_the_configurations_the_reason_is_said() -> None:
    async with cluster_of(api := Api()) as cluster:
        for resource in CONFIGURATIONS:
            del api.objects[resource, None, WEBHOOK]
        with pytest.raises(ApiError, match=r"mutatingwebhookconfigurations/konductor-webhook does not exist: install"):
            await cluster.publish(b"bundle")


async def test_an_api_that_is_away_leaves_the_certificate_in_use() -> None:
    certificate = Certificate()
    async with AsyncExitStack() as away, cluster_of(Api(), away) as cluster:
        keeping = asyncio.create_task(keep_loaded(certificate, replica(cluster), 0.01))
        await asyncio.wait_for(certificate.loaded.wait(), 10)
        await away.aclose()
        looked_at = certificate.looked_at
        while certificate.looked_at < looked_at + 0.1:
            assert not keeping.done()
            await asyncio.sleep(0.01)
        assert certificate.loaded.is_set()
        keeping.cancel()


async def test_files_that_change_are_loaded_and_a_pair_that_does_not_fit_is_not(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    one, two = authority.issue("one", "localhost"), authority.issue("two", "localhost")
    chain, key = tmp_path / "tls.crt", tmp_path / "tls.key"
    chain.write_bytes(one.certificate.read_bytes())
    key.write_bytes(one.key.read_bytes())
    source, certificate = Files(tmp_path), Certificate()
    assert certificate.load(*await source.pair())
    assert not certificate.load(*await source.pair())
    chain.write_bytes(two.certificate.read_bytes())
    with pytest.raises(ValueError, match="the key is not that of the certificate"):
        certificate.load(*await source.pair())
    key.write_bytes(two.key.read_bytes())
    assert certificate.load(*await source.pair())
