"""What the three programs of the pipeline share: files of JSON lines, a slow source, errors without a traceback."""

from __future__ import annotations

import argparse
import json
import os
import sqlite3
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

Row = dict[str, Any]


def read_rows(path: Path) -> list[Row]:
    """Read one JSON object per line; a ValueError names the line that is none."""
    rows = []
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            try:
                rows.append(json.loads(line))
            except json.JSONDecodeError as error:
                raise ValueError(f"{path}:{number}: not a JSON object: {error.msg}") from None
    return rows


def write_rows(path: Path, rows: Iterable[Row]) -> int:
    """Write one JSON object per line and return how many; readers see the whole file or none of it."""
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    count = 0
    with partial.open("w", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps(row) + "\n")
            count += 1
    partial.replace(path)
    return count


def slowly(rows: list[Row], seconds: float, what: str) -> Iterator[Row]:
    """Yield the rows as a slow source would, in so many seconds, and tell how far it is."""
    steps = 3
    size = max(1, -(-len(rows) // steps))
    for start in range(0, len(rows), size):
        time.sleep(seconds / steps)
        yield from rows[start : start + size]
        print(f"{what}: {min(start + size, len(rows)):,} of {len(rows):,}", flush=True)


def seconds(text: str) -> float:
    """Parse the --seconds option."""
    value = float(text)
    if not 0 <= value <= 3600:
        raise ValueError(text)
    return value


def run(parser: argparse.ArgumentParser, work: Callable[[argparse.Namespace], None]) -> None:
    """Parse the arguments and do the work; what goes wrong becomes one line and exit code 1."""
    arguments = parser.parse_args()
    try:
        work(arguments)
    except KeyError as error:
        sys.exit(f"{parser.prog}: error: a row has no field {error}")
    except OSError as error:
        sys.exit(
            f"{parser.prog}: error: {error.filename}: {error.strerror}"
            if error.filename
            else f"{parser.prog}: error: {error}"
        )
    except (ValueError, sqlite3.Error) as error:
        sys.exit(f"{parser.prog}: error: {error}")
