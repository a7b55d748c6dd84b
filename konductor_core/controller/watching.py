"""The watches: kopf, in a thread of its own, feeds the `View`.

Only `on.event` is used, so that kopf writes nothing: no finalizers, no annotations, no Events, no peering. There is no
index, since with one kopf takes minutes to begin where there are thousands of objects. Its thread has an event loop of
its own, because kopf cancels every task of its loop when it ends. When it ends by itself, `run` raises.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import threading
from collections.abc import Hashable
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias, TypeVar

import kopf

from konductor_core.annotations import CONTROLLER
from konductor_core.controller.api import PAGE
from konductor_core.controller.calls import Rule
from konductor_core.controller.view import Key, Namespace, Pod, Resource
from konductor_core.controller.workloads import workload_of
from konductor_core.errors import KonductorError
from konductor_core.identity import GROUP, VERSION
from konductor_core.models.registry import SPECS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from kubernetes.aio.client import Configuration

    from konductor_core.controller.view import Table, View
    from konductor_core.identity import Kind

__all__ = ["RULES", "Watch", "WatchEnded"]

log = logging.getLogger(__name__)

RULES: Final[frozenset[Rule]] = frozenset(
    Rule(verb, group, resource)
    for verb in ("list", "watch")
    for group, resource in (
        ("", "namespaces"),
        ("", "pods"),
        ("batch", "jobs"),
        ("apps", "deployments"),
        *((GROUP, kind.plural) for kind in SPECS),
    )
)
"""What kopf needs, beside what `calls.RULES` has."""

TICK: Final = 1.0
GONE: Final = 3
"""Ticks without one of the watches, after which it counts as gone."""
ENDING: Final = 3.0
"""Seconds for kopf to end. Nothing is lost if it doesn't: it only reads."""


class WatchEnded(KonductorError):  # noqa: N818
    """The watches ended, and with them all that the controller could learn of the cluster."""


class _Backoffs:
    """Seconds between tries of kopf's calls: without end, since an API server may be away for long."""

    def __iter__(self) -> Iterator[float]:
        return itertools.chain((0.5, 1, 2, 3, 5), itertools.repeat(8.0))


class Watch:
    """Watches our resources, workloads and namespaces of the whole cluster, and puts what it sees into `view`.

    `heard` has the plural of whatever an event has told of, which means that its watch has begun: what happens from
    then on is seen. `began` is set with the first. `relisted` is called when one has begun anew with a list: what was
    deleted meanwhile is not in it.
    """

    def __init__(self, view: View, configuration: Configuration, relisted: Callable[[], None]) -> None:
        self._view = view
        self._configuration = configuration
        self._relisted = relisted
        self.began = asyncio.Event()
        self.heard: set[str] = set()
        self._loop = asyncio.get_running_loop()
        self._listed: set[tuple[int, Hashable]] = set()
        self._kopf_loop: asyncio.AbstractEventLoop | None = None
        self._kopf_task: asyncio.Task[None] | None = None
        self._beat = self._loop.time()

    async def run(self) -> None:
        """Watch until cancelled. Raises `WatchEnded`."""
        ended: asyncio.Future[BaseException | None] = self._loop.create_future()
        thread = threading.Thread(target=self._thread, args=(ended,), name="watches", daemon=True)
        thread.start()
        try:
            reason = await asyncio.shield(ended)
            raise WatchEnded(f"the watches ended: {reason}" if reason else "the watches ended by themselves")
        finally:
            if self._kopf_loop is not None and self._kopf_task is not None and not ended.done():
                self._kopf_loop.call_soon_threadsafe(self._kopf_task.cancel)
                await asyncio.wait({ended}, timeout=ENDING)

    def silence(self) -> float:
        """Return for how many seconds the watches' event loop has not moved."""
        return max(0.0, self._loop.time() - self._beat - TICK)

    # --------------------------------------------------------------------------------------------- kopf's thread

    def _thread(self, ended: asyncio.Future[BaseException | None]) -> None:
        reason: BaseException | None = None
        try:
            asyncio.run(self._watch(ended))
        except asyncio.CancelledError:
            pass
        except BaseException as error:  # noqa: BLE001 - whatever it is, the other thread is to know
            reason = error
        self._tell(_end, ended, reason)

    def _tell(self, function: Callable[..., None], *arguments: object) -> None:
        """Have a function called in the controller's own thread, unless that has ended."""
        with suppress(RuntimeError):  # its loop is closed
            self._loop.call_soon_threadsafe(function, *arguments)

    async def _watch(self, ended: asyncio.Future[BaseException | None]) -> None:
        self._kopf_loop, self._kopf_task = asyncio.get_running_loop(), asyncio.current_task()
        ticking = asyncio.create_task(self._tick(ended))
        try:
            await kopf.operator(
                registry=self._registry(),
                settings=_settings(),
                clusterwide=True,
                standalone=True,
                # Else kopf looks up the user's name, and the user of a pod has none. Its type is not public.
                identity=CONTROLLER,  # type: ignore[arg-type]
            )
        finally:
            ticking.cancel()

    async def _tick(self, ended: asyncio.Future[BaseException | None]) -> None:
        """Show that kopf's loop moves; and end all if a watch has gone: kopf may hang while it tries to end itself."""
        most = missed = 0
        while missed < GONE:
            self._tell(self._beaten)
            now = sum(task.get_name().startswith("watcher for ") for task in asyncio.all_tasks())
            most, missed = max(most, now), missed + 1 if now < most else 0
            await asyncio.sleep(TICK)
        self._tell(_end, ended, WatchEnded("one of them is gone"))

    def _beaten(self) -> None:
        self._beat = self._loop.time()

    def _registry(self) -> kopf.OperatorRegistry:
        registry = kopf.OperatorRegistry()

        async def login(**_: object) -> kopf.ConnectionInfo:
            return await connection_of(self._configuration)

        kopf.on.login(registry=registry)(login)
        view = self._view
        tables: dict[tuple[str, ...], tuple[Table[Any, Any], _Make]] = {
            **{(GROUP, VERSION, kind.plural): (view.resources, partial(_resource, kind)) for kind in SPECS},
            ("batch", "v1", "jobs"): (view.workloads, partial(workload_of, "Job")),
            ("apps", "v1", "deployments"): (view.workloads, partial(workload_of, "Deployment")),
            ("v1", "pods"): (view.pods, _pod),
            ("v1", "namespaces"): (view.namespaces, _namespace),
        }
        for selector, (table, make) in tables.items():
            kopf.on.event(*selector, id="seen", registry=registry)(self._handler(selector[-1], table, make))
        return registry

    def _handler(self, plural: str, table: Table[Any, Any], make: _Make) -> Any:  # noqa: ANN401 - kopf's own type
        async def handle(event: kopf.RawEvent, **_: object) -> None:
            key, found = make(event["object"])
            self._tell(self._take, plural, table, key, found, event["type"])

        return handle

    # ---------------------------------------------------------------------------------------- the main thread again

    def _take(self, plural: str, table: Table[K, Any], key: K, found: _Versioned, what: str | None) -> None:
        """Note one event; a `what` of None stands for a list."""
        self.heard.add(plural)
        self.began.set()
        listed = (id(table), key)
        if what is not None:
            self._listed.discard(listed)
        elif listed in self._listed:  # for the second time
            self._listed.clear()
            self._relisted()
        if what is None:
            self._listed.add(listed)
        current = table.items.get(key)
        if current is None or not is_older(found, current):
            table.put(key, None if what == "DELETED" else found)


