"""The local API: what it does, whom it refuses, what it leaves behind."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import threading
from typing import TYPE_CHECKING, Any

import pytest

from tests.looking import look
from tests.servers import until
from tests.sidecar.client import Api
from tests.sidecar.conftest import pod_on

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import SharedServers
    from tests.servers import Server
    from tests.sidecar.running import Pod


@pytest.fixture
def api(pod: Pod) -> Iterator[Api]:
    pod.keep("--api", "--no-loopback", KONDUCTOR_ARRIVAL_ID="job/3")
    made = Api(pod.volume)
    yield made
    made.close()


@pytest.fixture(scope="module")
def wire(shared_servers: SharedServers) -> Iterator[Api]:
    """One keeper for all tests that leave nothing behind."""
    with pod_on(shared_servers.empty("valkey").url) as pod:
        pod.keep("--api", "--no-loopback")
        made = Api(pod.volume)
        yield made
        made.close()


def in_use(pod: Pod, name: str = "load") -> int:
    return pod.k.semaphore(name).status().in_use


# ---- barriers


def test_a_pod_arrives_and_reads_a_barrier(pod: Pod, api: Api) -> None:
    pod.k.barrier("b").define(2)
    first = api.post("/v1/barriers/b/arrive")
    assert (first.status, first.document["arrivalId"], first.document["counted"]) == (200, "job/3", True)
    assert api.post("/v1/barriers/b/arrive").document["counted"] is False
    assert api.post("/v1/barriers/b/arrive", arrivalId="x").document["phase"] == "Open"
    assert api.get("/v1/barriers/b").document["arrived"] == 2


def test_a_wait_ends_when_the_barrier_opens_or_with_504(pod: Pod, api: Api) -> None:
    pod.k.barrier("b").define(1)
    late = api.post("/v1/barriers/b/wait", timeout="50ms")
    assert (late.status, late.code) == (504, "timeout")
    replies = []
    waiting = threading.Thread(target=lambda: replies.append(api.post("/v1/barriers/b/wait")))
    waiting.start()
    until(lambda: pod.k.barrier("b").status().waiting == 1, "it waits")
    pod.k.barrier("b").arrive("x")
    waiting.join(10)
    assert [(each.status, each.document["needed"]) for each in replies] == [(200, 1)]


def test_a_failed_barrier_is_gone(pod: Pod, api: Api) -> None:
    pod.k.barrier("b").define(2, timeout="50ms")
    until(lambda: pod.k.barrier("b").status().phase == "Failed", "it has failed")
    gone = api.post("/v1/barriers/b/wait")
    assert (gone.status, gone.code) == (410, "barrier-failed")


def test_a_client_that_hangs_up_is_not_waited_for(pod: Pod, api: Api) -> None:
    pod.k.barrier("b").define(1)
    pod.k.semaphore("load").acquire(holder="somebody")
    for path, body in (("/v1/barriers/b/wait", b""), ("/v1/semaphores/load/acquire", b'{"timeout":"1m"}')):
        with api.open() as client:
            head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
            client.sendall(head.encode() + body)
            until(lambda: pod.k.barrier("b").status().waiting + pod.k.semaphore("load").status().waiting, "it waits")
        until(
            lambda: pod.k.barrier("b").status().waiting + pod.k.semaphore("load").status().waiting == 0,
            "nobody waits any more",
            timeout=1.0,
        )


def test_members_of_a_wait_group_are_added_and_done(pod: Pod, api: Api) -> None:
    pod.k.waitgroup("w").define()
    assert api.post("/v1/waitgroups/w/add", count=2).document["counter"] == 2
    assert api.post("/v1/waitgroups/w/add", member="a").document["counted"] is True
    assert api.post("/v1/waitgroups/w/add", member="a").document["counted"] is False
    assert api.post("/v1/waitgroups/w/wait", timeout="50ms").code == "timeout"
    assert api.post("/v1/waitgroups/w/done", member="a").document["counter"] == 2
    assert api.post("/v1/waitgroups/w/done", count=2).document["phase"] == "Done"
    assert api.post("/v1/waitgroups/w/wait").document["added"] == 3
    below = api.post("/v1/waitgroups/w/done", count=7)
    assert (below.status, below.code) == (409, "below-zero")
    assert api.get("/v1/waitgroups/w").document["phase"] == "Done"


def test_a_gate_is_opened_closed_and_waited_for(pod: Pod, api: Api) -> None:
    pod.k.gate("g").define(["job/migrate"])
    assert api.post("/v1/gates/g/wait", timeout="50ms").code == "timeout"
    assert api.post("/v1/gates/g/open").document["changed"] is True
    assert api.post("/v1/gates/g/wait").document["phase"] == "Open"
    assert api.post("/v1/gates/g/close").document["phase"] == "Closed"
    assert api.post("/v1/gates/g/auto").document["phase"] == "Waiting"
    look(pod.k, "g", migrate="Failed")
    failed = api.post("/v1/gates/g/wait")
    assert (failed.status, failed.code) == (410, "gate-failed")
    assert api.get("/v1/gates/g").document["reason"] == "job/migrate: Failed"


# ---- onces


def test_what_is_done_once_is_begun_by_one_pod_and_completed(pod: Pod, api: Api) -> None:
    pod.k.once("o").define()
    run = api.post("/v1/onces/o/begin", ttl="3s")
    assert (run.status, run.document["kind"], run.document["ttl"]) == (200, "Once", "3s")
    until(lambda: pod.k.once("o").status().counters["renewals"] > 1, "the keeper renews it")
    assert api.post("/v1/onces/o/begin", holder="other").code == "would-block"
    assert api.post("/v1/onces/o/wait", timeout="50ms").code == "timeout"
    assert api.post("/v1/onces/o/renew", ttl="1m").document["ttl"] == "1m"
    assert api.get("/v1/onces/o").document["phase"] == "Running"
    holder = run.document["holder"]
    done = api.post("/v1/onces/o/complete", result="version 7").document
    assert (done["phase"], done["executor"], done["counted"]) == ("Done", holder, True)
    assert api.post("/v1/onces/o/complete", holder=holder).document["counted"] is False
    assert (pod.k.once("o").status().result, api.get("/v1/held").document["held"]) == ("version 7", [])
    assert api.post("/v1/onces/o/wait").document["executor"] == holder
    again = api.post("/v1/onces/o/begin")
    assert (again.status, again.code) == (409, "already-done")


def test_a_run_that_fails_lets_another_run(pod: Pod, api: Api) -> None:
    pod.k.once("o").define()
    api.post("/v1/onces/o/begin", holder="first")
    failed = api.post("/v1/onces/o/fail", reason="no connection").document
    assert (failed["phase"], failed["failedBy"]) == ("Pending", "first")
    assert pod.k.once("o").status().reason == "no connection"
    assert api.post("/v1/onces/o/fail").code == "not-holder"
    assert api.post("/v1/onces/o/begin", holder="second").status == 200


def test_a_keeper_that_starts_again_goes_on_with_a_run(pod: Pod) -> None:
    pod.k.once("o").define()
    keeper = pod.keep("--api", "--no-loopback")
    first = Api(pod.volume)
    first.post("/v1/onces/o/begin", ttl="30s", holder="me")
    keeper.end(signal.SIGKILL)
    first.close()
    (pod.volume / "ready").unlink()
    pod.keep("--api", "--no-loopback")
    second = Api(pod.volume)
    assert second.post("/v1/onces/o/complete").document["executor"] == "me"
    second.close()


# ---- semaphores, leases and locks


def test_permits_are_acquired_renewed_and_released(pod: Pod, api: Api) -> None:
    lease = api.post("/v1/semaphores/gpu/acquire", permits=3, ttl="3s")
    assert (lease.status, lease.document["permits"]) == (200, 3)
    assert lease.document["holder"].startswith("load-1/")
    assert lease.document["token"] == pod.token("gpu")
    before = pod.k.semaphore("gpu").status().counters["renewals"]
    until(lambda: pod.k.semaphore("gpu").status().counters["renewals"] > before + 1, "the keeper renews it")
    assert api.get("/v1/semaphores/gpu").document["inUse"] == 3
    assert api.post("/v1/semaphores/gpu/renew", ttl="30s").document["ttl"] == "30s"
    (held,) = api.get("/v1/held").document["held"]
    assert (held["state"], held["token"]) == ("held", lease.document["token"])
    released = api.post("/v1/semaphores/gpu/release", token=lease.document["token"])
    assert (released.status, released.document["outcome"]) == (200, "released")
    assert in_use(pod, "gpu") == 0
    assert api.post("/v1/semaphores/gpu/release").code == "not-holder"


def test_leases_and_locks_are_held_in_the_same_way(pod: Pod, api: Api) -> None:
    for kind in ("lease", "mutex", "rwmutex"):
        getattr(pod.k, kind)("x").define(ttl="30s")
    assert api.post("/v1/leases/x/acquire").document["kind"] == "Lease"
    mutex = api.post("/v1/mutexes/x/acquire", holder="a").document
    assert "permits" not in mutex
    reading = api.post("/v1/rwmutexes/x/acquire", mode="read")
    assert (reading.status, reading.document["mode"]) == (200, "read")
    assert api.post("/v1/rwmutexes/x/acquire").code == "would-block"
    assert api.get("/v1/rwmutexes/x").document["readers"] == 1
    assert [each["kind"] for each in api.get("/v1/held").document["held"]] == ["Lease", "Mutex", "RWMutex"]
    assert api.post("/v1/mutexes/x/renew", token=mutex["token"]).status == 200
    for plural in ("leases", "mutexes", "rwmutexes"):
        assert api.post(f"/v1/{plural}/x/release").status == 200


def test_a_lease_that_its_program_renews_itself_ends_without_that(pod: Pod, api: Api) -> None:
    assert api.post("/v1/semaphores/load/acquire", ttl="300ms", renew=False).status == 200
    until(lambda: in_use(pod) == 0, "it has ended")
    until(lambda: api.get("/v1/held").document["held"][0]["state"] == "lost", "the API says so")


def test_a_lease_that_ends_under_the_program_is_gone(pod: Pod, api: Api) -> None:
    holder = api.post("/v1/semaphores/load/acquire", ttl="30s").document["holder"]
    pod.k.semaphore("load").force_release(holder)
    assert api.post("/v1/semaphores/load/release").code == "lease-lost"


def test_of_several_leases_the_holder_says_which(pod: Pod, api: Api) -> None:
    for holder in ("a", "b"):
        assert api.post("/v1/semaphores/gpu/acquire", holder=holder).status == 200
    assert api.post("/v1/semaphores/gpu/acquire", holder="b", permits=2).document["permits"] == 2
    unclear = api.post("/v1/semaphores/gpu/release")
    assert (unclear.status, "say which as holder: a, b" in unclear.document["hint"]) == (400, True)
    assert api.post("/v1/semaphores/gpu/release", holder="b").status == 200
    assert in_use(pod, "gpu") == 1


def test_refusals_say_which_they_are(pod: Pod, api: Api) -> None:
    pod.k.semaphore("load").acquire(holder="somebody")
    expected: list[tuple[str, dict[str, Any], int, str]] = [
        ("/v1/semaphores/load/acquire", {}, 409, "would-block"),
        ("/v1/semaphores/load/acquire", {"timeout": "50ms"}, 504, "timeout"),
        ("/v1/semaphores/load/acquire", {"permits": 2}, 422, "impossible"),
        ("/v1/semaphores/none/acquire", {}, 404, "not-found"),
        ("/v1/semaphores/load/renew", {}, 409, "not-holder"),
        ("/v1/barriers/none/arrive", {"timeout": "50ms"}, 404, "not-found"),
    ]
    for path, fields, status, code in expected:
        reply = api.post(path, **fields)
        assert (reply.status, reply.code) == (status, code), path


def test_the_lease_by_annotation_can_be_given_back_early(pod: Pod) -> None:
    assert pod.run("acquire", "semaphore/load=1").code == 0
    pod.keep("--api", "--no-loopback")
    api = Api(pod.volume)
    assert api.post("/v1/semaphores/load/release").status == 200
    assert (pod.grant("load", "state"), in_use(pod)) == ("released", 0)
    api.close()


def test_everything_is_given_back_when_the_pod_ends(pod: Pod, api: Api) -> None:
    api.post("/v1/semaphores/load/acquire")
    api.post("/v1/semaphores/gpu/acquire", permits=2)
    pod.k.barrier("b").define(1)
    with api.open() as client:
        client.sendall(b"POST /v1/barriers/b/wait HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
        until(lambda: pod.k.barrier("b").status().waiting == 1, "it waits")
        (keeper,) = pod.running
        keeper.process.send_signal(signal.SIGTERM)
        assert keeper.over(1.0)
    assert keeper.end().code == 0
    assert (in_use(pod), in_use(pod, "gpu"), pod.k.barrier("b").status().waiting) == (0, 0, 0)


def test_a_restart_of_the_keeper_keeps_what_was_acquired_through_it(pod: Pod, api: Api) -> None:
    token = api.post("/v1/semaphores/load/acquire", ttl="5s").document["token"]
    (keeper,) = pod.running
    keeper.end(signal.SIGKILL)
    (pod.volume / "ready").unlink()
    pod.keep("--api", "--no-loopback")
    again = Api(pod.volume)
    (held,) = again.get("/v1/held").document["held"]
    assert (held["state"], held["token"], pod.token("load")) == ("held", token, token)
    again.close()


# ---- the wire


def test_the_socket_is_open_to_every_user_of_the_pod(wire: Api) -> None:
    assert stat.S_IMODE(os.stat(wire.socket).st_mode) == 0o666  # noqa: PTH116


def test_on_loopback_it_is_the_same(pod: Pod) -> None:
    keeper = pod.keep("--api")
    if any("the API is on its socket only" in line for line in keeper.lines):
        pytest.skip("the port is taken on this machine")
    with socket.create_connection(("127.0.0.1", 9632), 5) as client:
        client.sendall(b"GET /v1/held HTTP/1.0\r\n\r\n")
        assert client.recv(4096).startswith(b"HTTP/1.1 200 OK\r\n")


@pytest.mark.parametrize(
    "body,text",
    [
        (b"{", "the body is not JSON"),
        (b"[" * 60_000, "the body is not JSON"),
        (b"[]", "send a JSON object"),
        (b'{"permits": true}', "permits True is not a whole number"),
        (b'{"permits": 0}', "is out of range"),
        (b'{"permits": 1e400}', "is not a whole number"),
        (b'{"mode": "read"}', "the field 'mode' is unknown"),
        (b'{"ttl": "30"}', "has no unit"),
        (b'{"ttl": ""}', "ttl '' is not a duration"),
        (b'{"holder": ""}', "holder is empty"),
        (b'{"ttl": 30}', "ttl 30 is not text"),
        (b'{"timeout": "6m"}', "too long for one request: use at most 5m"),
        (b'{"renew": "yes"}', "renew 'yes' is neither true nor false"),
        (b'{"permit": 2}', "did you mean permits?"),
        (b'{"holder": "a\\nb"}', "leave out line breaks"),
        (b"\xff", "the body is not JSON"),
    ],
)
def test_a_bad_body_is_one_sentence(wire: Api, body: bytes, text: str) -> None:
    refused = wire.send("POST", "/v1/semaphores/load/acquire", body)
    assert (refused.status, refused.code) == (400, "invalid-input")
    assert text in refused.document["error"]


def test_paths_and_methods_that_are_not_there_are_refused(wire: Api) -> None:
    for method, path, status in [
        ("GET", "/", 404),
        ("GET", "/v1/barriers/", 404),
        ("GET", "/v2/barriers/b", 404),
        ("POST", "/v1/barriers/b/open", 404),
        ("GET", "/v1/barriers/b/arrive", 405),
        ("DELETE", "/v1/semaphores/load", 405),
        ("HEAD", "/v1/held", 405),
        ("GET", "/v1/barriers/UPPER", 400),
        ("GET", "/v1/barriers/b?watch=1", 400),
    ]:
        assert wire.send(method, path, None).status == status, (method, path)


HOST = b"Host: x\r\n"


@pytest.mark.parametrize(
    "data,status",
    [
        (b"\x16\x03\x01\r\n\r\n", b"400"),
        (b"GET\r\n\r\n", b"400"),
        (b"GET /v1/held HTTP/9.9\r\n\r\n", b"400"),
        (b"POST /v1/barriers/b/arrive HTTP/1.1\r\nContent-Length: -1\r\n\r\n", b"400"),
        (b"POST /v1/barriers/b/arrive HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", b"400"),
        (b"POST /v1/barriers/b/arrive HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", b"411"),
        (b"POST /v1/barriers/b/arrive HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n", b"413"),
        (b"GET /v1/held HTTP/1.1\r\nX: " + b"x" * 20_000 + b"\r\n\r\n", b"431"),
        (b"GET /v1/held HTTP/1.1\r\n" + b"X: y\r\n" * 300 + b"\r\n", b"400"),
    ],
)
def test_what_is_not_http_costs_an_error_reply(wire: Api, data: bytes, status: bytes) -> None:
    received = wire.raw(data)
    assert received.split()[1:2] == [status], received
    assert json.loads(received.partition(b"\r\n\r\n")[2]).keys() >= {"code", "error"}
    assert wire.get("/v1/held").status == 200


def test_more_clients_than_there_may_be_are_told_so(pod: Pod, api: Api) -> None:
    clients = [api.open() for _ in range(64)]
    try:
        until(lambda: b"503" in api.raw(b"GET /v1/held HTTP/1.0\r\n\r\n"), "it is full")
    finally:
        for client in clients:
            client.close()
    until(lambda: b"200" in api.raw(b"GET /v1/held HTTP/1.0\r\n\r\n"), "there is room again")


def test_a_client_that_expects_a_word_before_its_body_gets_it(pod: Pod, api: Api) -> None:
    pod.k.barrier("b").define(1)
    with api.open() as client:
        head = b"POST /v1/barriers/b/arrive HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n"
        client.sendall(head + HOST + b"Connection: close\r\n\r\n")
        assert client.recv(4096) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(b"{}")
        assert client.recv(4096).startswith(b"HTTP/1.1 200 OK\r\n")


def test_redis_away_is_503_and_later_it_is_not(fragile: Pod, fragile_server: Server) -> None:
    fragile.keep("--api", "--no-loopback", KONDUCTOR_RETRIES="0")
    api = Api(fragile.volume)
    fragile_server.kill()
    away = api.get("/v1/semaphores/load")
    assert (away.status, away.code, away.headers["retry-after"]) == (503, "unavailable", "1")
    fragile_server.start()
    until(lambda: api.get("/v1/semaphores/load").status == 200, "it answers again")
    api.close()
