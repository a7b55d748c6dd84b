"""docs/cli.md has every command, and its examples work."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import pytest

from koncli.root import root
from konductor_core.client import Konductor
from tests.docs.blocks import ROOT, blocks
from tools.generate import rendered

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.docs.conftest import Runner

RUN_ELSEWHERE = "koncli local run examples/etl-pipeline"
"""What `make demo` of the README runs."""

SURROUNDINGS = {
    "jobs.yaml": """
apiVersion: batch/v1
kind: Job
metadata: {name: hello}
spec:
  template:
    spec:
      restartPolicy: Never
      containers: [{name: hello, image: any, command: [greet]}]
""",
    "bin/greet": "#!/bin/sh\necho hello\n",
    "bin/curl": "#!/bin/sh\necho got $2\n",
    "migrate.sh": "#!/bin/sh\necho migrated $1\n",
    "scheduler": "#!/bin/sh\necho scheduling\n",
    "load.sh": "#!/bin/sh\necho loaded $1\n",
}
"""Files and programs that the examples are about."""


def commands(group: click.Group = root, path: str = "koncli") -> Iterator[tuple[str, click.Command]]:
    """Yield every command that is not a group, with its words."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from commands(command, f"{path} {name}")
        else:
            yield f"{path} {name}", command


def examples() -> dict[str, list[str]]:
    """Return the command lines of docs/cli.md that are no usage lines, by the second word of each."""
    shown = [command.text for block in blocks("docs/cli.md") for command in block.commands()]
    found: dict[str, list[str]] = {}
    for text in shown:
        if "[OPTIONS]" not in text and text != RUN_ELSEWHERE:
            found.setdefault(text.split()[1], []).append(text)
    return found


def test_the_reference_is_what_the_commands_say() -> None:
    for path, text in rendered().items():
        assert (ROOT / path).read_text(encoding="utf-8") == text, f"{path} is out of date: run make generate"


@pytest.mark.parametrize("path, command", [pytest.param(*each, id=each[0]) for each in commands()])
def test_every_command_is_documented_with_an_example(path: str, command: click.Command) -> None:
    assert command.help
    assert f"\n### {path}\n" in _reference() or f"\n## {path}\n" in _reference()
    example: Any = getattr(command, "example", "")
    assert path in example or f"status {path.split()[1]}" in example, f"{path} has no example of itself"


def _reference() -> str:
    return (ROOT / "docs/cli.md").read_text(encoding="utf-8")


def test_the_demo_is_the_example_of_a_local_run() -> None:
    assert RUN_ELSEWHERE.removeprefix("koncli ") in (ROOT / "Makefile").read_text(encoding="utf-8")


@pytest.mark.parametrize("about", examples())
def test_the_examples_of_the_reference_work(pages: Runner, about: str) -> None:
    shell = pages.shell
    for path, text in SURROUNDINGS.items():
        file = Path.cwd() / path
        file.parent.mkdir(exist_ok=True)
        file.write_text(text, encoding="utf-8")
        file.chmod(0o755)
    shell.run("cp examples/etl-pipeline/barriers.yaml .; PATH=$PWD/bin:$PATH")
    with Konductor() as k:
        for example in examples()[about]:
            _prepare(k, example)
            command, wanted = _with_an_end(example)
            printed = shell.run(command)
            code = shell.run("echo $?")
            assert code == [str(wanted)], f"$ {example}: exit code {code}, {printed}"
            assert printed or example.startswith("source"), f"$ {example} printed nothing"


def _prepare(k: Konductor, example: str) -> None:
    """Make what the example is about, as if nothing had happened yet."""
    labels = {"pipeline": "etl-demo"}
    _prepare_locks(k, example, labels)
    _prepare_gates(k, example, labels)
    for name in ("extract-complete", "my-barrier"):
        k.barrier(name).define(expected=1, labels=labels)
        k.barrier(name).arrive("a")
    for name in ("schema-migration", "my-once"):
        once = k.once(name)
        once.define(ttl="1m", labels=labels)
        once.reset()
        if not re.search(r" once (run|begin) ", example):
            run = once.begin(holder="laptop")
            if not re.search(r" once (renew|complete|fail) ", example):
                run.complete("version 7")
    for name in ("workers", "my-waitgroup"):
        group = k.waitgroup(name)
        group.define(labels=labels)
        if "wait workers" not in example:
            group.add("loader-1")
            group.add(count=4)
        else:
            group.reset()
            group.add()
            group.done()
    for name in ("load-concurrency", "my-semaphore", *re.findall(r"--semaphore ([a-z-]+)", example)):
        semaphore = k.semaphore(name)
        semaphore.define(permits=4, labels=labels)
        semaphore.reset()
        for holder in ("laptop", "worker-7") if "koncli acquire" not in example else ():
            semaphore.acquire(holder=holder)


def _prepare_gates(k: Konductor, example: str, labels: dict[str, str]) -> None:
    """Make the gates that the example is about: open where it waits for that."""
    for name in ("ready-to-load", "my-gate"):
        gate = k.gate(name)
        gate.define(labels=labels)
        gate.reset()
        if " gate wait " in example:
            gate.open()


def _prepare_locks(k: Konductor, example: str, labels: dict[str, str]) -> None:
    """Make the leases and locks that the example is about: held where it ends that, else free."""
    named = {"scheduler-leader": k.lease, "schema-migration": k.mutex, "index": k.mutex, "warehouse": k.rwmutex}
    for name, make in {**named, "my-lease": k.lease, "my-mutex": k.mutex, "my-rwmutex": k.rwmutex}.items():
        handle = make(name)
        handle.define(labels=labels)
        handle.reset()
        if re.search(r" (renew|release|force-release|unlock|holders) ", example):
            other = re.search(r" force-release \S+ (\S+)", example)
            handle.take(1, holder=other[1] if other else "laptop")


def _with_an_end(example: str) -> tuple[str, int]:
    """Return the command and its exit code: what goes on until it is interrupted is interrupted."""
    if " | jq " in example and shutil.which("jq") is None:
        return example.partition(" | jq ")[0], 0
    if " watch " in example or example.endswith((" -f", " top")):
        return f"timeout --preserve-status -s INT 1.5 {example}", 130
    return example, 0
