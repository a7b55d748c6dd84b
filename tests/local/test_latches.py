"""Wait groups and onces in a run: waited for by annotation, done by success, done once by whoever comes first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.local.running import job, konductor
from tests.local.test_annotated import annotated

if TYPE_CHECKING:
    from tests.local.running import Local


def test_pods_wait_for_a_once_and_are_done_in_a_wait_group(local: Local) -> None:
    plan = "koncli waitgroup add parts --count 2 && koncli once run schema -- echo migrated"
    work = job("work", "koncli once run schema -- echo never", job={"completions": 2, "parallelism": 2})
    done = local.run(
        konductor("WaitGroup", "parts"),
        konductor("Once", "schema", ttl="30s"),
        job("plan", plan),
        annotated(work, wait_once="schema", done_waitgroup="parts"),
        annotated(job("report", "koncli waitgroup status parts -o name"), wait_waitgroup="parts:1m"),
    )
    assert done.code == 0, done
    assert any("waitgroup/parts: Done, counter 0" in line for line in done.lines)
    said = "\n".join(done.lines)
    assert said.count("] migrated") == 1
    assert "] never" not in said
    assert said.index("waitgroup/parts is done: 2 added, none left") < said.index("] waitgroup/parts\n")
