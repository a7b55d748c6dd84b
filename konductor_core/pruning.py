"""Lays out a script for Redis, which runs it from its top on every call, definitions included.

To define a function takes a third of a command's time, and the libraries in `lua/lib/` have many. So a script is sent
without what it never uses, and with the rest where it is first needed: a script that is done early has not defined
what comes later, and what only one function uses is defined inside it.

It knows Lua only as `lua/` is written: a statement begins in the first column, its other lines do not; no local
variable has the name of another (luacheck holds that); a name in capitals with a literal value is never assigned again.
"""

from __future__ import annotations

import re
from typing import Final

__all__ = ["pruned"]

_CONTINUED: Final = re.compile(r"[ })]|(?:end|else|elseif|until)\b")
_DEFINITION: Final = re.compile(
    r"local function (\w+)|local ([A-Z_]+) = (?:-?\d+|'[^']*'|KEYS\[\d\]|\{[^(]+\})(?: *--.*)?$", re.DOTALL
)
_COMMENT: Final = re.compile(r"--.*")
_WORD: Final = re.compile(r"(?<![.\w])[A-Za-z_]\w*")


class _Statement:
    """A statement of a script's top level, and the names that occur in it."""

    __slots__ = ("defines", "lines", "words")

    def __init__(self, lines: list[str]) -> None:
        text = "\n".join(lines)
        match = _DEFINITION.match(text)
        self.lines = lines
        self.defines = (match[1] or match[2]) if match else None
        self.words = set(_WORD.findall(_COMMENT.sub("", text)))

    def absorb(self, inner: _Statement) -> None:
        """Take in a definition that nothing else uses."""
        self.lines[1:1] = [f"  {line}" for line in inner.lines]
        self.words |= inner.words


def pruned(source: str) -> str:
    """Return the script without comments, without what it never uses, and with each definition where it is needed."""
    placed: list[_Statement] = []
    for statement in reversed(_statements(source)):
        if statement.defines is None:
            placed.append(statement)
            continue
        users = [i for i, other in enumerate(placed) if statement.defines in other.words]
        if not users:
            continue
        first = placed[users[-1]]
        if len(users) == 1 and first.lines[0].startswith("local function"):
            first.absorb(statement)
        else:
            placed.insert(users[-1] + 1, statement)
    return "\n".join(line for statement in reversed(placed) for line in statement.lines) + "\n"


def _statements(source: str) -> list[_Statement]:
    found: list[list[str]] = []
    for line in source.splitlines():
        if not line or line.lstrip().startswith("--"):
            continue
        if found and _CONTINUED.match(line):
            found[-1].append(line)
        else:
            found.append([line])
    return [_Statement(lines) for lines in found]
