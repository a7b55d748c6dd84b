"""The API's sockets: how many clients there may be, how slow they may be, and what happens when one goes away."""

from __future__ import annotations

import asyncio
import contextlib
import os
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from konductor_core.errors import KonductorError
from sidecar.api.http import LONGEST_HEAD, Refusal, Reply, Request, read_request
from sidecar.api.routes import Routes, status_of
from sidecar.say import message
from sidecar.tasks import end

if TYPE_CHECKING:
    from sidecar.held import Ledger
    from sidecar.volume import Volume

__all__ = ["PORT", "SOCKET", "ApiServer"]

SOCKET: Final = "api.sock"
"""The socket in the volume."""
PORT: Final = 9632
"""The port on loopback."""
MOST_CONNECTIONS: Final = 64
PATIENCE: Final = 10.0
"""Seconds in which a request has to be there once it has begun, or a connection has to be used again."""
LINGER: Final = 1.0
"""Seconds that a client has to hang up after its last reply."""
GLANCE: Final = 0.25
"""Seconds between two looks whether a client that waits for its reply is still there."""


class ApiServer:
    """Serves the API until it is stopped."""

    def __init__(self, ledger: Ledger, volume: Volume) -> None:
        self._routes = Routes(ledger)
        self._socket = volume.path(SOCKET)
        self._servers: list[asyncio.Server] = []
        self._clients: set[asyncio.Task[None]] = set()

    async def start(self, *, loopback: bool) -> None:
        """Listen on the socket, and with `loopback` on a port of this pod's own. Raises `KonductorError`."""
        with contextlib.suppress(FileNotFoundError):
            os.remove(self._socket)  # noqa: PTH107 - of a keeper before this one
        try:
            server = await asyncio.start_unix_server(self._meet, self._socket, limit=LONGEST_HEAD)
        except OSError as error:
            raise KonductorError(f"the API cannot be served on {self._socket}: {error}") from error
        os.chmod(self._socket, 0o666)  # noqa: PTH101, S103 - for every user of the pod
        self._servers.append(server)
        if loopback:
            try:
                self._servers.append(await asyncio.start_server(self._meet, "127.0.0.1", PORT, limit=LONGEST_HEAD))
            except OSError as error:
                message(f"the API is on its socket only: 127.0.0.1:{PORT} cannot be used ({error.strerror})")

    async def stop(self) -> None:
        """Stop listening, and end what clients wait for."""
        for server in self._servers:
            server.close()
        await asyncio.gather(*(end(client) for client in self._clients))

    async def _meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - for the type checker: asyncio runs this as one
        if len(self._clients) >= MOST_CONNECTIONS:
            busy = Refusal(HTTPStatus.SERVICE_UNAVAILABLE, f"{MOST_CONNECTIONS} clients are connected already")
            writer.write(Reply(busy.status, busy.to_dict(), {"Retry-After": "1"}).encode(last=True))
            await _part(reader, writer)
            return
        self._clients.add(task)
        try:
            await self._serve(reader, writer)
            await _part(reader, writer)
        except (ConnectionError, TimeoutError):
            pass  # the client has gone, or does not take its reply
        except asyncio.CancelledError:
            pass  # the keeper ends; asyncio would log it as an error of this connection
        finally:
            self._clients.discard(task)
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        last = False
        while not last:
            try:
                request = await asyncio.wait_for(read_request(reader, writer), PATIENCE)
            except TimeoutError:
                return
            except Refusal as error:
                writer.write(Reply(status_of(error), error.to_dict()).encode(last=True))
                return
            if request is None:
                return
            reply, last = await self._answer(request, reader), request.last
            if reply is None:
                return
            writer.write(reply.encode(last=last, bodiless=request.method == "HEAD"))
            await asyncio.wait_for(writer.drain(), PATIENCE)

    async def _answer(self, request: Request, reader: asyncio.StreamReader) -> Reply | None:
        """Return the reply, or None if the client has gone: what it waited for is given up then."""
        answering = asyncio.create_task(self._routes.answer(request))
        try:
            while not answering.done():
                await asyncio.wait({answering}, timeout=GLANCE)
                if not answering.done() and (reader.at_eof() or reader.exception() is not None):
                    return None
            return answering.result()
        except Exception as error:  # noqa: BLE001 - a flaw of ours costs this request, not the keeper
            message(f"{request.method} {request.path}: unexpected {type(error).__name__}: {error}")
            document = {"code": "error", "error": f"unexpected {type(error).__name__}: {error}"}
            return Reply(HTTPStatus.INTERNAL_SERVER_ERROR, document)
        finally:
            await end(answering)


async def _part(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """End a connection so that the client gets the reply: what it still sends is read, or the system would reset it."""
    with contextlib.suppress(OSError, TimeoutError):
        async with asyncio.timeout(LINGER):
            await writer.drain()
            if writer.can_write_eof():
                writer.write_eof()
            while await reader.read(LONGEST_HEAD):
                pass
    writer.close()
