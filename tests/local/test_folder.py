"""A run's folder goes with the run, or with a later one if the run was killed."""

from __future__ import annotations

import tempfile
from typing import TYPE_CHECKING

import pytest

from koncli.local.embedded import find_binary
from koncli.local.folder import run_folder
from konductor_core.errors import KonductorError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_a_folder_is_gone_after_its_run(temporary: Path) -> None:
    with run_folder(keep=False) as folder:
        (folder / "x").mkdir()
        assert folder.parent == temporary
    assert list(temporary.iterdir()) == []


def test_a_kept_folder_stays_and_later_runs_leave_it_alone() -> None:
    with run_folder(keep=True) as kept:
        (kept / "x").mkdir()
    with run_folder(keep=False):
        pass
    assert (kept / "x").is_dir()


def test_the_folder_of_a_killed_run_is_swept_and_that_of_a_living_one_is_not(temporary: Path) -> None:
    killed = temporary / "konductor-run-killed"
    (killed / "claims").mkdir(parents=True)
    (killed / "lock").touch()
    foreign = temporary / "konductor-other"
    foreign.mkdir()
    with run_folder(keep=False) as living, run_folder(keep=False):
        assert not killed.exists()
        assert living.exists()
    assert list(temporary.iterdir()) == [foreign]


def test_a_server_of_the_host_is_used_where_the_wheel_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    assert find_binary(lambda name: f"/usr/bin/{name}" if name == "redis-server" else None) == "/usr/bin/redis-server"


def test_without_any_server_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with pytest.raises(KonductorError) as caught:
        find_binary(lambda _name: None)
    assert "konductor[local]" in str(caught.value.hint)
