"""Without mounts, mount paths are replaced as whole prefixes and nowhere else."""

from __future__ import annotations

import pytest

from koncli.local.rewrite import Rewriter

REAL = {"/data": "/run/claim", "/data/cache": "/run/cache", "/etc/app": "/run/app"}


@pytest.mark.parametrize(
    "text,wanted",
    [
        ("/data", "/run/claim"),
        ("/data/", "/run/claim/"),
        ("/data/x.json", "/run/claim/x.json"),
        ("/data/cache/x", "/run/cache/x"),
        ("/data/cached", "/run/claim/cached"),
        ("--out=/data/x", "--out=/run/claim/x"),
        ("a:/data:/etc/app", "a:/run/claim:/run/app"),
        ("file:///data/x", "file:///run/claim/x"),
        ("cat '/data/x' \"/data/y\"", "cat '/run/claim/x' \"/run/claim/y\""),
        ("load </data/in >/data/out", "load </run/claim/in >/run/claim/out"),
        ("It is in /data.", "It is in /run/claim."),
        ("$(ls /data)", "$(ls /run/claim)"),
        ("cd /data; ls\ncat /data/x", "cd /run/claim; ls\ncat /run/claim/x"),
    ],
)
def test_a_mount_path_is_replaced_wherever_it_is_a_whole_prefix(text: str, wanted: str) -> None:
    assert Rewriter(REAL)(text) == wanted


@pytest.mark.parametrize(
    "text",
    [
        "/database",
        "/data-old/x",
        "/data.json",
        "/mnt/data/x",
        "./data",
        "../data/x",
        "$HOME/data",
        "${OUT}/data",
        '"$OUT"/data',
        "'x'/data",
        "$(pwd)/data",
        "~/data",
        "user@host/data",
        "data/x",
    ],
)
def test_what_only_looks_like_a_mount_path_is_left_alone(text: str) -> None:
    rewriter = Rewriter(REAL)
    assert rewriter(text) == text
    assert rewriter.used == set()


def test_it_remembers_which_paths_it_found() -> None:
    rewriter = Rewriter(REAL)
    rewriter("cp /data/x /data/cache/y")
    assert rewriter.used == {"/data", "/data/cache"}


def test_without_mounts_nothing_is_touched() -> None:
    assert Rewriter({})("/data") == "/data"
