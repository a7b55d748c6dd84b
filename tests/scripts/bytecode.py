"""Reads what Lua 5.1 compiles a script to: the globals it touches and the length of its functions."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import Any, Final

from lupa import lua51  # type: ignore[import-untyped]

__all__ = ["Function", "compile_lua"]

_GETGLOBAL: Final = 5
_SETGLOBAL: Final = 7
_HEADER: Final = b"\x1bLua\x51\x00\x01\x04\x08\x04\x08\x00"  # 5.1, little endian, 64 bit


@dataclass(slots=True)
class Function:
    """One function, its inner ones included; line numbers are those of the whole script, 0 for the script itself."""

    first_line: int = 0
    last_line: int = 0
    reads: set[str] = field(default_factory=set)
    writes: set[str] = field(default_factory=set)
    inner: list[Function] = field(default_factory=list)

    def everything(self) -> list[Function]:
        return [self, *(each for inner in self.inner for each in inner.everything())]


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = len(_HEADER)

    def take(self, form: str) -> Any:
        (value,) = struct.unpack_from(f"<{form}", self._data, self._at)
        self._at += struct.calcsize(f"<{form}")
        return value

    def string(self) -> str:
        size = self.take("Q")
        self._at += size
        return self._data[self._at - size : self._at - 1].decode() if size else ""

    def constant(self) -> object:
        kind = self.take("B")
        if kind == 0:
            return None
        return self.string() if kind == 4 else self.take("B" if kind == 1 else "d")

    def function(self) -> Function:
        found = Function()
        self.string()
        found.first_line, found.last_line = self.take("i"), self.take("i")
        self._at += 4
        code = [self.take("I") for _ in range(self.take("i"))]
        constants = [self.constant() for _ in range(self.take("i"))]
        for instruction in code:
            operation, name = instruction & 0x3F, instruction >> 14
            if operation == _GETGLOBAL:
                found.reads.add(str(constants[name]))
            elif operation == _SETGLOBAL:
                found.writes.add(str(constants[name]))
        found.inner = [self.function() for _ in range(self.take("i"))]
        lines = self.take("i")
        self._at += 4 * lines
        for _ in range(self.take("i")):
            self.string()
            self._at += 8
        for _ in range(self.take("i")):
            self.string()
        return found


def compile_lua(source: str) -> Function:
    """Return the compiled script. Raises `lua51.LuaError` for a syntax error."""
    runtime = lua51.LuaRuntime(encoding=None)
    dump = runtime.eval(b"function(source) return string.dump(assert(loadstring(source))) end")
    data = dump(source.encode())
    assert data.startswith(_HEADER), "this reader knows the bytecode of 64-bit little endian machines"
    return _Reader(data).function()
