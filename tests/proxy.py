"""A proxy in front of a server that loses, delays and cuts what passes, on a unix socket and a TCP port.

with Proxy(server) as proxy:
    proxy.lose_reply(sha)        # the next request with these bytes is executed; its reply is lost with the connection
    client_of(proxy.url)

Bytes are matched as they come: a client that sends one request at a time, as ours do, sends it in one piece.
"""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Self

from tests.servers import free_port, until

if TYPE_CHECKING:
    import random
    from collections.abc import Awaitable, Callable

    from tests.servers import Server

__all__ = ["Proxy"]

CHUNK = 1 << 20
STORM_DELAY = 0.3
"""Seconds for which a storm holds back a reply at most."""
Loss = Literal["cut", "swallow"]


@dataclass(slots=True, eq=False)
class _Link:
    """One client's connection and the one to the server that stands for it."""

    client: asyncio.StreamWriter
    server: asyncio.StreamWriter
    doomed: Loss | None = None
    """What happens to the next reply."""
    stranded: bool = False
    flowing: asyncio.Event = field(default_factory=asyncio.Event)

    def cut(self) -> None:
        for writer in (self.client, self.server):
            writer.transport.abort()


async def _abort(*writers: asyncio.StreamWriter) -> None:
    """Close connections at once, and wait until the loop has: it may end soon."""
    for writer in writers:
        writer.transport.abort()
    for writer in writers:
        with suppress(OSError):
            await writer.wait_closed()


