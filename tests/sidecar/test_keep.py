"""The keeper: adopts, renews, loses, gives back, in every state that its pod and Redis may be in."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from sidecar.volume import HELD, Volume, as_grant
from tests.servers import until
from tests.sidecar.running import SIDECAR, UID

if TYPE_CHECKING:
    from tests.servers import Server
    from tests.sidecar.running import Pod

TTL = "2s"
ADOPTED = "5s"
"""A TTL longer than a loaded machine takes to start the keeper, where the token is to stay the same."""


def acquired(pod: Pod, ttl: str = TTL, **amounts: int) -> None:
    """Leave in the volume what the acquire container leaves there."""
    wanted = {f"semaphore/{name}": amount for name, amount in (amounts or {"load": 1}).items()}
    leases = pod.k.acquire_all(wanted, ttl, holder="load-1")
    volume = Volume(str(pod.volume))
    grants = [as_grant(*each) for each in zip(sorted(wanted), leases, strict=True)]
    for grant in grants:
        volume.show(grant, HELD)
    volume.write_grants(grants)


def renewals(pod: Pod, name: str = "load") -> int:
    return pod.k.semaphore(name).status().counters["renewals"]


def is_held(pod: Pod, name: str = "load") -> bool:
    return pod.k.semaphore(name).status().in_use > 0


def test_it_renews_what_was_acquired_under_the_same_token(pod: Pod) -> None:
    acquired(pod, ADOPTED)
    token, end = pod.token("load"), pod.grant("load", "expires-at")
    keeper = pod.keep()
    before = renewals(pod)
    until(lambda: renewals(pod) >= before + 2, "it is renewed again and again")
    assert pod.token("load") == token
    assert pod.grant("load", "state") == "held"
    assert pod.grant("load", "expires-at") > end
    assert pod.run("ready").code == 0
    assert keeper.end(signal.SIGTERM).code == 0


def test_on_term_it_gives_everything_back_within_a_second(pod: Pod) -> None:
    acquired(pod, ttl="30s", load=1, gpu=3)
    keeper = pod.keep()
    keeper.process.send_signal(signal.SIGTERM)
    assert keeper.over(1.0)
    assert keeper.end().code == 0
    assert not is_held(pod)
    assert not is_held(pod, "gpu")
    assert pod.grant("gpu", "state") == "released"
    assert pod.run("ready").code == 1


@pytest.mark.parametrize("delay", [0.03, 0.12, 0.25])
def test_a_term_that_comes_before_it_is_ready_gives_everything_back_too(pod: Pod, delay: float) -> None:
    acquired(pod, ttl="30s")
    keeper = pod.start("keep")
    # Not before Python handles signals at all: until then the kernel ends the process, or as PID 1 keeps it.
    until(lambda: _handles_term(keeper.process.pid), "it handles TERM")
    keeper.over(delay)
    assert keeper.end(signal.SIGTERM).code == 0
    assert not is_held(pod)


def _handles_term(pid: int) -> bool:
    with open(f"/proc/{pid}/status", encoding="ascii") as status:  # noqa: PTH123
        caught = next(line for line in status if line.startswith("SigCgt:"))
    return bool(int(caught.split()[1], 16) >> (signal.SIGTERM - 1) & 1)


def test_its_own_restart_changes_nothing(pod: Pod) -> None:
    acquired(pod, ttl="5s")
    token = pod.token("load")
    pod.keep().end(signal.SIGKILL)
    (pod.volume / "ready").unlink()
    second = pod.keep()
    assert pod.token("load") == token
    before = renewals(pod)
    until(lambda: renewals(pod) > before, "the second one renews")
    assert second.end(signal.SIGTERM).code == 0
    assert not is_held(pod)


def test_it_renews_through_a_restart_of_redis(fragile: Pod, fragile_server: Server) -> None:
    acquired(fragile, ttl="6s")
    token = fragile.token("load")
    keeper = fragile.keep()
    fragile_server.kill()
    keeper.over(2.5)  # longer than a third of the TTL: a renewal has failed
    fragile_server.start()
    until(lambda: fragile.token("load") == token, "Redis is back")
    before = renewals(fragile)
    until(lambda: renewals(fragile) > before, "it is renewed again")
    assert fragile.grant("load", "state") == "held"
    assert keeper.end(signal.SIGTERM).code == 0
    assert not is_held(fragile)


def test_a_keeper_that_starts_while_redis_is_away_goes_on_until_the_lease_ends(
    fragile: Pod, fragile_server: Server
) -> None:
    acquired(fragile, ttl="8s")
    token = fragile.token("load")
    fragile_server.pause()
    keeper = fragile.start("keep", KONDUCTOR_SOCKET_TIMEOUT="500ms", KONDUCTOR_RETRIES="0")
    keeper.said("trying on until the lease ends")
    fragile_server.resume()
    before = renewals(fragile)
    until(lambda: renewals(fragile) > before, "it is renewed")
    assert fragile.token("load") == token


def test_redis_says_that_the_lease_is_lost(pod: Pod) -> None:
    acquired(pod, ADOPTED)
    token = pod.token("load")
    keeper = pod.keep()
    pod.k.semaphore("load").force_release("load-1")
    keeper.said("semaphore/load: the lease of load-1 is lost: Redis says that it has ended or was given to another")
    until(lambda: pod.grant("load", "state") == "lost", "the pod's containers can read it")
    until(lambda: pod.k.semaphore("load").events()[-1].type == "lost", "the history has it")
    event = pod.k.semaphore("load").events()[-1]
    assert (event.holder, event.token) == ("load-1", token)
    assert UID in (event.detail or "")
    assert keeper.process.poll() is None  # the pod's containers go on, and it with them
    assert keeper.end(signal.SIGTERM).code == 0
    assert pod.grant("load", "state") == "lost"


def test_a_lease_that_could_not_be_renewed_in_time_is_lost_and_reported_once_redis_is_back(
    fragile: Pod, fragile_server: Server
) -> None:
    acquired(fragile)
    keeper = fragile.keep(KONDUCTOR_SOCKET_TIMEOUT="500ms")
    fragile_server.pause()
    keeper.said("is lost: its TTL passed before it could be renewed")
    assert fragile.grant("load", "state") == "lost"
    fragile_server.resume()
    until(lambda: fragile.k.semaphore("load").events()[-1].type == "lost", "the history has it")
    # A restart of the keeper does not bring it back.
    keeper.end(signal.SIGKILL)
    (fragile.volume / "ready").unlink()
    fragile.keep()
    assert fragile.grant("load", "state") == "lost"
    assert not is_held(fragile), "a renewal that came too late was given back"


def test_a_stopped_keeper_notices_the_loss_before_it_renews(pod: Pod) -> None:
    acquired(pod)
    keeper = pod.keep()
    keeper.process.send_signal(signal.SIGSTOP)
    until(lambda: not is_held(pod), "the lease has ended")
    other = pod.k.semaphore("load").acquire(holder="another", ttl="30s")
    before = renewals(pod)
    keeper.process.send_signal(signal.SIGCONT)
    keeper.said("is lost: its TTL passed before it could be renewed")
    assert pod.grant("load", "state") == "lost"
    assert renewals(pod) == before
    assert keeper.end(signal.SIGTERM).code == 0
    assert pod.token("load") == other.token


def test_a_term_while_redis_hangs_is_not_waited_for_long(fragile: Pod, fragile_server: Server) -> None:
    acquired(fragile)
    keeper = fragile.keep()
    fragile_server.pause()
    keeper.process.send_signal(signal.SIGTERM)
    assert keeper.over(4.0)
    assert "could not be released" in keeper.end().err
    fragile_server.resume()
    until(lambda: not is_held(fragile), "the TTL has freed it")


def test_a_grant_that_ends_before_the_pods_containers_began_is_acquired_anew(pod: Pod) -> None:
    acquired(pod)
    token = pod.token("load")
    until(lambda: not is_held(pod), "it has ended")
    keeper = pod.keep()
    assert "acquiring it again" in keeper.said("ended before the pod's own containers began")
    assert pod.grant("load", "token") == str(pod.token("load")) != str(token)
    assert pod.grant("load", "state") == "held"


def test_a_term_while_it_acquires_anew_leaves_nothing_behind(pod: Pod) -> None:
    acquired(pod, ttl="200ms")
    until(lambda: not is_held(pod), "it has ended")
    pod.k.semaphore("load").acquire(holder="another")
    keeper = pod.start("keep")
    until(lambda: pod.k.semaphore("load").status().waiting == 1, "it waits")
    keeper.process.send_signal(signal.SIGTERM)
    assert keeper.over(1.0)
    status = pod.k.semaphore("load").status()
    assert (keeper.end().code, status.waiting, status.holders[0].holder) == (0, 0, "another")


def test_a_loss_that_nobody_heard_of_is_reported_by_the_next_keeper(fragile: Pod, fragile_server: Server) -> None:
    acquired(fragile)
    keeper = fragile.keep(KONDUCTOR_SOCKET_TIMEOUT="300ms")
    fragile_server.pause()
    keeper.said("is lost")
    keeper.end(signal.SIGKILL)
    fragile_server.resume()
    (fragile.volume / "ready").unlink()
    fragile.keep()
    until(lambda: fragile.k.semaphore("load").events()[-1].type == "lost", "the history has it")


def test_a_lease_without_an_end_is_kept_and_given_back(pod: Pod) -> None:
    pod.k.semaphore("load").define(permits=1, ttl="0")
    assert pod.run("acquire", "semaphore/load=1").code == 0
    assert pod.grant("load", "expires-at") == "never"
    keeper = pod.keep()
    assert is_held(pod)
    assert keeper.end(signal.SIGTERM).code == 0
    assert not is_held(pod)


def test_a_lost_lease_ends_the_processes_of_the_pod_and_no_other(pod: Pod) -> None:
    acquired(pod)
    keeper = pod.keep("--on-lost", "signal")
    quiet = [sys.executable, "-c", "import signal; signal.pause()"]
    app = subprocess.Popen(quiet, env=pod.env)
    stranger = subprocess.Popen(quiet, env=pod.env | {"POD_UID": "another"})
    try:
        until(lambda: _has_begun(app.pid) and _has_begun(stranger.pid), "both run")
        pod.k.semaphore("load").force_release("load-1")
        keeper.said("sent TERM to 1 of the pod's processes")
        assert app.wait(5.0) == -signal.SIGTERM
        assert (stranger.poll(), keeper.process.poll()) == (None, None)
    finally:
        for each in (app, stranger):
            each.kill()
            each.wait()


def _has_begun(pid: int) -> bool:
    with open(f"/proc/{pid}/cmdline", "rb") as cmdline:  # noqa: PTH123
        return b"pause" in cmdline.read()


def test_without_a_grant_it_has_nothing_to_do_and_says_so(pod: Pod) -> None:
    keeper = pod.keep()
    keeper.said("keeping nothing yet")
    assert keeper.end(signal.SIGTERM).code == 0


def test_a_grants_file_that_nobody_can_read_is_no_grant(pod: Pod) -> None:
    (pod.volume / "leases.json").write_text(json.dumps([{"object": "semaphore/load"}]))
    pod.keep().said("keeping nothing yet")


def test_the_probe_costs_little(pod: Pod) -> None:
    trace = [sys.executable, "-X", "importtime", "-m", "sidecar.main", "ready"]
    done = subprocess.run(
        trace, env=pod.env | {"PYTHONPATH": str(Path.cwd())}, capture_output=True, text=True, check=False
    )
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert done.returncode == 1
    assert not imported & {"click", "redis", "asyncio", "pathlib"}


def test_as_the_first_process_of_a_container_it_collects_orphans_and_ends_on_term(pod: Pod) -> None:
    unshare = ["unshare", "--user", "--map-root-user", "--pid", "--fork", "--kill-child", "--mount-proc"]
    if subprocess.run([*unshare, "true"], check=False, capture_output=True).returncode:
        pytest.skip("this system allows no PID namespaces")
    acquired(pod)
    outer = subprocess.Popen([*unshare, SIDECAR, "keep"], env=pod.env, stderr=subprocess.DEVNULL)
    try:
        until((pod.volume / "ready").exists, "the keeper is ready")
        (first,) = _children(outer.pid)
        enter = ["nsenter", "--target", str(first), "--user", "--preserve-credentials", "--pid", "--mount"]
        subprocess.run([*enter, "sh", "-c", "sleep 1 & exit"], check=True)
        until(lambda: _children(first), "the orphan is the keeper's")
        until(lambda: not _children(first), "the keeper has collected it")
        os.kill(first, signal.SIGTERM)
        assert outer.wait(5.0) == 0
        assert not is_held(pod)
    finally:
        outer.kill()
        outer.wait()


def _children(pid: int) -> list[int]:
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii")
    return [int(each) for each in found.split()]
