"""The folder of one run: private, gone at its end, and swept by a later run if its own was killed."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_PREFIX = "konductor-run-"
_LOCK = "lock"


@contextlib.contextmanager
def run_folder(*, keep: bool) -> Iterator[Path]:
    """Make the folder of a run and delete it afterwards, unless it is to be kept."""
    _sweep(Path(tempfile.gettempdir()))
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
    try:
        # Held as long as we live, whatever we die of; a folder to be kept has none, so that nobody sweeps it.
        with contextlib.nullcontext() if keep else _locked(folder / _LOCK):
            yield folder
    finally:
        if not keep:
            shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield


def _sweep(place: Path) -> None:
    """Delete our folders whose runs are gone."""
    for folder in place.glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):  # still locked, already gone, or somebody else's
            if folder.stat().st_uid == os.getuid():
                with (folder / _LOCK).open("r+") as file:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    shutil.rmtree(folder, ignore_errors=True)
