"""How a script is laid out before it is sent: what it leaves out, and where it puts the rest."""

from __future__ import annotations

import re

import pytest

from konductor_core.pruning import pruned
from konductor_core.scripts import SCRIPTS, source_of

UNUSED = """\
local call = redis.call
local function used() -- it says: unused()
  return call('TIME')
end

-- A comment.
local function unused()
  return used()
end
local LIMIT = 5
return used()
"""

EARLY = """\
local A, B = 'a', 'b'
local LIMIT = 500 -- at most
local function late()
  return LIMIT
end
local function only_for_inner()
  return LIMIT
end
local function inner()
  return only_for_inner()
end
if KEYS[1] then
  return A
end
local x = inner()
return late() + x + inner()
"""


def test_what_is_never_used_is_left_out_and_comments_too() -> None:
    assert pruned(UNUSED) == (
        "local call = redis.call\n"
        "local function used() -- it says: unused()\n  return call('TIME')\nend\n"
        "return used()\n"
    )


def test_a_definition_stands_where_it_is_first_needed_and_inside_the_one_function_that_uses_it() -> None:
    assert pruned(EARLY) == (
        "local A, B = 'a', 'b'\n"
        "if KEYS[1] then\n  return A\nend\n"
        "local LIMIT = 500 -- at most\n"
        "local function inner()\n  local function only_for_inner()\n    return LIMIT\n  end\n"
        "  return only_for_inner()\nend\n"
        "local x = inner()\n"
        "local function late()\n  return LIMIT\nend\n"
        "return late() + x + inner()\n"
    )


def test_a_field_or_a_method_of_the_same_name_is_no_use() -> None:
    assert pruned("local function size()\n  return 1\nend\nreturn object.size\n") == "return object.size\n"


def test_state_stays_where_it_stands() -> None:
    state = "local SEEN = {}\nlocal FOUND = false\nif KEYS[1] then\n  return 1\nend\nSEEN[1], FOUND = 1, true\n"
    assert pruned(state) == state


@pytest.mark.parametrize("name", SCRIPTS)
def test_no_constant_of_a_script_is_ever_assigned_again(name: str) -> None:
    source = re.sub(r"--.*", "", source_of(name))
    constants = re.findall(r"^local ([A-Z_]+) = (?:-?\d|'|KEYS|\{.)", source, re.MULTILINE)
    assert len(constants) > 10
    for constant in constants:
        assert len(re.findall(rf"\b{constant} =(?!=)", source)) == 1


@pytest.mark.parametrize("name", SCRIPTS)
def test_every_definition_that_is_left_is_used(name: str) -> None:
    source = re.sub(r"--.*", "", SCRIPTS[name].source)
    for defined in re.findall(r"^ *local function (\w+)", source, re.MULTILINE):
        assert len(re.findall(rf"\b{defined}\b", source)) > 1, f"{defined} is defined for nothing"
