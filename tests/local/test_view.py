"""What people see: a pod's state in kubectl's words, and a terminal that programs can't upset."""

from __future__ import annotations

import io
from typing import Any, cast

import pytest

from koncli.local.expand import Identity
from koncli.local.fields import Fields, Refusals
from koncli.local.live import LiveView
from koncli.local.pod import Pod
from koncli.local.podspec import read_pod
from koncli.local.state import FAILED, PENDING, RUNNING, SUCCEEDED, Audience
from koncli.local.view import LinesView, pod_state
from tests.local.running import container, pod_spec


class Terminal(io.StringIO):
    """A stream that says it is a terminal until it is gone."""

    gone = False

    def isatty(self) -> bool:
        return not self.gone


def pod(name: str = "work-12345", **runs: str) -> Pod:
    """A pod with two init containers and an app, whose containers are in the given phases."""
    body = {"spec": pod_spec("true", init=[container("true", "one"), container("true", "two")])}
    spec = read_pod(Fields(body, "here", Refusals()), ("Never",))
    made = Pod(
        Identity(name, "default", "uid", "node"), spec, cast("Any", None), cast("Audience", LinesView(Terminal()))
    )
    for each, phase in runs.items():
        made.containers[each].phase = phase
    return made


@pytest.mark.parametrize(
    "phase,runs,wanted",
    [
        (PENDING, {}, "Init:0/2"),
        (PENDING, {"one": "running"}, "Init:0/2"),
        (PENDING, {"one": "ended", "two": "running"}, "Init:1/2"),
        (PENDING, {"one": "backoff"}, "CrashLoopBackOff"),
        (RUNNING, {"one": "ended", "two": "ended", "main": "running"}, "Running"),
        (RUNNING, {"main": "backoff"}, "CrashLoopBackOff"),
        (SUCCEEDED, {"main": "ended"}, "Completed"),
        (FAILED, {"main": "ended"}, "Error"),
    ],
)
def test_a_pods_state_is_told_in_kubectls_words(phase: str, runs: dict[str, str], wanted: str) -> None:
    made = pod(**runs)
    made.phase = phase
    assert pod_state(made) == wanted


def test_the_table_shows_every_pod_and_gives_way_to_what_is_still_running() -> None:
    stream = Terminal()
    view = LiveView(stream, color=False)
    pods = [pod(f"pod-{number}") for number in range(100)]
    for each in pods[:50]:
        each.ended = 1.0
    view.start(lambda: pods, {})
    view.tick()
    view.stop()
    shown = stream.getvalue()
    assert "pod-50 " in shown
    assert "pod-10 " not in shown
    assert "… 100 pods, 50 of them ended" in shown


@pytest.mark.parametrize(
    "color,printed,wanted",
    [
        (True, "\x1b[31mred\x1b[0m", "\x1b[31mred\x1b[0m\x1b[0m"),
        (False, "\x1b[31mred\x1b[0m", "red"),
        (True, "a\x1b[2Jb\x1b[10;10Hc\x1b]0;title\x07d\x1b[?25le\x1bcf", "abcdef\x1b[0m"),
        (False, "100% [bold]not markup[/bold]", "100% [bold]not markup[/bold]"),
    ],
)
def test_a_program_may_colour_its_lines_but_not_move_the_terminal(color: bool, printed: str, wanted: str) -> None:  # noqa: FBT001
    stream = Terminal()
    LiveView(stream, color=color).lines("pod", "main", [printed])
    assert stream.getvalue().endswith(f" {wanted}\n")


def test_a_terminal_that_is_gone_is_noticed() -> None:
    stream = Terminal()
    view = LiveView(stream, color=False)
    noticed: list[str] = []
    view.on_broken = lambda: noticed.append("broken")
    view.start(list, {})
    stream.gone = True
    view.tick()
    view.tick()
    assert noticed == ["broken"]
    assert view.broken is not None


def test_lines_are_prefixed_with_pod_and_container() -> None:
    stream = io.StringIO()
    view = LinesView(stream)
    view.lines("work-12345", "main", ["one", "two"])
    view.say("done")
    assert stream.getvalue() == "[work-12345 main] one\n[work-12345 main] two\n-- done\n"
