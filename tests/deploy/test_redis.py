"""The Redis of the chart, run from the very files that its pod gets."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest
import redis

from konductor_core import acl
from tests.deploy.rendering import named, render
from tests.servers import executable, free_port, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Pod:
    """Redis as its pod runs it, with a folder in place of the volume."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, password: str) -> None:
        """Run the init container, then the server, with that password in the Secret."""
        files = named(render(), "ConfigMap", "konductor-redis")["data"]
        script = files["users.sh"].replace("/data/", f"{self.data}/")
        subprocess.run(["sh", "-c", script], env={"REDISCLI_AUTH": password, "PATH": "/usr/bin:/bin"}, check=True)
        config = self.data / "redis.conf"
        text = files["redis.conf"].replace("/data", str(self.data)).replace("port 6379", f"port {self.port}")
        config.write_text(text, encoding="utf-8")
        self._process = subprocess.Popen([executable("redis"), str(config)], stdout=subprocess.DEVNULL)
        until(lambda: self._answers(password), "Redis answers")

    def client(self, user: str, password: str) -> redis.Redis:
        return redis.Redis(port=self.port, username=user, password=password, decode_responses=True)

    def _answers(self, password: str) -> bool:
        try:
            with self.client("default", password) as client:
                return bool(client.ping())
        except redis.ConnectionError:
            return False

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait()


@pytest.fixture
def pod(redis_server: object, tmp_path: Path) -> Iterator[Pod]:  # without Redis, that fixture skips
    made = Pod(tmp_path)
    yield made
    made.stop()


def test_it_starts_from_nothing_and_asks_for_the_password_of_the_secret(pod: Pod) -> None:
    pod.start("first")
    with pod.client("default", "wrong") as client, pytest.raises(redis.AuthenticationError):
        client.ping()


def test_it_keeps_what_it_holds_and_its_users_when_the_pod_and_the_password_are_new(pod: Pod) -> None:
    pod.start("first")
    with pod.client("default", "first") as admin:
        admin.execute_command("ACL", "SETUSER", "team-a", "on", ">secret", *acl.tenant("team-a"))
        admin.execute_command("ACL", "SAVE")
        admin.set("konductor:{team-a}:index", "kept")
    pod.stop()
    pod.start("second")
    with pod.client("team-a", "secret") as tenant:
        assert tenant.get("konductor:{team-a}:index") == "kept"
    with pod.client("default", "first") as client, pytest.raises(redis.AuthenticationError):
        client.ping()


def test_the_password_is_on_the_volume_only_as_a_hash_that_nobody_else_can_read(pod: Pod) -> None:
    pod.start("first")
    file = pod.data / "users.acl"
    assert "first" not in file.read_text(encoding="utf-8")
    assert file.stat().st_mode & 0o077 == 0


def test_a_full_redis_refuses_to_write_instead_of_forgetting(pod: Pod) -> None:
    pod.start("first")
    with pod.client("default", "first") as admin:
        assert admin.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
        assert admin.config_get("appendonly") == {"appendonly": "yes"}
