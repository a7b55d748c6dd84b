"""YAML and JSON text as mappings, each with the line where it begins.

PyYAML is an extra: users' pods lack it, and JSON must do without.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NoReturn

from konductor_core.errors import InvalidInput, quoted

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

    from yaml.nodes import Node

__all__ = ["Document", "load_yaml"]

Document = tuple[dict[str, Any], int]
"""A mapping and the line where it begins, from 1."""


def load_yaml(text: str, source: str) -> list[Document]:
    """Return the documents of `text`, those inside of a `kind: List` included, without empty ones.

    `source` is the file's name, for error messages (`source:line:column: …`). Raises `InvalidInput` for text that is
    neither YAML nor JSON, for a key given twice, and for a document that isn't a mapping.
    """
    text = text.removeprefix("\N{BYTE ORDER MARK}")
    documents: list[Document] = []
    for value, line, item_lines in _values(text, source):
        if value is None:
            continue
        document = _mapping(value, f"{source}:{line}")
        if document.get("kind") != "List":
            documents.append((document, line))
            continue
        items = document.get("items")
        if not isinstance(items, list):
            raise InvalidInput(f"{source}:{line}: items of a List {quoted(items)} is not a list")
        lines = item_lines or [line] * len(items)
        documents += [(_mapping(item, f"{source}:{at}"), at) for item, at in zip(items, lines, strict=True)]
    return documents


def _mapping(value: object, where: str) -> dict[str, Any]:
    if isinstance(value, dict):
        return value
    raise InvalidInput(f"{where}: {quoted(value)} is not a manifest: begin it with apiVersion and kind")


def _values(text: str, source: str) -> Iterator[tuple[object, int, list[int]]]:
    """Yield (value, line, lines of the items if it has some) for each document."""
    if text.lstrip()[:1] in {"{", "["}:
        try:
            value = json.loads(text, object_pairs_hook=_unique)
        except json.JSONDecodeError as error:
            if _yaml() is None:
                raise InvalidInput(f"{source}:{error.lineno}:{error.colno}: not JSON: {error.msg}") from None
        except (ValueError, RecursionError) as error:
            raise InvalidInput(f"{source}: {_cause(error)}") from None
        else:
            yield value, 1 + text[: len(text) - len(text.lstrip())].count("\n"), []
            return
    yaml = _yaml()
    if yaml is None:
        raise InvalidInput(f"{source}: reading YAML needs PyYAML: pip install 'konductor[local]', or give JSON")
    yield from _yaml_values(yaml, text, source)


def _yaml() -> ModuleType | None:
    try:
        import yaml
    except ImportError:
        return None
    return yaml


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    mapping = dict(pairs)
    if len(mapping) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in mapping if keys.count(key) > 1)
        raise ValueError(f"the key {quoted(twice)} is given twice")
    return mapping


def _cause(error: Exception) -> str:
    return "nested too deeply" if isinstance(error, RecursionError) else str(error)


def _yaml_values(yaml: ModuleType, text: str, source: str) -> Iterator[tuple[object, int, list[int]]]:
    try:
        loader = yaml.SafeLoader(text)
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise InvalidInput(f"{source}:{line}: not YAML: it contains a control character") from None
    # As in Kubernetes, 2026-01-02 is text and not a date.
    loader.yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
        for first, resolvers in loader.yaml_implicit_resolvers.items()
    }
    line = 1
    try:
        while loader.check_node():
            node = loader.get_node()
            line = node.start_mark.line + 1
            _refuse_duplicates(yaml, node, source, set())
            yield loader.construct_document(node), line, _item_lines(yaml, node)
    except yaml.MarkedYAMLError as error:
        _refuse_yaml(error, source, line)
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"{source}:{line}: not YAML: {_cause(error)}") from None
    finally:
        loader.dispose()


def _refuse_yaml(error: Any, source: str, line: int) -> NoReturn:  # noqa: ANN401 - its class is PyYAML's
    mark = error.problem_mark or error.context_mark
    where = f"{source}:{mark.line + 1}:{mark.column + 1}" if mark else f"{source}:{line}"
    context = f" {error.context}" if error.context else ""
    raise InvalidInput(f"{where}: not YAML: {error.problem}{context}") from None


def _refuse_duplicates(yaml: ModuleType, node: Node, source: str, seen: set[int]) -> None:
    """Raise `InvalidInput` if a mapping in `node` has a key twice; PyYAML would take the last in silence."""
    if id(node) in seen:
        return
    seen.add(id(node))
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            _refuse_duplicates(yaml, item, source, seen)
    elif isinstance(node, yaml.MappingNode):
        keys: set[str] = set()
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode) and key.tag != "tag:yaml.org,2002:merge":
                mark = key.start_mark
                if key.value in keys:
                    where = f"{source}:{mark.line + 1}:{mark.column + 1}"
                    raise InvalidInput(f"{where}: the key {quoted(key.value)} is given twice")
                keys.add(key.value)
            _refuse_duplicates(yaml, value, source, seen)


def _item_lines(yaml: ModuleType, node: Node) -> list[int]:
    """Return the line of each of the document's `items`, if it has any."""
    pairs: list[tuple[Node, Node]] = node.value if isinstance(node, yaml.MappingNode) else []
    for key, value in pairs:
        if key.value == "items" and isinstance(value, yaml.SequenceNode):
            return [item.start_mark.line + 1 for item in value.value]
    return []
