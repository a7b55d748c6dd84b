"""Run luacheck over the Lua scripts with their includes, as they stand before they are pruned: `make lint`.

A fragment alone would seem full of unknown names; a whole script that still has one would fail on a server, and a
global it leaks would break fakeredis. Line numbers are those of the whole script.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from konductor_core.scripts import SCRIPTS, source_of

OPTIONS = ["--std", "lua51", "--read-globals", "redis", "KEYS", "ARGV", "cjson"]
# A script need not use all that it includes.
OPTIONS += ["--ignore", "211", "231", "--no-max-line-length", "--quiet", "--no-color"]


def main() -> int:
    """Return luacheck's exit code, or 0 with a note where it is not installed."""
    luacheck = shutil.which("luacheck")
    if luacheck is None:
        print("luacheck is not installed: the Lua scripts were not linted")
        return 0
    with tempfile.TemporaryDirectory() as directory:
        for script in SCRIPTS.values():
            (Path(directory) / f"{script.name}.lua").write_text(source_of(script.name), encoding="utf-8")
        return subprocess.run([luacheck, ".", *OPTIONS], cwd=directory, check=False).returncode  # noqa: S603 - its own arguments


if __name__ == "__main__":
    sys.exit(main())
