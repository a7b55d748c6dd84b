"""Fenced blocks of the pages, the commands in them, and whether what a command printed is what the page shows.

A `console` block has commands after `$ `, continued with a backslash, inside a quotation or a here-document, and what
they print below them. In the expected output `…` stands for anything within a line, and a line of its own for any
number of lines. What differs in every run counts as equal to its like: moments, fencing tokens, request ids, and the
number of spaces between columns.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

__all__ = ["PAGES", "ROOT", "Block", "Command", "blocks", "matches"]

ROOT = Path(__file__).resolve().parents[2]
PAGES = ("README.md", *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md") if path.name != "cli.md"))
"""Every page written by hand."""

_FENCE = re.compile(r"^```(?P<language>[a-z]*)(?P<cluster> cluster)?\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
_VARYING = re.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"  # a moment
    r"|\d{13}-\d+"  # an event's id
    r"|\d{13,}"  # milliseconds since 1970, a token, an epoch
    r"|\b[0-9a-f]{32}\b"  # a request
)


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block: its language, its text, and the line of the page on which the text begins.

    One that begins with "```console cluster" is run by tests/e2e, on a real cluster.
    """

    language: str
    text: str
    line: int
    cluster: bool = False

    def commands(self) -> list[Command]:
        """Return the commands of a `console` block."""
        found: list[Command] = []
        for number, line in enumerate(self.text.splitlines(), self.line):
            if line.startswith("$ "):
                found.append(Command([line[2:]], [], number))
            elif found and not found[-1].complete:
                found[-1].lines.append(line)
            else:
                assert found, f"line {number}: output before the first command"
                found[-1].expected.append(line)
        return found


@dataclass(slots=True)
class Command:
    """One command of a console block, and the lines that it prints."""

    lines: list[str]
    expected: list[str]
    line: int

    @property
    def text(self) -> str:
        """What is typed."""
        return "\n".join(self.lines)

    @property
    def complete(self) -> bool:
        """Whether a shell would run it now, instead of asking for another line."""
        if here := re.search(r"<<'?(\w+)'?", self.lines[0]):
            return self.lines[-1] == here[1]
        return not self.text.endswith("\\") and self.text.count("'") % 2 == 0 and self.text.count('"') % 2 == 0


def blocks(page: str) -> list[Block]:
    """Return the fenced blocks of a page, in order."""
    text = (ROOT / page).read_text(encoding="utf-8")
    return [
        Block(m["language"], m["text"], text.count("\n", 0, m.start()) + 2, cluster=m["cluster"] is not None)
        for m in _FENCE.finditer(text)
    ]


def matches(expected: list[str], printed: list[str]) -> bool:
    """Tell whether the printed lines are what the page shows."""
    pattern = "".join(r"(?:.*\n)*" if line.strip() == "…" else _line_pattern(line) + r"\n" for line in expected)
    return re.fullmatch(pattern, "".join(_squeezed(line) + "\n" for line in printed)) is not None


def _squeezed(line: str) -> str:
    return re.sub(r" {2,}", "  ", line.rstrip())


def _line_pattern(line: str) -> str:
    parts: list[str] = []
    at = 0
    line = _squeezed(line)
    for varying in _VARYING.finditer(line):
        parts += [_literal(line[at : varying.start()]), f"(?:{_VARYING.pattern})"]
        at = varying.end()
    return "".join([*parts, _literal(line[at:])])


def _literal(text: str) -> str:
    # A value of another length moves the columns after it.
    return ".*".join(re.sub(r"(?:\\ ){2}", " +", re.escape(part)) for part in text.split("…"))
