from __future__ import annotations

from pathlib import Path

import pytest

from konductor_core import identity
from konductor_core.config import DEFAULT_URL, IN_CLUSTER_URL, Settings
from konductor_core.errors import InvalidInput

BARE = {"HOSTNAME": "host"}


@pytest.fixture(autouse=True)
def _no_service_account(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identity, "SERVICE_ACCOUNT_NAMESPACE", "/nonexistent")


@pytest.fixture
def home(tmp_path: Path) -> dict[str, str]:
    """Return an environment with a home directory, in which `write` puts the config file."""
    return {**BARE, "HOME": str(tmp_path)}


def write(env: dict[str, str], text: str) -> str:
    path = Path(env["HOME"]) / ".config" / "konductor" / "config.toml"
    path.parent.mkdir(parents=True)
    path.write_text(text)
    return str(path)


def test_with_nothing_said_there_are_defaults() -> None:
    assert Settings.load(None, BARE) == Settings(redis_url=DEFAULT_URL, namespace="default", holder="host")


def test_in_a_cluster_redis_is_the_installed_service() -> None:
    assert Settings.load(None, {**BARE, "KUBERNETES_SERVICE_HOST": "10.0.0.1"}).redis_url == IN_CLUSTER_URL


def test_flags_go_before_variables_before_the_file_before_defaults(home: dict[str, str]) -> None:
    write(home, 'redis-url = "redis://file"\nnamespace = "file"\nholder = "file"\nmin-replicas = 3\n')
    env = {**home, "KONDUCTOR_REDIS_URL": "redis://variable", "KONDUCTOR_NAMESPACE": "variable"}
    settings = Settings.load({"redis_url": "redis://flag", "namespace": None}, env)
    assert (settings.redis_url, settings.namespace, settings.holder) == ("redis://flag", "variable", "file")
    assert (settings.min_replicas, settings.retries) == (3, 5)


def test_every_konductor_variable_goes_before_the_file_and_pod_variables_after(home: dict[str, str]) -> None:
    write(home, 'holder = "file"\nnamespace = "file"\n')
    assert Settings.load(None, {**home, "KONDUCTOR_HOLDER_ID": "variable"}).holder == "variable"
    assert Settings.load(None, {**home, "POD_NAME": "pod", "POD_NAMESPACE": "pod"}).namespace == "file"


def test_every_field_can_come_from_a_variable() -> None:
    env = {
        "KONDUCTOR_REDIS_URL": "redis://h",
        "KONDUCTOR_NAMESPACE": "n",
        "KONDUCTOR_HOLDER": "me",
        "KONDUCTOR_REDIS_USERNAME": "u",
        "KONDUCTOR_REDIS_PASSWORD": "p",
        "KONDUCTOR_REDIS_CA": "-----BEGIN",
        "KONDUCTOR_REDIS_CA_FILE": "/ca.pem",
        "KONDUCTOR_MIN_REPLICAS": "2",
        "KONDUCTOR_CONNECT_TIMEOUT": "1s",
        "KONDUCTOR_SOCKET_TIMEOUT": "1m",
        "KONDUCTOR_RETRIES": "0",
        "KONDUCTOR_OUTPUT": "json",
        "KONDUCTOR_LOG_LEVEL": "debug",
        "KONDUCTOR_NO_COLOR": "1",
    }
    assert Settings.load(None, env) == Settings(
        redis_url="redis://h",
        namespace="n",
        holder="me",
        redis_username="u",
        redis_password="p",
        redis_ca="-----BEGIN",
        redis_ca_file="/ca.pem",
        min_replicas=2,
        connect_timeout_ms=1_000,
        socket_timeout_ms=60_000,
        retries=0,
        output="json",
        log_level="debug",
        no_color=True,
    )


def test_the_file_is_where_the_variable_or_xdg_says(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text('namespace = "a"\n')
    (tmp_path / "konductor").mkdir()
    (tmp_path / "konductor" / "config.toml").write_text('namespace = "xdg"\n')
    assert Settings.load(None, {**BARE, "XDG_CONFIG_HOME": str(tmp_path)}).namespace == "xdg"
    env = {**BARE, "XDG_CONFIG_HOME": str(tmp_path), "KONDUCTOR_CONFIG": str(tmp_path / "a.toml")}
    assert Settings.load(None, env).namespace == "a"


@pytest.mark.parametrize(
    "text,problem",
    [
        ("\nnamespace = 'a\nb'", "is not TOML: .*line 2"),
        ("namespase = 'x'", "did you mean namespace"),
        ("zzz = 1", "known are redis-url, namespace"),
        ("namespace = 5", "namespace 5 is not text"),
        ("namespace = 'A'", "namespace 'A' is not valid"),
        ("min-replicas = '2x'", "min-replicas '2x' is not a whole number"),
        ("min-replicas = 2.5", "min-replicas 2.5 is not a whole number"),
        ("retries = -1", "retries -1 is out of range"),
        ("socket-timeout = '0s'", "socket-timeout '0s' is zero"),
        ("socket-timeout = [1]", "not a duration"),
        ("output = 'xml'", "use one of text, wide, json, yaml, name"),
        ("no-color = 3", "neither true nor false"),
        ("redis-url = 'http://x'", "redis-url has the unknown scheme"),
    ],
)
def test_a_bad_config_file_is_refused_by_name(home: dict[str, str], text: str, problem: str) -> None:
    path = write(home, text)
    with pytest.raises(InvalidInput, match=problem) as caught:
        Settings.load(None, home)
    assert path in caught.value.message
    assert "\n" not in caught.value.message


def test_a_config_file_that_was_named_must_exist(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="cannot be read: No such file"):
        Settings.load(None, {**BARE, "KONDUCTOR_CONFIG": str(tmp_path / "none")})
    with pytest.raises(InvalidInput, match="cannot be read: Is a directory"):
        Settings.load(None, {**BARE, "KONDUCTOR_CONFIG": str(tmp_path)})


def test_a_bad_flag_or_variable_is_refused_by_its_name() -> None:
    with pytest.raises(InvalidInput, match=r"^--namespace 'A'"):
        Settings.load({"namespace": "A"}, BARE)
    with pytest.raises(InvalidInput, match=r"^--namespace is empty"):
        Settings.load({"namespace": ""}, BARE)
    with pytest.raises(InvalidInput, match=r"^KONDUCTOR_MIN_REPLICAS '9999999999'"):
        Settings.load(None, {**BARE, "KONDUCTOR_MIN_REPLICAS": "9999999999"})


def test_a_flag_that_is_no_setting_is_a_mistake_of_the_program() -> None:
    with pytest.raises(TypeError, match="colour"):
        Settings.load({"colour": "red"}, BARE)


def test_the_separate_credentials_replace_those_in_the_url() -> None:
    env = {**BARE, "KONDUCTOR_REDIS_URL": "redis://a:b@h", "KONDUCTOR_REDIS_PASSWORD": "c"}
    settings = Settings.load(None, env)
    assert (settings.redis.username, settings.redis.password) == ("a", "c")


def test_no_repr_shows_a_password() -> None:
    settings = Settings.load(None, {**BARE, "KONDUCTOR_REDIS_URL": "redis://:one@h", "KONDUCTOR_REDIS_PASSWORD": "two"})
    shown = repr(settings) + repr(settings.redis)
    assert "one@" not in shown
    assert "two" not in shown
