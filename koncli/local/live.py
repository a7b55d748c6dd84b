"""The view on a terminal: lines scroll above a table of objects and pods that is redrawn some times a second."""

from __future__ import annotations

import errno
import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, TextIO

from rich.console import Console, ConsoleOptions, Group, RenderableType
from rich.live import Live
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from koncli.kinds import ref
from koncli.local.state import FAILED
from koncli.local.timeline import lines as timeline_lines
from koncli.local.timeline import rows, seconds
from koncli.local.view import LinesView, Objects, object_state, pod_state
from koncli.output import PHASE_COLORS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from koncli.local.pod import Pod
    from konductor_core.identity import Kind
    from konductor_core.models import Status

_STATE_COLORS = {"Running": "cyan", "Completed": "green", "Terminating": "magenta", "Pending": "dim"}
_POD_COLORS = (36, 35, 33, 34, 32, 96, 95, 94)
"""Codes of the terminal's colours for the pods' names."""
_MOVES = re.compile(r"\x1b(?:\[[0-9;?]*[A-Za-ln-z]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[^\[\]])")
"""Escape sequences that do anything but colour text."""
_COLORS = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(frozen=True, slots=True)
class _Raw:
    """Text for the terminal as it is."""

    text: str

    def __rich_console__(self, _console: Console, _options: ConsoleOptions) -> Iterator[Segment]:
        yield Segment(self.text)


class LiveView(LinesView):
    """Lines and a table on a terminal."""

    def __init__(self, stream: TextIO, *, color: bool) -> None:
        super().__init__(stream)
        self._colored = color
        self._terminal = stream.isatty()
        self._console = Console(file=stream, no_color=not color, highlight=False)
        # Redrawn by our own ticks: rich's own thread would look at the pods while they change.
        self._live = Live(console=self._console, auto_refresh=False, transient=True, redirect_stderr=False)
        self._pods: Callable[[], list[Pod]] = list
        self._objects: Objects = {}
        self._origin = time.monotonic()

    def start(self, pods: Callable[[], list[Pod]], objects: Objects) -> None:
        """Begin to draw."""
        self._pods, self._objects, self._origin = pods, objects, time.monotonic()
        self.guard(self._live.start)

    def stop(self) -> None:
        """Clear the table away."""
        self.guard(self._live.stop)

    def tick(self) -> None:
        """Draw the table as things are now."""
        if self._live.is_started:
            self.guard(self._draw)

    def _draw(self) -> None:
        if self._terminal and not self._stream.isatty():  # rich would go on in silence
            raise OSError(errno.EIO, "the terminal is gone")
        self._live.update(self.render(), refresh=True)

    def object_changed(self, kind: Kind, name: str, status: Status) -> None:
        """Do nothing: the table shows it."""

    def lines(self, pod: str, container: str, texts: list[str]) -> None:
        """Print lines of a container, their own colours kept."""
        color = _POD_COLORS[sum(map(ord, pod)) % len(_POD_COLORS)]
        prefix = f"[{pod} {container}]"
        if self._colored:
            prefix = f"\x1b[{color}m{prefix}\x1b[0m"
        block = "".join(f"{prefix} {self._clean(text)}\n" for text in texts)
        # Segments go out as they are; rich would take its time over each line of a talkative program.
        self.guard(lambda: self._console.print(_Raw(block), soft_wrap=True, end=""))

    def say(self, text: str) -> None:
        """Print one line of the runner."""
        self._print(Text(f"-- {text}", style="bold red" if text.startswith("FAILED") else "bold"))

    def write(self, text: str) -> None:
        """Print a line as it is."""
        self._print(Text(text))

    def timeline(self, pods: list[Pod], origin: float) -> None:
        """Print each pod's waiting and working as a coloured bar."""
        self._print(Text())
        for text, bar, outcome in timeline_lines(rows(pods, origin, time.monotonic()), self._console.width):
            color = "green" if outcome == "ok" else "red" if outcome else "dim"
            self._print(Text.assemble((text, "dim" if not outcome else ""), "  ", (bar, color), "  ", (outcome, color)))

    def render(self) -> RenderableType:
        """Return the table as things are now, cut to what fits above the lower edge."""
        objects = self._object_table()
        room = max(3, self._console.height - len(self._objects) - 6)
        above = (Text(), objects) if self._objects else ()
        return Group(*above, Text(), self._pod_table(room))

    def _clean(self, text: str) -> str:
        """Keep the program's colours where colours are wanted, and nothing else that moves the terminal."""
        if "\x1b" not in text:
            return text
        text = _MOVES.sub("", text)
        return f"{text}\x1b[0m" if self._colored else _COLORS.sub("", text)

    def _object_table(self) -> Table:
        table = Table.grid(padding=(0, 2))
        for (kind, name), status in sorted(self._objects.items()):
            facts, phase = object_state(kind, status)
            table.add_row(Text(ref(kind, name), "bold"), Text(phase, PHASE_COLORS.get(phase, "")), Text(facts))
        return table

    def _pod_table(self, room: int) -> Table:
        pods = self._pods()
        # What has ended gives way first, the oldest before the newer.
        ended = [pod for pod in pods if pod.ended is not None]
        hidden = set(ended[: max(0, len(pods) - room)])
        shown = [pod for pod in pods if pod not in hidden][: room if len(pods) <= room else room - 1]
        table = Table.grid(padding=(0, 2))
        for pod in shown:
            table.add_row(*_pod_row(pod, self._console.width))
        if len(shown) < len(pods):
            done = sum(pod.ended is not None for pod in pods)
            table.add_row(Text(f"… {len(pods)} pods, {done} of them ended", "dim"))
        return table

    def _print(self, text: Text) -> None:
        self.guard(lambda: self._console.print(text, soft_wrap=True))


def _pod_row(pod: Pod, width: int) -> tuple[Text, ...]:
    state = pod_state(pod)
    color = _STATE_COLORS.get(state, "red" if pod.phase == FAILED or state == "CrashLoopBackOff" else "yellow")
    age = "" if pod.started is None else seconds((pod.ended or time.monotonic()) - pod.started)
    current = [run for run in pod.containers.values() if run.phase in ("running", "backoff")]
    said = next((run.tail[-1] for run in reversed(current) if run.tail), "")
    room = max(0, width - 72)
    doing = Text(", ".join(run.container.name for run in current), "dim")
    return (
        Text(pod.name),
        Text(state, color),
        Text(age, justify="right"),
        doing,
        Text(Text.from_ansi(said).plain[:room], "dim"),
    )