class Proxy:
    """A running proxy; all methods may be called from any thread. `heal` ends whatever goes on."""

    def __init__(self, server: Server) -> None:
        self._upstream = str(server.socket)
        self._socket = server.directory / f"proxy-{id(self):x}"
        self.port = free_port()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._stop = asyncio.Event()
        self._ready = threading.Event()
        self._links: set[_Link] = set()
        self._losses: dict[bytes, list[Loss]] = {}
        self._seen: Counter[bytes] = Counter()
        self._delay = 0.0
        self._storm: tuple[random.Random, tuple[float, ...]] | None = None
        self._frozen = False
        self._refusing = False

    @property
    def url(self) -> str:
        """The URL of the proxy's unix socket."""
        return f"unix://{self._socket}"

    @property
    def tcp_url(self) -> str:
        """The URL of the proxy's TCP port."""
        return f"redis://127.0.0.1:{self.port}/0"

    # ---- faults

    def lose_reply(self, match: str, times: int = 1) -> None:
        """Execute the next requests that contain `match`, and cut the connection in place of their replies."""
        self._do(lambda: self._lose(match, "cut", times))

    def swallow_reply(self, match: str, times: int = 1) -> None:
        """Execute the next requests that contain `match`, and say nothing: the connection stays open."""
        self._do(lambda: self._lose(match, "swallow", times))

    def delay(self, seconds: float) -> None:
        """Hold back every reply for so long."""
        self._do(lambda: setattr(self, "_delay", seconds))

    def cut(self) -> None:
        """Cut all connections there are; new ones work."""
        self._do(self._cut_all)

    def refuse(self) -> None:
        """Cut all connections, and each new one as it comes."""
        self._do(self._refuse)

    def strand(self) -> None:
        """Make all connections there are half-open: nothing passes on them any more. New ones work."""
        self._do(self._strand)

    def freeze(self) -> None:
        """Let nothing pass on any connection, new or old, until `heal`; then what was sent arrives."""
        self._do(self._freeze)

    def storm(self, chance: random.Random, *, cut: float = 0, swallow: float = 0, delay: float = 0) -> None:
        """Lose or delay replies at random until `heal`: each argument is the share of replies that suffers it."""
        self._do(lambda: setattr(self, "_storm", (chance, (cut, swallow, delay, 1 - cut - swallow - delay))))

    def heal(self) -> None:
        """Let everything pass again. What was cut, swallowed or stranded stays so."""
        self._do(self._heal)

    def seen(self, match: str) -> int:
        """Return how many requests with a match that a loss was asked for have been forwarded."""
        return self._seen[match.encode()]

    @property
    def connections(self) -> int:
        """How many clients are connected."""
        return len(self._links)

    def _lose(self, match: str, loss: Loss, times: int) -> None:
        self._losses.setdefault(match.encode(), []).extend([loss] * times)

    def _cut_all(self) -> None:
        for link in self._links:
            link.cut()

    def _refuse(self) -> None:
        self._refusing = True
        self._cut_all()

    def _strand(self) -> None:
        for link in self._links:
            link.stranded = True

    def _freeze(self) -> None:
        self._frozen = True
        for link in self._links:
            link.flowing.clear()

    def _heal(self) -> None:
        self._frozen = self._refusing = False
        self._delay = 0.0
        self._storm = None
        self._losses.clear()
        for link in self._links:
            link.flowing.set()

    def _do(self, action: Callable[[], Any]) -> None:
        """Run an action in the proxy's thread, and wait for it."""
        done = threading.Event()

        def act() -> None:
            action()
            done.set()

        self._loop.call_soon_threadsafe(act)
        assert done.wait(10), "the proxy hangs"

    # ---- traffic

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._refusing:
            await _abort(writer)
            return
        try:
            from_server, to_server = await asyncio.open_unix_connection(self._upstream, limit=CHUNK)
        except OSError:
            await _abort(writer)
            return
        link = _Link(writer, to_server)
        self._admit(link)
        pumps = [
            asyncio.ensure_future(self._pump(link, reader, self._forward)),
            asyncio.ensure_future(self._pump(link, from_server, self._reply)),
        ]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            self._links.discard(link)
            await _abort(link.client, link.server)

    def _admit(self, link: _Link) -> None:
        if self._refusing:
            link.cut()
        if not self._frozen:
            link.flowing.set()
        self._links.add(link)

    @staticmethod
    async def _pump(
        link: _Link, reader: asyncio.StreamReader, passes: Callable[[_Link, bytes], Awaitable[None]]
    ) -> None:
        with suppress(OSError):
            while data := await reader.read(CHUNK):
                await link.flowing.wait()
                if not link.stranded:
                    await passes(link, data)

    async def _forward(self, link: _Link, data: bytes) -> None:
        for match, losses in self._losses.items():
            if match in data:
                self._seen[match] += 1
                if losses:
                    link.doomed = losses.pop(0)
        link.server.write(data)

    async def _reply(self, link: _Link, data: bytes) -> None:
        # A script that the server does not know yet has not been executed.
        loss, link.doomed = (None if data.startswith(b"-NOSCRIPT") else link.doomed), None
        delay = self._delay
        if self._storm and loss is None:
            chance, shares = self._storm
            fates: tuple[Loss | None, ...] = ("cut", "swallow", None, None)
            fate = chance.choices(range(4), shares)[0]
            loss = fates[fate]
            delay += chance.uniform(0, STORM_DELAY) if fate == 2 else 0
        if loss == "cut":
            link.cut()
        elif loss is None:
            if delay:
                await asyncio.sleep(delay)
            link.client.write(data)

    # ---- life

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._run())
        self._loop.close()

    async def _run(self) -> None:
        servers = [
            await asyncio.start_unix_server(self._connect, str(self._socket), limit=CHUNK),
            await asyncio.start_server(self._connect, "127.0.0.1", self.port, limit=CHUNK),
        ]
        self._ready.set()
        await self._stop.wait()
        self._refuse()
        while others := asyncio.all_tasks() - {asyncio.current_task()}:  # one that was being accepted begins another
            await asyncio.gather(*others, return_exceptions=True)
        for server in servers:  # what a closed server is still accepting would never be closed
            server.close()

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(10), "the proxy does not start"
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)
        self._socket.unlink(missing_ok=True)
        until(lambda: not self._thread.is_alive(), "the proxy has ended")
