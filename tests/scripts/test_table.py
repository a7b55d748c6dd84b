"""The script table, the headers of the Lua files, the loader, and what no script may do."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from konductor_core import durations, scripts
from konductor_core.codes import Code
from konductor_core.errors import KonductorError
from konductor_core.scripts import SCRIPTS, source_of
from tests.scripts.bytecode import compile_lua

if TYPE_CHECKING:
    import redis

LUA = Path(scripts.folder())
FILES = sorted(path.relative_to(LUA).as_posix() for path in LUA.rglob("*.lua"))
LINE_LENGTH = 120

# Numbers of 14 digits and more: moments in ms, tokens and epochs in µs, places in a queue.
LARGE = (
    r"(?:NOW|NOW_US|moment|ends|expiry|deadline|ends_at|"
    r"object\.(?:token|calm|watched|expiry_before)|(?:ask|request|old|known)\.(?:seq|since|aged)|"
    r"(?:score_of|moment_for|moment_after|next_moment|next_expiry|deadline|number)\([^()]*\))"
)

FORBIDDEN = {
    "tostring rounds large numbers": r"tostring\((?!ARGV\[i\]\))",
    "'..' rounds large numbers, use text()": rf"(?:\.\.\s*{LARGE}(?![\w.(])|(?<![\w.]){LARGE}\s*\.\.)",
    "cjson rounds large numbers": r"\bcjson\b",
    "fakeredis has no cmsgpack": r"\bcmsgpack\b",
    "fakeredis has no sha1hex": r"sha1hex",
    "fakeredis has no shebang": r"^#!",
    "Redis 7.0 has no TTL on fields": r"\bHP?EXPIRE|\bHP?TTL|\bHPERSIST",
    "no walk over the keyspace": r"call\('(?:KEYS|[SHZ]?SCAN|RANDOMKEY|FLUSH\w+)'",
    "a publish that an ACL forbids must not stop a script": r"(?<!redis\.p)call\('PUBLISH'",
    "the server's clock is read once": r"call\('TIME'\)(?!\n)",
    "a script decides by the server's time alone": r"\bos\.|math\.random",
}


def text_of(file: str) -> str:
    return (LUA / file).read_text(encoding="utf-8")


def code_of(file: str) -> str:
    """Return the file without its comments."""
    return re.sub(r"--.*", "", text_of(file))


def header_of(name: str) -> dict[str, list[str]]:
    """Return the header's lines by their word."""
    found: dict[str, list[str]] = {}
    for word, rest in re.findall(r"^-- ([A-Z]+):[ ]?(.*)$", text_of(f"{name}.lua"), re.MULTILINE):
        found.setdefault(word, []).append(rest)
    return found


# ------------------------------------------------------------------- table


def test_every_script_is_a_file_and_every_file_a_script() -> None:
    assert {path.stem for path in LUA.glob("*.lua")} == set(SCRIPTS)


@pytest.mark.parametrize("name", SCRIPTS)
def test_the_header_of_a_script_says_what_the_table_says(name: str) -> None:
    script, header = SCRIPTS[name], header_of(name)
    assert header["KEYS"] == [script.keys]
    assert header["ARGV"] == [script.args]
    assert tuple(header["REPLY"]) == script.reply
    assert len(header["GUARANTEE"]) == 1
    assert set(header) == {"KEYS", "ARGV", "REPLY", "GUARANTEE"}
    assert script.reply[0].split()[:2] == ["code", "next_change_ms"]


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_starts_with_what_it_is_for(name: str) -> None:
    assert re.match(r"-- [A-Z].+?\.\n-- KEYS:", text_of(f"{name}.lua"), re.DOTALL)


def test_reply_codes_are_the_same_words_in_lua_and_python() -> None:
    codes = dict(re.findall(r"^local ([A-Z_]+) = '([a-z-]+)'$", text_of("lib/codes.lua"), re.MULTILINE))
    assert codes == {code.name: code.value for code in Code}


def test_the_durations_of_the_scripts_are_those_of_the_library() -> None:
    found = dict(re.findall(r"^local ([A-Z_]+) = (\d+)$", source_of("lib/codes"), re.MULTILINE))
    assert found
    assert found == {name: str(getattr(durations, name)) for name in found}


def test_every_script_loads_on_every_server(backend: redis.Redis) -> None:
    for script in SCRIPTS.values():
        backend.script_load(script.source)
        assert backend.script_exists(script.sha) == [True]


# --------------------------------------------------------------- what is in them


@pytest.mark.parametrize("reason", FORBIDDEN)
def test_no_script_does_what_is_forbidden(reason: str) -> None:
    for file in FILES:
        assert not re.findall(FORBIDDEN[reason], code_of(file), re.MULTILINE), f"{file}: {reason}"


