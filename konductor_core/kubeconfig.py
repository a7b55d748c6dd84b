"""The namespace of kubeconfig's current context, read without PyYAML, which users' pods lack.

kubectl writes kubeconfig in block style, one key a line, and this reads no more of YAML than that. A file in another
style counts as saying nothing.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["current_namespace"]


def current_namespace(env: Mapping[str, str]) -> str | None:
    """Return the namespace that kubeconfig's current context names, if it names one.

    Reads the files of `$KUBECONFIG`, else `~/.kube/config`; as in kubectl, the first file that sets a value wins.
    """
    current: str | None = None
    namespaces: dict[str, str | None] = {}
    for path in _paths(env):
        try:
            with open(path, encoding="utf-8") as file:  # noqa: PTH123 - pathlib is slow to import
                text = file.read()
        except (OSError, UnicodeDecodeError):
            continue
        context, found = _read(text)
        current = current or context
        namespaces = found | namespaces
    return namespaces.get(current) if current else None


def _paths(env: Mapping[str, str]) -> list[str]:
    if listed := env.get("KUBECONFIG"):
        return [path for path in listed.split(os.pathsep) if path]
    home = env.get("HOME")
    return [os.path.join(home, ".kube", "config")] if home else []  # noqa: PTH118 - as above


def _read(text: str) -> tuple[str | None, dict[str, str | None]]:
    """Return the current context's name, and each context's namespace by the context's name."""
    current: str | None = None
    namespaces: dict[str, str | None] = {}
    entry: dict[str, str] = {}
    section = ""
    for indent, new_item, key, value in _lines(text):
        if indent == 0 and not new_item:
            section = key
            if key == "current-context":
                current = value or None
            continue
        if section != "contexts":
            continue
        if new_item:
            entry = {}
        if value:
            entry[key] = value
        if "name" in entry:
            namespaces[entry["name"]] = entry.get("namespace")
    return current, namespaces


def _lines(text: str) -> Iterator[tuple[int, bool, str, str]]:
    """Yield (indent, begins a list item, key, value) for each `key: value` line."""
    for line in text.splitlines():
        body = line.lstrip(" ")
        indent = len(line) - len(body)
        new_item = body.startswith("- ")
        key, colon, value = body.removeprefix("- ").strip().partition(":")
        if colon and not key.startswith("#"):
            yield indent, new_item, key, _unquoted(value.strip())


def _unquoted(value: str) -> str:
    value = value.partition(" #")[0].strip()
    if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"":
        return value[1:-1]
    return value
