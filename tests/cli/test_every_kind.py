"""What works on every kind: status, get and watch in every form, with the names that the definitions have."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from koncli.kinds import KINDS
from konductor_core.identity import Kind
from konductor_core.models import SPECS
from konductor_core.schema import LEFT_OUT, crds

if TYPE_CHECKING:
    from tests.cli.running import Cli, Result

NEEDED: dict[Kind, dict[str, int]] = {Kind.SEMAPHORE: {"permits": 2}, Kind.BARRIER: {"expected": 3}}
"""What a spec of the kind cannot do without."""


@pytest.fixture
def every(cli: Cli) -> Cli:
    """Koncli beside an object `x` of every kind, at which something has happened already."""
    for kind in KINDS:
        getattr(cli.k, kind.key)("x").define_spec(SPECS[kind].from_dict(NEEDED.get(kind, {})), labels={"stage": "load"})
    cli.k.semaphore("x").acquire(holder="h")
    cli.k.lease("x").acquire(holder="h")
    cli.k.mutex("x").lock(holder="h")
    cli.k.rwmutex("x").read(holder="h")
    cli.k.once("x").begin(holder="h")
    cli.k.barrier("x").arrive("h")
    cli.k.waitgroup("x").add("h")
    return cli


def of_each(cli: Cli, line: str) -> dict[Kind, Result]:
    """What a line prints for each kind, whose name takes the place of KIND."""
    done = dict(zip(KINDS, cli.lines([line.replace("KIND", kind.key) for kind in KINDS]), strict=True))
    assert all(result.code == 0 for result in done.values()), done
    return done


def properties(kind: Kind) -> tuple[dict[str, Any], dict[str, Any]]:
    """The properties of a kind's spec and status as its definition has them."""
    (definition,) = (each for each in crds().values() if each["spec"]["names"]["kind"] == str(kind))
    schema = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]
    return schema["spec"]["properties"], schema["status"]["properties"]


def assert_described(document: Any, schemas: dict[str, Any]) -> None:
    """Every field of the document, at any depth, is a property of that name."""
    for name, value in document.items():
        assert name in schemas, name
        if isinstance(value, list) and value and isinstance(value[0], dict):
            assert_described(value[0], schemas[name]["items"]["properties"])


def test_status_has_the_names_of_the_definition_in_json_and_yaml(every: Cli) -> None:
    as_json = of_each(every, "KIND status x -o json")
    as_yaml = of_each(every, "status KIND x -o yaml")
    for kind in KINDS:
        document = as_json[kind].json
        assert (document["kind"], document["name"], document["namespace"]) == (str(kind), "x", "etl")
        assert yaml.safe_load(as_yaml[kind].out).keys() == document.keys()
        spec, status = properties(kind)
        fields = {name: value for name, value in document.items() if name not in LEFT_OUT | {"kind"}}
        assert_described(fields, spec | status)


def test_status_is_a_page_for_people(every: Cli) -> None:
    for kind, shown in of_each(every, "KIND status x").items():
        phase = getattr(every.k, kind.key)("x").status().phase
        lines = [line.split() for line in shown.out.splitlines()]
        assert lines[:2] == [[f"{kind}:", "etl/x"], ["Phase:", phase]], shown.out


def test_all_are_listed_in_every_form(every: Cli) -> None:
    refs = [f"{kind.key}/x" for kind in KINDS]
    assert every.ok("get", "-o", "name").out.split() == refs
    wide = every.ok("get", "-o", "wide").out
    assert wide.count("stage=load") == len(KINDS)
    for form in (json.loads, yaml.safe_load):
        items = form(every.ok("get", "-o", form.__module__.partition(".")[0]).out)["items"]
        assert [each["kind"] for each in items] == [str(kind) for kind in KINDS]
        for kind, each in zip(KINDS, items, strict=True):
            spec, status = properties(kind)
            assert_described(each["spec"], spec)
            assert_described(each["status"], status | {"owner": {}, "observedAt": {}})


def test_a_change_of_any_kind_is_seen_as_it_comes(every: Cli) -> None:
    """`watch` prints it, and `status --wait-for-update` ends with it."""
    watching = {kind: every.start(kind.key, "watch", "x", "-o", "json") for kind in KINDS}
    waiting = {kind: every.start("status", kind.key, "x", "--wait-for-update", "-o", "json") for kind in KINDS}
    for kind in KINDS:
        handle = getattr(every.k, kind.key)("x")
        watching[kind].said(handle.status().epoch)
        while not waiting[kind].over(0.1):
            handle.reset()  # again, as long as it does not listen yet
        assert waiting[kind].end().json["kind"] == str(kind)
        watching[kind].said(handle.status().epoch)
