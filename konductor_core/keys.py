"""Every key and channel in Redis, with its type and fields. `docs/redis.md` shows the same through redis-cli.

All keys of a namespace share the hash tag `{<namespace>}`: one script may touch several of its objects, an ACL
user can be confined to it, and a cluster keeps it in one slot. Moments are the server's milliseconds since 1970.

    konductor:{ns}:index                  set     every object of the namespace, as semaphore/x
    konductor:{ns}:dirty                  zset    changed objects -> when; at most 10,000, TTL 24 h
    konductor:{ns}:seq                    string  the last place given in any queue; TTL while nobody waits
    konductor:{ns}:request:<request>      hash    one waiting request: holder items priority seq since aged ttl
                                                  pod uid node, look: when its waiter will ask by itself (probe
                                                  probed answered), or cancelled; TTL 60 s, kept by heartbeats
    konductor:{ns}:wake:<request>         list    what a waiter blocks on: `granted <token>`, `arm <ms>`,
                                                  `watch <ms>`, `look`, `probe`, `deleted`; TTL 60 s
    konductor:{ns}:awaited                zset    object that does not exist and is waited for -> until when it
                                                  counts as such; TTL 60 s, kept by heartbeats
    konductor:{ns}:marker                 string  1 since the controller has brought everything of the namespace here;
                                                  where it is gone, Redis has lost what it had
    konductor:{ns}:mirrors                hash    object -> uid of the custom resource that mirrors it
    konductor:{ns}:namespaces             set     only where the controller runs: every namespace with a marker
    konductor:{ns}:nudge                  channel the name of an object that changed, as semaphore/x

Permits (Semaphore, Lease, Mutex, RWMutex), with `o` for konductor:{ns}:<kind>:<name>:

    o                                     hash    epoch owner labels created permits ttl policy bypass token extra
                                                  grants expiries refusals timeouts waited longest renewals; last
                                                  transitions: who had a lease object last, how often that changed;
                                                  calm: until then nobody waits and no lease ends, so nothing
                                                  need be looked at; watched: when the waiters behind the head
                                                  will look by themselves
                                                  of what is done once also: done executor sealed result failures
                                                  failed failer reason
    o:leases                              zset    holder -> expiry; +inf for a lease without an end
    o:weights                             hash    holder -> permits, for leases of more than one
    o:lease:<holder>                      hash    the readable twin: token permits since ttl request pod uid node
                                                  (claim); its native TTL is the same expiry
    o:queue                               zset    waiting holder -> priority and place in one number; in serving order
    o:ageing                              zset    waiting holder -> when it outranks every priority
    o:waiting                             hash    waiting holder, or one yet to confirm its grant -> its request

Latches (Barrier), with `o` for konductor:{ns}:barrier:<name>:

    o                                     hash    epoch owner labels created expected quorum timeout cyclic phase
                                                  cycle lastcycle deadline opened failed reason progress shown
                                                  repeats
    o:arrivals                            zset    arrival -> when, of the current cycle
    o:cycles                              zset    arrival -> the last cycle it arrived in (cyclic barriers only)

Latches (WaitGroup), with `o` for konductor:{ns}:waitgroup:<name>:

    o                                     hash    epoch owner labels created phase anonymous added cycle lastcycle done
                                                  progress shown repeats
    o:members                             zset    member that is not done -> when it was added
    o:finished                            zset    member that is done -> when

Latches (Gate), with `o` for konductor:{ns}:gate:<name>:

    o                                     hash    epoch owner labels created conditions total timeout phase verdict
                                                  override met reason checks deadline opened failed evaluated asked
                                                  cycle progress shown

Whoever waits for a latch to open, or for something that is done once:

    o:waiters                             zset    request of a waiter -> until when it counts as alive; TTL 1 min
    o:names                               hash    request of a waiter -> `<since> <pod or -> <holder>`; TTL 1 min

All:

    o:did:<request>                       string  what a request did, so that its retry answers the same; TTL 60 s;
                                                  also did:expired/<holder> and did:released/<holder>
    o:events                              stream  the last 500 or so events: type holder token permits detail
    o:state                               channel `open|failed|progress <epoch> <cycle> <count> <target>`,
                                                  `reset|deleted|defined <epoch>`
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from konductor_core.identity import Kind

__all__ = [
    "ALL_NUDGES",
    "LATCH_PARTS",
    "PARTS_OF",
    "PERMIT_PARTS",
    "ObjectKeys",
    "awaited",
    "dirty",
    "index",
    "marker",
    "mirrors",
    "namespace_of",
    "namespaces",
    "nudge",
    "request",
    "wake",
]

PERMIT_PARTS: Final = ("leases", "weights", "queue", "ageing", "waiting", "events")
LATCH_PARTS: Final = ("waiters", "events")
PARTS_OF: Final = {"barrier": ("arrivals", "cycles"), "waitgroup": ("members", "finished")}
"""What each kind of latch has beside those."""


def _of(namespace: str, rest: str) -> str:
    return f"konductor:{{{namespace}}}:{rest}"


def index(namespace: str) -> str:
    """Return the key of the set of all objects of a namespace."""
    return _of(namespace, "index")


def dirty(namespace: str) -> str:
    """Return the key of the changed objects that no controller has looked at."""
    return _of(namespace, "dirty")


def awaited(namespace: str) -> str:
    """Return the key of the objects that do not exist and that somebody waits for."""
    return _of(namespace, "awaited")


def nudge(namespace: str) -> str:
    """Return the channel that names objects as they change."""
    return _of(namespace, "nudge")


ALL_NUDGES: Final = _of("*", "nudge")
"""The pattern of the nudge channels of all namespaces."""


def namespace_of(key: str) -> str:
    """Return the namespace of a key or channel."""
    return key.partition("{")[2].partition("}")[0]


def marker(namespace: str) -> str:
    """Return the key whose absence shows that Redis has lost a namespace."""
    return _of(namespace, "marker")


def mirrors(namespace: str) -> str:
    """Return the hash of the custom resources that mirror objects."""
    return _of(namespace, "mirrors")


def namespaces(system: str) -> str:
    """Return the set of the namespaces that have a marker, kept where the controller runs."""
    return _of(system, "namespaces")


def wake(namespace: str, request: str) -> str:
    """Return the list on which the waiter of `request` blocks."""
    return _of(namespace, f"wake:{request}")


def request(namespace: str, request: str) -> str:
    """Return the hash of one waiting request."""
    return _of(namespace, f"request:{request}")


class ObjectKeys:
    """The keys of one object, in the order in which its scripts take them."""

    __slots__ = ("id", "kind", "latch", "meta", "name", "namespace", "permit", "permits", "queueing", "state")

    def __init__(self, namespace: str, kind: Kind, name: str) -> None:
        self.namespace = namespace
        self.kind = kind
        self.name = name
        self.id = f"{kind.key}/{name}"
        self.meta = meta = _of(namespace, f"{kind.key}:{name}")
        shared = (dirty(namespace), index(namespace))
        self.queueing = (*shared, _of(namespace, "seq"))
        self.permit = (meta, *[f"{meta}:{part}" for part in PERMIT_PARTS])
        self.permits = self.queueing + self.permit
        self.latch = (*shared, meta, *[f"{meta}:{part}" for part in (*LATCH_PARTS, *PARTS_OF.get(kind.key, ()))])
        self.state = f"{meta}:state"

    @property
    def events(self) -> str:
        """The stream of the object's history."""
        return f"{self.meta}:events"

    @property
    def arrivals(self) -> str:
        """When each arrival of a barrier's current cycle came."""
        return f"{self.meta}:arrivals"

    @property
    def cycles(self) -> str:
        """The last cycle in which each arrival came, of a cyclic barrier."""
        return f"{self.meta}:cycles"

    @property
    def finished(self) -> str:
        """The members of a wait group that are done."""
        return f"{self.meta}:finished"
