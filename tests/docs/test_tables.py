"""Tables of the pages name what the code has, no less and no more."""

from __future__ import annotations

import re
from dataclasses import fields

from konductor_core import errors, keys
from konductor_core.config import DEFAULT_URL, IN_CLUSTER_URL, Settings
from konductor_core.durations import to_text
from konductor_core.errors import KonductorError
from tests.docs.blocks import ROOT

LIBRARY = (ROOT / "docs/library.md").read_text(encoding="utf-8")
REDIS = (ROOT / "docs/redis.md").read_text(encoding="utf-8")
LUA = "\n".join(path.read_text(encoding="utf-8") for path in sorted((ROOT / "lua").rglob("*.lua")))


def rows(text: str, heading: str) -> list[list[str]]:
    """Return the cells of every table row of a section, without headers."""
    section = text.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    found = [re.split(r"(?<!\\) \| ", line.strip("| ")) for line in section.splitlines() if line.startswith("| `")]
    assert found, f"no table below {heading}"
    return found


def words(cell: str) -> list[str]:
    """Return what stands in backquotes."""
    return re.findall(r"`([^`]+)`", cell)


def test_the_errors_are_all_there_with_their_exit_codes() -> None:
    shown = {words(row[0])[0]: int(row[1]) for row in rows(LIBRARY, "Errors")}
    classes = [each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, KonductorError)]
    assert shown == {each.__name__: each.exit_code for each in classes if each is not KonductorError}


def test_the_settings_are_all_there_with_their_variables_and_defaults() -> None:
    shown = {words(row[0])[0]: (words(row[1]), row[2]) for row in rows(LIBRARY, "Settings")}
    dashed = {each.name.removesuffix("_ms").replace("_", "-"): each for each in fields(Settings)}
    assert {name: tuple(variables) for name, (variables, _) in shown.items()} == {
        name: each.metadata["variables"] for name, each in dashed.items()
    }
    for name, each in dashed.items():
        if isinstance(each.default, (int, str)) and not isinstance(each.default, bool):
            default = to_text(each.default) if each.name.endswith("_ms") else str(each.default)  # type: ignore[arg-type]
            assert f"`{default}`" in shown[name][1], name
    assert f"`{DEFAULT_URL}`; inside a cluster `{IN_CLUSTER_URL}`" in shown["redis-url"][1]


def test_every_key_of_the_layout_is_on_the_page_and_no_other() -> None:
    shown = [words(row[0])[0] for row in rows(REDIS, "Keys")]
    documented = re.findall(
        r"^    (konductor:\S+|o\S*) +(?:set|zset|string|hash|list|channel|stream) ", keys.__doc__ or "", re.MULTILINE
    )
    assert shown == documented


def test_the_fields_of_hashes_are_those_of_the_layout() -> None:
    layout = " ".join((keys.__doc__ or "").split())
    for row in rows(REDIS, "Keys"):
        for listed in words(row[2]) if row[1] == "hash" else ():
            assert listed.removesuffix(" calm") in layout, f"{row[0]}: {listed}"


def test_the_page_names_every_kind_of_event_that_scripts_record() -> None:
    shown = {word for row in rows(REDIS, "What happened") for word in words(row[0])}
    literal = set(re.findall(r"record\(\w+, '([a-z-]+)'", LUA)) | set(re.findall(r"write\('([a-z]+)'", LUA))
    by_argument = {"released", "force-released", "timeout", "cancelled"}
    assert shown == literal | by_argument
