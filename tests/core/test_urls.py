from __future__ import annotations

from typing import Any

import pytest

from konductor_core.errors import InvalidInput
from konductor_core.urls import SCHEMES, parse_redis_url, with_user


@pytest.mark.parametrize(
    "url,parts",
    [
        ("redis://localhost", {"topology": "standalone", "tls": False, "hosts": (("localhost", 6379),), "db": 0}),
        ("REDIS://h:1/3", {"hosts": (("h", 1),), "db": 3}),
        ("redis://h?db=4", {"hosts": (("h", 6379),), "db": 4, "options": {}}),
        ("redis://u:p%40%2F@h/", {"username": "u", "password": "p@/", "db": 0}),
        ("rediss://:pw@h", {"tls": True, "username": None, "password": "pw"}),
        ("redis://u@h", {"username": "u", "password": None}),
        ("redis://[::1]:7", {"hosts": (("::1", 7),)}),
        ("redis://[::1]", {"hosts": (("::1", 6379),)}),
        ("rediss://h?ssl_ca_certs=/ca.pem", {"options": {"ssl_ca_certs": "/ca.pem"}}),
        ("unix:///run/x.sock?db=2", {"topology": "unix", "path": "/run/x.sock", "hosts": (), "db": 2}),
        ("unix://:pw@/run/a%20b.sock", {"path": "/run/a b.sock", "password": "pw"}),
        (
            "redis+sentinel://a,b:2/main/1",
            {"topology": "sentinel", "hosts": (("a", 26379), ("b", 2)), "service": "main", "db": 1},
        ),
        ("redis+cluster://a:1,[::1]:2", {"topology": "cluster", "hosts": (("a", 1), ("::1", 2)), "tls": False}),
        ("rediss+cluster://a", {"topology": "cluster", "tls": True}),
        ("rediss+sentinel://a/m", {"topology": "sentinel", "tls": True}),
    ],
)
def test_a_url_is_taken_apart(url: str, parts: dict[str, Any]) -> None:
    parsed = parse_redis_url(url)
    assert {name: getattr(parsed, name) for name in parts} == parts


@pytest.mark.parametrize(
    "url,problem",
    [
        ("", "no scheme"),
        ("localhost:6379", "no scheme"),
        ("http://h", "unknown scheme 'http'"),
        ("redis://", "names no host"),
        ("redis://:6379", "names no host"),
        ("redis://h:0", "port"),
        ("redis://h:65536", "port"),
        ("redis://h:x", "port"),
        ("redis://h:٣", "port"),
        ("redis://[::1", "port|host"),
        ("redis://[::1]x", "malformed host"),
        ("redis://h/x", "database"),
        ("redis://h/-1", "database"),
        ("redis://h/99999999", "database"),
        ("redis://h/0/1", "too much"),
        ("redis://a,b", "several hosts"),
        ("redis://h?ssl_ca_cert=1", "did you mean ssl_ca_certs"),
        ("redis://h?zzz=1", "known are client_name"),
        ("redis+sentinel://a", "names no service"),
        ("redis+cluster://a/1", "too much"),
        ("redis+cluster://a?db=1", "a cluster does not"),
        ("unix://tmp/x", "has a host"),
        ("unix://", "names no socket"),
        ("redis://a b", "space or control"),
        ("redis://a\nb", "space or control"),
    ],
)
def test_a_wrong_url_is_refused_with_the_reason(url: str, problem: str) -> None:
    with pytest.raises(InvalidInput, match=problem) as caught:
        parse_redis_url(url, "--redis-url")
    assert caught.value.message.startswith("--redis-url ")


@pytest.mark.parametrize(
    "url",
    [
        "redis://user:secret/x@h",
        "redis://:secret/x@h:1/0",
        "redis://u/secret@h",
        "redis://:secret?x@h",
        "redis://:x?secret@h",
        "redis://:x?secret=1@h",
        "redis://secret:x:y@h:z",
        "redis://:se cret@h",
        "redis://h:secret",
    ],
)
def test_no_message_shows_a_password(url: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_redis_url(url)
    assert "secret" not in caught.value.message


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_url_is_displayed_without_its_credentials(scheme: str) -> None:
    tail = {"unix": "/x.sock", "redis+sentinel": "h/main/2", "rediss+sentinel": "h/main/2"}.get(scheme, "h")
    parsed = parse_redis_url(f"{scheme}://user:secret@{tail}?client_name=secret")
    assert parsed.display.startswith(f"{scheme}://{tail.partition('/')[0]}")
    assert "secret" not in parsed.display + repr(parsed).replace("'client_name': 'secret'", "")
    if not parsed.options.get("client_name"):
        pytest.fail("the option was lost")


def test_what_is_displayed_names_the_same_place() -> None:
    for url in ("redis://[::1]:7/2", "unix:///x.sock", "redis+sentinel://a:1,b:2/main/3", "rediss+cluster://a:1,b:2"):
        assert parse_redis_url(url).display == url


@pytest.mark.parametrize(
    "url",
    [
        "redis://h:1/3",
        "rediss://u:p%40@[::1]:7?ssl_min_version=TLSv1_3&socket_timeout=2.5",
        "unix://:pw@/run/a%20b.sock?db=2",
        "redis+sentinel://u:p@a:1,b:2/service/4",
        "rediss+cluster://a:1,b:2",
    ],
)
def test_another_user_changes_nothing_else(url: str) -> None:
    before, after = parse_redis_url(url), parse_redis_url(with_user(url, "kon/ductor", "p@ss:w/rd?"))
    assert (after.username, after.password) == ("kon/ductor", "p@ss:w/rd?")
    assert (after.display, after.options, after.hosts, after.db) == (
        before.display,
        before.options,
        before.hosts,
        before.db,
    )


def test_another_user_is_not_told_of_files_of_this_machine() -> None:
    url = with_user("rediss://h?ssl_ca_certs=/ca.pem&ssl_check_hostname=false&ssl_keyfile=/key", "u", "p")
    assert url == "rediss://u:p@h?ssl_check_hostname=false"