@pytest.mark.parametrize(
    "bad",
    [
        "wake(id, 'arm ' .. moment)",
        "wake(id, NOW .. ' ')",
        "local s = 'x' .. object.token",
        "record('seq=' .. request.seq .. ' ')",
        "local s = tostring(NOW)",
        "call('PUBLISH', 'x', 'y')",
        "return cjson.encode(x)",
        "call('SCAN', 0)",
    ],
)
def test_what_is_forbidden_is_found(bad: str) -> None:
    assert any(re.search(pattern, bad, re.MULTILINE) for pattern in FORBIDDEN.values())


@pytest.mark.parametrize(
    "good",
    [
        "wake(id, 'arm ' .. text(until_moment(moment)))",
        "record('seq=' .. text(request.seq))",
        "redis.pcall('PUBLISH', object.meta .. ':state', message)",
        "local key = object.meta .. ':lease:' .. holder",
        "error('got ' .. tostring(ARGV[i]))",
    ],
)
def test_what_is_allowed_is_not_found(good: str) -> None:
    assert not any(re.search(pattern, good, re.MULTILINE) for pattern in FORBIDDEN.values())


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_makes_no_global_and_knows_only_redis_and_plain_lua(name: str) -> None:
    allowed = {"KEYS", "ARGV", "redis", "string", "table", "math", "ipairs", "pairs", "tonumber", "tostring"}
    for function in compile_lua(SCRIPTS[name].source).everything():
        assert function.writes == set()
        assert function.reads <= allowed | {"unpack", "error"}


def test_a_global_is_found() -> None:
    leaky = compile_lua("local a = 1\nlocal function f() b = a; return c end\nreturn f()")
    assert [(each.writes, each.reads) for each in leaky.everything()] == [(set(), set()), ({"b"}, {"c"})]


@pytest.mark.parametrize("name", SCRIPTS)
def test_functions_fit_on_a_screen(name: str) -> None:
    for function in compile_lua(source_of(name)).everything():
        assert function.last_line - function.first_line < 60


def test_lines_are_not_too_long_and_have_no_tabs() -> None:
    for file in FILES:
        for line in text_of(file).splitlines():
            assert len(line) <= LINE_LENGTH, f"{file}: {line}"
            assert line == line.rstrip()
            assert "\t" not in line


def test_every_shared_function_is_used() -> None:
    everything = "".join(map(code_of, FILES))
    for file in FILES:
        for name in re.findall(r"^local function (\w+)", code_of(file), re.MULTILINE):
            assert len(re.findall(rf"\b{name}\b", everything)) > 1, f"{name} in {file} is never called"


# -------------------------------------------------------------------- loader


def write(root: Path, **files: str) -> str:
    for name, content in files.items():
        path = root / f"{name.replace('__', '/')}.lua"
        path.parent.mkdir(exist_ok=True)
        path.write_text(content)
    return str(root)


def body(source: str) -> str:
    """Return the source without the durations in front and without empty lines."""
    return "\n".join(line for line in source.splitlines() if line and not re.match(r"local [A-Z_]+ = \d+$", line))


def test_an_include_is_replaced_by_its_file(tmp_path: Path) -> None:
    root = write(tmp_path, main="--@include lib/a\nreturn A", lib__a="local A = KEYS[1]")
    assert body(source_of("main", root)) == "local A = KEYS[1]\nreturn A"


def test_a_file_is_included_once_where_it_is_first_named(tmp_path: Path) -> None:
    root = write(
        tmp_path,
        main="--@include lib/b\n--@include lib/c\nreturn 1",
        lib__a="local A",
        lib__b="--@include lib/a\nlocal B",
        lib__c="--@include lib/a\nlocal C",
    )
    assert body(source_of("main", root)) == "local A\nlocal B\nlocal C\nreturn 1"


def test_includes_that_run_in_a_circle_are_refused(tmp_path: Path) -> None:
    root = write(tmp_path, main="--@include lib/a", lib__a="--@include lib/b", lib__b="--@include lib/a")
    with pytest.raises(KonductorError, match="circle: main -> lib/a -> lib/b -> lib/a"):
        source_of("main", root)


def test_a_missing_include_is_named(tmp_path: Path) -> None:
    root = write(tmp_path, main="--@include lib/none")
    with pytest.raises(KonductorError, match="lib/none cannot be read: No such file"):
        source_of("main", root)
    with pytest.raises(KonductorError, match="script nothing cannot be read"):
        source_of("nothing", root)


def test_only_a_whole_line_is_an_include(tmp_path: Path) -> None:
    root = write(tmp_path, main="local x = 1 --@include lib/a\n  --@include lib/a\nreturn x")
    assert "lib/a" in body(source_of("main", root))
