"""The socket between the keeper and the guardian: one JSON object a line. Its end means that the other one has ended.

The keeper says
    {"start": {variables}, "until": moment, "grace": s, "margin": s, "terminal": bool}
    {"until": moment}      the lease was renewed: a moment of `processes.clock`, null without end
    {"signal": number}     pass this on to the command
    {"lost": true}         the lease is gone: end the command
and the guardian
    {"started": true}
    {"failed": number}     the command did not start, for this errno
    {"ending": seconds}    TERM was sent, KILL follows after so long
    {"ended": code, "signal": number, "killed": bool, "stopped": bool, "lost": bool, "left": n}
        the end, after everything below the command has ended too if it was lost or died of a signal; `stopped` if it
        was killed as it lay stopped; `left` processes go on
"""

from __future__ import annotations

import json
import socket
from contextlib import suppress
from typing import Any

Message = dict[str, Any]


class Channel:
    """One end of the socket."""

    def __init__(self, end: socket.socket) -> None:
        self._socket = end
        self._rest = b""
        self.open = True

    @classmethod
    def pair(cls) -> tuple[Channel, Channel]:
        """Return both ends; what is executed inherits neither."""
        one, other = socket.socketpair()
        return cls(one), cls(other)

    def fileno(self) -> int:
        """For select."""
        return self._socket.fileno()

    def send(self, message: Message) -> None:
        """Tell the other one; if it has ended, the next `receive` says so."""
        with suppress(OSError):
            self._socket.sendall(json.dumps(message).encode() + b"\n")

    def receive(self) -> list[Message]:
        """Return what has come, waiting for at least a part of a message; at the end nothing, and `open` is False."""
        try:
            data = self._socket.recv(65536)
        except OSError:
            data = b""
        if not data:
            self.open = False
        *lines, self._rest = (self._rest + data).split(b"\n")
        return [json.loads(line) for line in lines]

    def close(self) -> None:
        """Close this end."""
        self._socket.close()
