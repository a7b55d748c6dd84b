"""The values of annotations as text, and how each form of them is read.

Each method answers with its default where the annotation is absent, and raises `InvalidInput` for a malformed value.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Final, TypeVar

from konductor_core.amounts import SHARES, amount_of
from konductor_core.annotations import PREFIX
from konductor_core.durations import to_ms, to_text
from konductor_core.errors import InvalidInput, quoted
from konductor_core.identity import COUNT_MAX, Kind, check_count, check_holder, check_name
from konductor_core.quantities import Amount

if TYPE_CHECKING:
    from konductor_core.annotations import Annotation

__all__ = ["Values"]

_MOST: Final = 32
"""How many entries a list may have."""

_PLACEHOLDER: Final = re.compile(r"\$\((POD_NAME|POD_UID|NODE_NAME)\)")
_WORD: Final = re.compile(r"\S{1,1000}")
_Choice = TypeVar("_Choice", bound=str | None)


class Values(Mapping[str, str]):
    """The `konductor.io/…` annotations of one pod; those of others are left out."""

    def __init__(self, annotations: Mapping[str, str] | None) -> None:
        if not isinstance(annotations, Mapping | None):
            raise InvalidInput(f"annotations {quoted(annotations)} are not a mapping: write name: value below them")
        self._values = {name: value for name, value in (annotations or {}).items() if str(name).startswith(PREFIX)}

    def __getitem__(self, name: str) -> str:
        value = self._values[name]
        if not isinstance(value, str):
            raise InvalidInput(f"annotation {name} {quoted(value)} is not text: put it in quotes")
        return value

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def word(self, annotation: Annotation) -> str | None:
        """Return text without spaces."""
        value = self._text(annotation)
        if value is not None and not _WORD.fullmatch(value):
            raise InvalidInput(f"annotation {annotation} {quoted(value)} is not valid: write it without spaces")
        return value

    def words(self, annotation: Annotation) -> tuple[str, ...]:
        """Return a list's entries, each once."""
        value = self._text(annotation)
        if value is None:
            return ()
        entries = tuple(entry.strip() for entry in value.split(","))
        if "" in entries:
            raise InvalidInput(
                f"annotation {annotation} {quoted(value)} has an empty entry: put one comma between names"
            )
        if len(entries) > _MOST:
            raise InvalidInput(f"annotation {annotation} has {len(entries)} entries: use at most {_MOST}")
        return _each_once(annotation, entries)

    def names(self, annotation: Annotation) -> tuple[str, ...]:
        """Return a list of names of objects."""
        return tuple(check_name(entry, f"annotation {annotation}: name") for entry in self.words(annotation))

    def names_with_timeouts(self, annotation: Annotation) -> tuple[tuple[str, int | None], ...]:
        """Return a list of `name` or `name:timeout` as names and milliseconds."""
        what = f"annotation {annotation}"
        found: dict[str, int | None] = {}
        for entry in self.words(annotation):
            name, colon, timeout = (part.strip() for part in entry.partition(":"))
            check_name(name, f"{what}: name")
            _refuse_again(annotation, name, found)
            found[name] = to_ms(timeout, what=f"{what}: timeout") if colon else None
        return tuple(found.items())

    def names_with_amounts(self, annotation: Annotation, kind: Kind) -> tuple[tuple[str, int | None], ...]:
        """Return a list of `name` or `name=amount` as names and how many permits of the kind that is."""
        what = f"annotation {annotation}"
        found: dict[str, int | None] = {}
        for entry in self.words(annotation):
            name, equals, amount = (part.strip() for part in entry.partition("="))
            check_name(name, f"{what}: name")
            _refuse_again(annotation, name, found)
            if kind is Kind.SEMAPHORE:
                found[name] = _whole(amount, f"{what}: permits", 1, COUNT_MAX) if equals else None
            elif equals:
                found[name] = amount_of(kind, amount, f"{what}: {name}")
            else:
                found[name] = SHARES["write"] if kind is Kind.RWMUTEX else 1
        return tuple(found.items())

    def amounts(self, annotation: Annotation) -> tuple[Amount, ...]:
        """Return a list of amounts of resources, each resource once."""
        found: dict[str, Amount] = {}
        for entry in self.words(annotation):
            amount = Amount.parse(entry, f"annotation {annotation}")
            _refuse_again(annotation, amount.resource, found)
            found[amount.resource] = amount
        return tuple(found.values())

    def duration(self, annotation: Annotation, *, minimum_ms: int = 0) -> int | None:
        """Return a duration in milliseconds."""
        value = self._text(annotation)
        if value is None:
            return None
        ms = to_ms(value, what=f"annotation {annotation}")
        if ms < minimum_ms:
            raise InvalidInput(
                f"annotation {annotation} {quoted(value)} is too short: use at least {to_text(minimum_ms)}"
            )
        return ms

    def count(self, annotation: Annotation, *, default: int, minimum: int, maximum: int) -> int:
        """Return a whole number."""
        value = self._text(annotation)
        return default if value is None else _whole(value, f"annotation {annotation}", minimum, maximum)

    def choice(self, annotation: Annotation, default: _Choice, *others: _Choice) -> _Choice:
        """Return one of a few words."""
        value = self._text(annotation)
        if value is None:
            return default
        for choice in (default, *others):
            if value == choice:
                return choice
        choices = " or ".join(filter(None, (default, *others)))
        raise InvalidInput(f"annotation {annotation} {quoted(value)} is unknown: use {choices}")

    def flag(self, annotation: Annotation, *, default: bool) -> bool:
        """Return whether it says true."""
        return self.choice(annotation, str(default).lower(), str(not default).lower()) == "true"

    def holder(self, annotation: Annotation) -> str | None:
        """Return the name of a holder, with the variables in it that Kubernetes fills in."""
        value = self._text(annotation)
        if value is None:
            return None
        check_holder(value, f"annotation {annotation}")
        if "$" in _PLACEHOLDER.sub("", value):
            raise InvalidInput(
                f"annotation {annotation} {quoted(value)} has a $ that stands for nothing: "
                "use $(POD_NAME), $(POD_UID) or $(NODE_NAME)"
            )
        return value

    def _text(self, annotation: Annotation) -> str | None:
        value = self.get(annotation)
        return None if value is None else value.strip()


def _each_once(annotation: Annotation, entries: tuple[str, ...]) -> tuple[str, ...]:
    seen: set[str] = set()
    for entry in entries:
        _refuse_again(annotation, entry, seen)
        seen.add(entry)
    return entries


def _refuse_again(annotation: Annotation, name: str, seen: Mapping[str, object] | set[str]) -> None:
    if name in seen:
        raise InvalidInput(f"annotation {annotation} names {quoted(name)} twice: name it once")


def _whole(text: str, what: str, minimum: int, maximum: int) -> int:
    digits = text.removeprefix("-")
    if not (digits.isascii() and digits.isdigit() and len(digits) < 10):
        raise InvalidInput(f"{what} {quoted(text)} is not a whole number: use one from {minimum} to {maximum}")
    return check_count(int(text), what, minimum, maximum)
