"""Without namespaces: mount paths become real directories in command, args, env and working directory. Pure.

A path is replaced only as a whole prefix: `/data` in `/data`, `--out=/data/x` and `file:///data`, not in `/database`,
`/mnt/data` or `$HOME/data`. What would silently go to the host's own path is refused by name.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_BEFORE = r"(?:(?<![\w./~$})\]*?@%+-])|(?<=://))"
_AFTER = r"(?=/|$|[^\w./-]|\.(?:$|\s))"


class Rewriter:
    """Replaces mount paths in texts; `used` collects the mount paths that were found in any of them."""

    def __init__(self, targets: Mapping[str, str]) -> None:
        """`targets`: mount path → real path."""
        self._targets = targets
        self.used: set[str] = set()
        longest_first = sorted(targets, key=len, reverse=True)
        self._pattern = re.compile(f"{_BEFORE}({'|'.join(map(re.escape, longest_first))}){_AFTER}") if targets else None

    def __call__(self, text: str) -> str:
        """Return `text` with every mount path replaced."""
        if self._pattern is None:
            return text

        def replace(match: re.Match[str]) -> str:
            if _closes_a_quote(text, match.start()):
                return match[0]  # "$DIR"/data: the path goes on from what is quoted
            self.used.add(match[1])
            return self._targets[match[1]]

        return self._pattern.sub(replace, text)


def _closes_a_quote(text: str, position: int) -> bool:
    before = text[position - 1 : position]
    line = text[text.rfind("\n", 0, position) + 1 : position]
    return before in ("'", '"') and line.count(before) % 2 == 0
