"""What reaches stdout: aligned tables for people, exactly one JSON or YAML document for programs."""

import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence

import click

from konductor_core.errors import InvalidInput, KonductorError

Document = Mapping[str, object] | Sequence[object]

PHASE_COLORS = {
    "Open": "green",
    "Ready": "green",
    "Done": "green",
    "Available": "green",
    "Unlocked": "green",
    "Failed": "red",
    "Waiting": "yellow",
    "Full": "yellow",
    "Paused": "yellow",
    "deleted": "red",
}


def width(text: str) -> int:
    """Columns the text takes on a terminal: wide characters take two, combining ones none."""
    if text.isascii():
        return len(text)
    import unicodedata

    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def pad(text: str, columns: int) -> str:
    """Return the text with spaces up to so many columns of a terminal."""
    return text + " " * (columns - width(text))


class Output:
    """One run's way of printing: `mode` is text, wide, json, yaml or name; `color` whether to colour."""

    __slots__ = ("color", "mode")

    def __init__(self, mode: str = "text", *, color: bool = False) -> None:
        self.mode = mode
        self.color = color

    @property
    def wide(self) -> bool:
        """Whether tables show their further columns."""
        return self.mode == "wide"

    def show(
        self, document: Callable[[], Document], text: Callable[[], str], names: Iterable[str], *, empty: str = ""
    ) -> None:
        """Print a result in the chosen form; only the form that is asked for is built.

        For people, an empty text is replaced by the message `empty`, which is no result and so goes to stderr.
        """
        if self.mode == "json":
            write(to_json(document(), indent=2))
        elif self.mode == "yaml":
            write(to_yaml(document()), end="")
        elif self.mode == "name":
            for name in names:
                write(name)
        else:
            lines = text()
            if lines:
                write(lines)
            elif empty:
                message(empty)

    def stream(self, document: Document, text: str, name: str) -> None:
        """Print one element of a stream: a line of JSON, a YAML document, or a line of text."""
        if self.mode == "json":
            write(to_json(document, indent=None))
        elif self.mode == "yaml":
            write("---\n" + to_yaml(document), end="")
        else:
            write(name if self.mode == "name" else text)
        if sys.stdout is not None:
            sys.stdout.flush()

    def phase(self, text: str) -> str:
        """Return a phase in its colour."""
        return self.paint(text, PHASE_COLORS.get(text))

    def paint(self, text: str, color: str | None) -> str:
        """Return the text in a colour, where colours are wanted."""
        return click.style(text, fg=color) if self.color and color else text

    def table(self, headers: Sequence[str], rows: Iterable[Sequence[str]], *, indent: str = "") -> str:
        """Rows under their headers, three spaces apart; the column PHASE is coloured."""
        lines = [list(headers), *(list(row) for row in rows)]
        widths = [max(width(line[i]) for line in lines) for i in range(len(headers))]
        colored = headers.index("PHASE") if self.color and "PHASE" in headers else -1
        printed = []
        for number, line in enumerate(lines):
            cells = [pad(cell, columns) for cell, columns in zip(line, widths, strict=True)]
            cells[-1] = line[-1]
            if number and colored >= 0:
                cells[colored] = cells[colored].replace(line[colored], self.phase(line[colored]), 1)
            printed.append(indent + "   ".join(cells))
        return "\n".join(printed)

    def fields(self, pairs: Iterable[tuple[str, str]]) -> str:
        """`Label:  value` lines, the values under each other; empty values are left out."""
        kept = [(label, value) for label, value in pairs if value]
        columns = max((width(label) for label, _ in kept), default=0) + 1
        return "\n".join(f"{pad(label + ':', columns)}  {self.phase(value)}" for label, value in kept)


def wants_color(*, no_color: bool, env: Mapping[str, str] = os.environ) -> bool:
    """Colours only on a terminal that can show them and where nobody declined them."""
    if no_color or env.get("TERM") == "dumb":
        return False
    return sys.stdout is not None and sys.stdout.isatty()


def write(text: str, end: str = "\n") -> None:
    """Print on stdout; a stdout that was closed before the start is not an error, a full disk is."""
    if sys.stdout is None:
        return
    try:
        sys.stdout.write(text + end)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise KonductorError(f"cannot write the output: {error.strerror}") from error


def message(text: str) -> None:
    """Tell the user something that is not the result: on stderr; a stderr that is gone changes nothing."""
    if sys.stderr is None:
        return
    try:
        sys.stderr.write(text + "\n")
        sys.stderr.flush()
    except OSError:
        pass


def to_json(document: Document, *, indent: int | None) -> str:
    """Return the document as JSON, readable characters left as they are."""
    import json

    return json.dumps(document, indent=indent, ensure_ascii=False)


def to_yaml(document: Document) -> str:
    """Return the document as YAML in the order of its fields; InvalidInput if PyYAML isn't installed."""
    try:
        import yaml
    except ModuleNotFoundError as error:
        raise InvalidInput(
            "-o yaml needs PyYAML, which is not installed", hint="pip install 'konductor[local]', or use -o json"
        ) from error
    text: str = yaml.safe_dump(document, sort_keys=False, allow_unicode=True, default_flow_style=False)
    return text
