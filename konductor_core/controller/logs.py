"""The controller's log: one line for each message, for people or as JSON. Times are UTC."""

from __future__ import annotations

import json
import logging
import sys
import time
from typing import Final

__all__ = ["FORMATS", "LEVELS", "set_up"]

LEVELS: Final = ("debug", "info", "warning", "error")
FORMATS: Final = ("text", "json")

_QUIET: Final = {
    "aiohttp": logging.WARNING,
    "asyncio": logging.WARNING,
    "kopf": logging.ERROR,
    "kopf._cogs.clients": logging.CRITICAL,
    "kubernetes": logging.ERROR,
}
"""Libraries that say more than people want to read: kopf tells of each try of each watch while the API is away."""


class _Lines(logging.Formatter):
    """`2026-01-02T03:04:05.678Z INFO controller.sweep message`, on one line whatever the message."""

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: ARG002, N802 - logging's
        """Return the moment as RFC 3339 has it."""
        return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(record.created))}.{int(record.msecs):03}Z"

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as one line."""
        line = f"{self.formatTime(record)} {record.levelname} {_name(record)} {record.getMessage()}"
        if record.exc_info and record.exc_info[0] is not None:
            line += f" | {self.formatException(record.exc_info)}"
        return " ⏎ ".join(part for part in line.splitlines() if part.strip())


class _Json(_Lines):
    """The same as one JSON document."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as one line of JSON."""
        document = {
            "time": self.formatTime(record),
            "level": record.levelname.lower(),
            "logger": _name(record),
            "message": record.getMessage(),
        }
        if record.exc_info and record.exc_info[0] is not None:
            document["traceback"] = self.formatException(record.exc_info)
        return json.dumps(document, ensure_ascii=False)


def _name(record: logging.LogRecord) -> str:
    return record.name.removeprefix("konductor_core.")


def set_up(level: str, form: str) -> None:
    """Send the log of this process to stderr."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Json() if form == "json" else _Lines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name, quiet in _QUIET.items():
        logging.getLogger(name).setLevel(max(quiet, root.level) if level != "debug" else logging.INFO)
