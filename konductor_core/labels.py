"""Labels: the rules of Kubernetes for their keys and values."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from konductor_core.errors import InvalidInput, quoted
from konductor_core.identity import LABEL_MAX, NAME_MAX, NAME_PATTERN

__all__ = ["check_labels"]

_WORD: Final = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?")
_PREFIX: Final = re.compile(NAME_PATTERN)
_RULE: Final = f"use at most {LABEL_MAX} letters, digits, '-', '_' and '.', beginning and ending with a letter or digit"


def check_labels(labels: object, what: str = "labels") -> dict[str, str]:
    """Return `labels` as a dictionary if Kubernetes would accept them; else raise `InvalidInput`."""
    if labels is None:
        return {}
    if not isinstance(labels, Mapping):
        raise InvalidInput(f"{what} {quoted(labels)} is not a mapping: write key: value below it")
    for key, value in labels.items():
        if not isinstance(key, str) or not _is_key(key):
            raise InvalidInput(f"{what} has the key {quoted(key)}, which is not valid: {_RULE}")
        if not isinstance(value, str):
            raise InvalidInput(f"{what}.{key} {quoted(value)} is not text: put it in quotes")
        if value and (len(value) > LABEL_MAX or not _WORD.fullmatch(value)):
            raise InvalidInput(f"{what}.{key} {quoted(value)} is not valid: {_RULE}")
    return dict(labels)


def _is_key(key: str) -> bool:
    prefix, slash, word = key.rpartition("/")
    if slash and (len(prefix) > NAME_MAX or not _PREFIX.fullmatch(prefix)):
        return False
    return len(word) <= LABEL_MAX and _WORD.fullmatch(word) is not None
