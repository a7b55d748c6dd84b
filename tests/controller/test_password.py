"""The password of Redis is made once."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import kmock
from kubernetes.aio.client import Configuration

from konductor_core.annotations import SYSTEM_NAMESPACE
from konductor_core.controller.cluster import Cluster
from konductor_core.controller.password import KEY, ensure
from tests.controller.api import NAMESPACES, SECRETS, Api

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@asynccontextmanager
async def _cluster() -> AsyncIterator[tuple[Cluster, Api]]:
    """Yield a client, and the API that it speaks to."""
    async with Api() as api, kmock.Server(api) as server:
        await api.add(NAMESPACES, SYSTEM_NAMESPACE)
        async with Cluster(Configuration(host=str(server.url).rstrip("/"))) as cluster:
            yield cluster, api


async def test_the_secret_is_made_with_a_long_random_password() -> None:
    async with _cluster() as (cluster, _):
        passwords = set()
        for name in ("first", "second"):
            assert await ensure(cluster, SYSTEM_NAMESPACE, name)
            secret = await cluster.secret(SYSTEM_NAMESPACE, name)
            assert secret is not None
            passwords.add(secret["stringData"][KEY])
        assert len(passwords) == 2
        assert all(len(password) >= 40 for password in passwords)


async def test_a_secret_that_is_there_is_left_alone_whoever_made_it() -> None:
    async with _cluster() as (cluster, api):
        await api.add(SECRETS, "konductor-redis", SYSTEM_NAMESPACE, data={KEY: "b3du"})
        assert not await ensure(cluster, SYSTEM_NAMESPACE, "konductor-redis")
        secret = await cluster.secret(SYSTEM_NAMESPACE, "konductor-redis")
        assert secret is not None
        assert secret["data"] == {KEY: "b3du"}


async def test_if_the_other_replica_is_faster_its_password_is_used() -> None:
    async with _cluster() as (cluster, api):
        api.refuse = lambda request: 409 if request.action is kmock.action.CREATE else None
        assert not await ensure(cluster, SYSTEM_NAMESPACE, "konductor-redis")


async def test_an_api_that_answers_late_is_asked_again() -> None:
    async with _cluster() as (cluster, api):
        answers = iter([503, 503])
        api.refuse = lambda _: next(answers, None)
        assert await asyncio.wait_for(ensure(cluster, SYSTEM_NAMESPACE, "konductor-redis"), 20)
