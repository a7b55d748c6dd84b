"""Certificates change under load, and nobody notices."""

from __future__ import annotations

import asyncio
import itertools
import json
from datetime import timedelta
from typing import TYPE_CHECKING

import aiohttp

from tests.webhook.api import Api, cluster_of
from tests.webhook.pods import pod
from tests.webhook.serving import NAMES, review, serving, strict
from webhook.certs import Lifetimes
from webhook.rotation import Certificate, Shared, keep_loaded, now

if TYPE_CHECKING:
    from datetime import datetime

RATE = 200
DAYS = 145
LOOKS = 16
LIFETIMES = Lifetimes(authority=timedelta(days=180), server=timedelta(days=150), overlap=timedelta(days=8))
"""Within DAYS the server's certificate is renewed, then the authority, then what the new authority signs is shown."""

BODY = json.dumps(review(pod({"wait-barrier": "a"}))).encode()


class Calendar:
    """A clock on which DAYS pass in LOOKS looks, up to the present, so that OpenSSL finds everything valid."""

    def __init__(self) -> None:
        self._present = now()
        self.left = LOOKS

    def __call__(self) -> datetime:
        day = self._present - timedelta(days=DAYS * max(0, self.left) / LOOKS)
        self.left -= 1
        return day


async def ask(session: aiohttp.ClientSession, port: int) -> None:
    url, headers = f"https://localhost:{port}/mutate", {"Content-Type": "application/json"}
    async with session.post(url, data=BODY, headers=headers) as answer:
        assert answer.status == 200
        assert (await answer.json())["response"]["allowed"] is True


def connected(bundle: str) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=strict(bundle)))


async def shown(port: int, bundle: str) -> str:
    """Ask over a new connection, as an API server does that has just seen this bundle; returns the serial number."""
    _, writer = await asyncio.open_connection("localhost", port, ssl=strict(bundle))
    serial = str(writer.get_extra_info("peercert")["serialNumber"])
    writer.close()
    await writer.wait_closed()
    async with connected(bundle) as session:
        await ask(session, port)
    return serial


async def test_200_requests_a_second_go_on_while_authority_and_certificate_are_replaced() -> None:
    loop = asyncio.get_running_loop()
    certificate = Certificate()
    async with cluster_of(api := Api()) as cluster:
        calendar = Calendar()
        source = Shared(cluster, NAMES, LIFETIMES, calendar)
        keeping = asyncio.create_task(keep_loaded(certificate, source, 0.1))
        await asyncio.wait_for(certificate.loaded.wait(), 10)
        first = api.bundle
        async with serving(certificate) as served, asyncio.TaskGroup() as requests, connected(first) as session:
            begun, bundles, looks = loop.time(), {first}, []
            for number in itertools.takewhile(lambda _: calendar.left > -3, itertools.count()):
                await asyncio.sleep(max(0.0, begun + number / RATE - loop.time()))
                requests.create_task(ask(session, served.port))
                if number % 20 == 0:
                    bundles.add(api.bundle)
                    looks.append(requests.create_task(shown(served.port, api.bundle)))
            looks.append(requests.create_task(shown(served.port, api.bundle)))
            serials = [await look for look in looks]
        assert not keeping.done()
        keeping.cancel()
    assert len(set(serials)) == 3
    assert len(bundles) == 2
