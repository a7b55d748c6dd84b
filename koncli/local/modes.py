"""Which of the modes of `isolation` this system allows: found out by running a container that uses them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from koncli.local import isolation, linux
from koncli.local.process import Launch, Process

if TYPE_CHECKING:
    from pathlib import Path

_TARGET = "/konductor-probe/volume"


async def allowed_mode(folder: Path) -> str:
    """Return the first of `isolation`'s modes that works. `folder` is an empty directory to try it with."""
    volume, stage = folder / "volume", folder / "stage"
    for each in (volume, stage):
        each.mkdir(parents=True)
    (volume / "here").touch()
    for mode in (isolation.PLAIN, isolation.USER):
        if linux.AVAILABLE and (mode == isolation.USER or os.geteuid() == 0):
            mounts = [(str(volume), _TARGET, False)]
            command = ("test", "-e", f"{_TARGET}/here")
            launch = Launch(command, {"PATH": os.defpath}, "/", mode, "probe", mounts, str(stage))
            process = await Process.start(launch, lambda _: None)
            if (await process.wait()).code == 0:
                return mode
    return isolation.NONE
