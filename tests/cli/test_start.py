"""How koncli starts: root options anywhere, only the modules it needs, fast, with completion and help."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from koncli.kinds import KINDS
from koncli.root import ALIASES, COMMANDS, root
from koncli.views import view_of
from konductor_core.identity import Kind

if TYPE_CHECKING:
    from tests.cli.running import Cli

STATUS = ("barrier", "status", "b")


@pytest.mark.parametrize("position", range(4))
def test_root_options_work_at_any_position(cli: Cli, position: int) -> None:
    cli.k.barrier("b").define(1)
    arguments = [*STATUS[:position], "-o", "name", "-n", "etl", "-v", "--no-color", *STATUS[position:]]
    assert cli.ok(*arguments, KONDUCTOR_NAMESPACE="other").out == "barrier/b\n"


def test_a_later_option_wins(cli: Cli) -> None:
    cli.k.barrier("b").define(1)
    assert cli.ok("-o", "json", "barrier", "-o", "yaml", "status", "b", "-o", "name").out == "barrier/b\n"


def test_flags_come_before_variables_and_variables_before_the_file(cli: Cli) -> None:
    cli.k.barrier("b").define(1)
    config = cli.cwd / "config.toml"
    config.write_text('output = "wide"\nnamespace = "of-the-file"\n')
    env = {"KONDUCTOR_CONFIG": str(config), "KONDUCTOR_NAMESPACE": ""}
    assert cli("get", **env).err == "no objects in namespace of-the-file\n"
    env["KONDUCTOR_NAMESPACE"] = "of-the-variable"
    assert cli("get", **env).err == "no objects in namespace of-the-variable\n"
    assert "OWNER" in cli.ok("get", "-n", "etl", **env).out
    assert cli.ok("get", "-n", "etl", KONDUCTOR_OUTPUT="name", **env).out == "barrier/b\n"
    assert "ARRIVED" in cli.ok("get", "-n", "etl", "-o", "text", KONDUCTOR_OUTPUT="name", **env).out


def test_help_is_there_for_every_command_and_has_an_example(cli: Cli) -> None:
    pages = {}
    for name in COMMANDS:
        if name == "local":
            continue
        pages[name] = cli.ok(name, "--help").out
    for kind in KINDS:
        group = root.get_command(None, kind.key)  # type: ignore[arg-type]
        for verb in group.commands:  # type: ignore[union-attr]
            with group.commands[verb].make_context(verb, [], resilient_parsing=True) as ctx:  # type: ignore[union-attr]
                pages[f"{kind.key} {verb}"] = ctx.get_help()
    for name, page in pages.items():
        assert "Usage:" in page
        if name not in {kind.key for kind in KINDS}:
            assert f"  koncli {name}" in page or "completion" in name, name


def test_without_a_command_the_help_is_shown_as_a_usage_error(cli: Cli) -> None:
    for arguments in ((), ("barrier",), ("-o", "json")):
        shown = cli(*arguments)
        assert (shown.code, shown.out) == (64, "")
        assert "Commands:" in shown.err


def test_every_kind_with_a_module_is_a_command_and_no_other_is() -> None:
    assert {kind for kind in Kind if kind.key in COMMANDS} == set(KINDS)
    for kind in KINDS:
        assert view_of(kind).columns
        assert ALIASES[kind.short] == ALIASES[kind.plural] == kind.key


def test_versions_are_told_without_a_server(cli: Cli) -> None:
    versions = cli.ok("version", "-o", "json", KONDUCTOR_REDIS_URL="redis://127.0.0.1:1").json
    assert list(versions) == ["koncli", "python", "redis-py"]
    assert cli.ok("--version").out == f"koncli {versions['koncli']}\n"


@pytest.mark.parametrize(
    "words,completed",
    [
        ("koncli barr", "plain,barrier"),
        ("koncli barrier arr", "plain,arrive"),
        ("koncli barrier arrive ext", "plain,extract-complete"),
        ("koncli barrier wait extract-complete --tim", "plain,--timeout"),
        ("koncli completion z", "plain,zsh"),
    ],
)
def test_words_options_and_names_are_completed(cli: Cli, words: str, completed: str) -> None:
    cli.k.barrier("extract-complete").define(1)
    env = {"_KONCLI_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(len(words.split()) - 1)}
    assert cli(**env).out.splitlines() == [completed]


def test_completion_is_silent_without_a_redis(cli: Cli) -> None:
    env = {"_KONCLI_COMPLETE": "bash_complete", "COMP_WORDS": "koncli barrier wait x", "COMP_CWORD": "3"}
    silent = cli(KONDUCTOR_REDIS_URL="redis://127.0.0.1:1", KONDUCTOR_RETRIES="0", **env)
    assert (silent.out.strip(), silent.err) == ("", "")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_gets_its_script(cli: Cli, shell: str) -> None:
    assert "_KONCLI_COMPLETE" in cli.ok("completion", shell).out


def modules(code: str, cli: Cli) -> set[str]:
    program = f"{code}\nimport sys\nprint('\\n'.join(sys.modules), file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", program], env=cli.env, capture_output=True, text=True, check=True)
    return set(done.stderr.split())


def test_an_arrival_imports_little_beside_redis_and_click(cli: Cli) -> None:
    cli.k.barrier("b").define(1)
    base = modules("import redis, click", cli)
    run = "import sys; sys.argv = 'koncli barrier arrive b'.split(); from koncli.main import main; main()"
    loaded = modules(run, cli)
    more = {name for name in loaded - base if name.partition(".")[0] not in {"koncli", "konductor_core"}}
    assert more <= {"gc", "hmac", "secrets"}
    assert not loaded & {"koncli.semaphore", "koncli.get", "koncli.apply", "konductor_core.manifests"}
