"""Write the files that are made from the code: `make generate`. With --check, say which are out of date instead.

    docs/cli.md    every command of koncli, its arguments and options
    docs/annotations.md    every annotation, from where it is declared
    deploy/        custom resource definitions, and all manifests for kubectl apply -k; see tools/deploy.py

A generated file is never edited by hand. In the folders of `OWNED` there are no others.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
OWNED: Final = ("deploy/base", "deploy/crds", "deploy/chart/files/crds")


def rendered() -> dict[str, str]:
    """Return path (from the repository's root) -> text of every generated file."""
    from koncli.root import root
    from tools.annotation_reference import annotation_reference
    from tools.cli_reference import reference
    from tools.deploy import manifests

    return {
        "docs/cli.md": reference(root, "koncli"),
        "docs/annotations.md": annotation_reference(),
        **manifests(),
    }


def main() -> int:
    """Write, or compare; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing; fail if a file differs")
    check = parser.parse_args().check
    texts = rendered()
    stale = [name for name, text in texts.items() if _read(name) != text]
    left_over = [name for name in _owned() if name not in texts]
    if check and (stale or left_over):
        print(f"out of date: {', '.join(stale + left_over)}; run make generate and commit the result", file=sys.stderr)
        return 1
    for name in stale:
        (ROOT / name).parent.mkdir(parents=True, exist_ok=True)
        (ROOT / name).write_text(texts[name], encoding="utf-8")
        print(f"wrote {name}")
    for name in left_over:
        (ROOT / name).unlink()
        print(f"removed {name}")
    return 0


def _read(name: str) -> str | None:
    path = ROOT / name
    return path.read_text(encoding="utf-8") if path.is_file() else None


def _owned() -> list[str]:
    return [path.relative_to(ROOT).as_posix() for folder in OWNED for path in (ROOT / folder).glob("*")]


if __name__ == "__main__":
    sys.exit(main())