def _end(future: asyncio.Future[BaseException | None], reason: BaseException | None) -> None:
    if not future.done():
        future.set_result(reason)


class _Versioned(Protocol):
    @property
    def version(self) -> str: ...


K = TypeVar("K", bound=Hashable)
_Make: TypeAlias = "Callable[[Mapping[str, Any]], tuple[Hashable, _Versioned]]"


def is_older(found: _Versioned, current: _Versioned) -> bool:
    """Whether an event tells of something older than what is known: our own writes are known before their events."""
    return found.version.isdigit() and current.version.isdigit() and int(found.version) < int(current.version)


def _resource(kind: Kind, body: Mapping[str, Any]) -> tuple[Key, Resource]:
    resource = Resource.of(kind, body)
    return resource.key, resource


def _pod(body: Mapping[str, Any]) -> tuple[tuple[str, str], Pod]:
    pod = Pod.of(body)
    return (pod.namespace, pod.name), pod


def _namespace(body: Mapping[str, Any]) -> tuple[str, Namespace]:
    namespace = Namespace.of(body)
    return namespace.name, namespace


def _settings() -> kopf.OperatorSettings:
    settings = kopf.OperatorSettings()
    settings.posting.enabled = False
    settings.peering.standalone = True
    settings.scanning.disabled = True  # it would need rights on all CRDs; our kinds are there before it starts
    settings.watching.chunk_size = PAGE  # whole lists of thousands would be in memory at once
    settings.queueing.idle_timeout = 1.0  # and a task for each object that has changed
    settings.networking.error_backoffs = _Backoffs()
    settings.networking.connect_timeout = 5.0
    settings.networking.request_timeout = 60.0
    return settings


async def connection_of(configuration: Configuration) -> kopf.ConnectionInfo:
    """Return how kopf reaches the API: as the client does, with the token as it is now."""
    auth = await configuration.auth_settings()
    scheme, _, token = str(auth["BearerToken"]["value"] if "BearerToken" in auth else "").partition(" ")
    return kopf.ConnectionInfo(
        server=configuration.host,
        ca_path=configuration.ssl_ca_cert,
        ca_data=configuration.ca_cert_data,
        insecure=not configuration.verify_ssl,
        scheme=scheme.capitalize() or None,
        token=token or None,
        certificate_path=configuration.cert_file,
        private_key_path=configuration.key_file,
        proxy_url=configuration.proxy,
    )
