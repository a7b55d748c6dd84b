"""A controller under test: it runs in the test's event loop, against kmock's API and a real Redis."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any, Self

import aiohttp
import aiohttp.test_utils
import kmock
from kubernetes.aio.client import Configuration

from konductor_core import AsyncKonductor
from konductor_core.config import Settings
from konductor_core.controller.controller import Controller
from konductor_core.controller.settings import ControllerSettings
from konductor_core.identity import Kind
from tests.controller.api import NAMESPACES, Api
from tests.servers import free_port

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

__all__ = ["Stage", "eventually"]


async def eventually(condition: Callable[[], object], what: str, seconds: float = 10.0) -> None:
    """Return as soon as `condition` holds; raise `AssertionError` that names `what` after so many seconds."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    while True:
        found = condition()
        if asyncio.iscoroutine(found):
            found = await found
        if found:
            return
        if loop.time() > deadline:
            raise AssertionError(f"still not so after {seconds:g} s: {what}")
        await asyncio.sleep(0.01)


class _Abrupt(aiohttp.test_utils.RawTestServer):
    """A server that does not wait for its watches when it is closed."""

    async def close(self) -> None:
        if self.runner is not None:
            self.runner._shutdown_timeout = 0.05
        await super().close()


class Stage:
    """The API, Redis and a controller. The namespace `etl` is there."""

    def __init__(self, redis_url: str, **settings: Any) -> None:
        self.redis_url = redis_url
        self.api = Api()
        self.port = free_port()
        self.konductor = AsyncKonductor(redis_url, namespace="etl", holder="tester")
        self._settings = settings
        self._stack = contextlib.AsyncExitStack()
        self._server: contextlib.AsyncExitStack | None = None

    async def __aenter__(self) -> Self:
        await self._stack.enter_async_context(self.api)
        await self.open_api()
        await self.api.add(NAMESPACES, "etl")
        await self._stack.enter_async_context(self.konductor)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close_api()
        await self._stack.aclose()

    def namespace(self, name: str) -> AsyncKonductor:
        """Return a client of another namespace."""
        return AsyncKonductor(self.redis_url, namespace=name, holder="tester")

    async def open_api(self) -> None:
        """Have the API answer."""
        self._server = contextlib.AsyncExitStack()
        await self._server.enter_async_context(kmock.Server(self.api, port=self.port, server_cls=_Abrupt))

    async def close_api(self) -> None:
        """Have the API gone, and every connection to it."""
        if self._server is not None:
            server, self._server = self._server, None
            await server.aclose()

    @property
    def api_url(self) -> str:
        """Where the API is."""
        return f"http://127.0.0.1:{self.port}"

    def settings(self, **more: Any) -> ControllerSettings:
        """Return the settings of a controller."""
        redis = Settings.load({"redis_url": self.redis_url, "namespace": "konductor-system", "holder": "controller-0"})
        given = {"instance": "controller-0", "host": "127.0.0.1", "port": 0, **self._settings, **more}
        return ControllerSettings(redis=redis, **given)

    @contextlib.asynccontextmanager
    async def controller(
        self, configuration: Configuration | None = None, **settings: Any
    ) -> AsyncIterator[Controller]:
        """Run a controller, and end it as a signal does."""
        controller = Controller(self.settings(**settings), configuration or Configuration(host=self.api_url))
        task = asyncio.create_task(controller.run())
        try:
            yield controller
            assert not task.done(), "the controller has ended by itself"
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def get(self, controller: Controller, path: str) -> tuple[int, str]:
        """Ask a controller over HTTP."""
        port = await controller.listening
        async with aiohttp.ClientSession() as client, client.get(f"http://127.0.0.1:{port}{path}") as answer:
            return answer.status, await answer.text()

    async def shown(self, name: str, kind: Kind = Kind.BARRIER, **wanted: Any) -> None:
        """Wait until the status of a resource has these fields."""
        await eventually(
            lambda: wanted.items() <= self.api.status(kind, name).items(),
            f"{name} shows {wanted}: {self.api.status(kind, name)}",
        )
