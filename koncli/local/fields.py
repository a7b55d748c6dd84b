"""Reading manifests strictly: every field is used, knowingly ignored, or refused by name with its place.

`Refusals` collects what can't run, so that one run of koncli names all of it. Fields that mean nothing to a local
process (images, resources, scheduling) are noted instead.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from koncli.output import message
from konductor_core.errors import InvalidInput, did_you_mean, quoted
from konductor_core.identity import check_name


@dataclass(slots=True)
class Refusals:
    """What these manifests ask for and can't have here, and what is harmlessly left out."""

    refused: list[str] = field(default_factory=list)
    ignored: dict[str, None] = field(default_factory=dict)
    """Names of fields without meaning here; a dict keeps the order of their first appearance."""

    def refuse(self, where: str, why: str) -> None:
        """Note one reason why this can't run; `where` is `file:line: Kind name: field`."""
        self.refused.append(f"{where}: {why}")

    def raise_if_any(self) -> None:
        """Raise InvalidInput if anything was refused; several reasons are told before it, one line each."""
        if len(self.refused) == 1:
            raise InvalidInput(self.refused[0])
        if self.refused:
            for reason in self.refused:
                message(f"refused: {reason}")
            raise InvalidInput(f"there are {len(self.refused)} reasons why these manifests can't run here")


class Fields:
    """One mapping of a manifest: ask for its fields by type, then call `done`, which refuses the rest."""

    def __init__(self, value: Mapping[str, Any], where: str, refusals: Refusals, path: str = "") -> None:
        self._value = value
        self._where = where
        self._path = path
        self._asked: set[str] = set()
        self.refusals = refusals

    def __contains__(self, name: str) -> bool:
        return self._value.get(name) is not None

    def place(self, name: str = "") -> str:
        """Where the field stands: `file:line: Kind name: spec.template…`."""
        path = f"{self._path}.{name}" if self._path and name else self._path or name
        return f"{self._where}: {path}" if path else self._where

    def refuse(self, name: str, why: str) -> None:
        """Refuse the field `name` with a reason."""
        self._asked.add(name)
        self.refusals.refuse(self.place(name), why)

    def text(self, name: str, default: str = "") -> str:
        """Return a string; numbers and booleans are refused, as the API server does."""
        value = self._get(name)
        if value is None or isinstance(value, str):
            return default if value is None else value
        self.refuse(name, f"{quoted(value)} is not text: put it in quotes")
        return default

    def name(self, name: str = "name", check: Callable[[str, str], str] = check_name) -> str:
        """Return a name that Kubernetes would accept; others must not become parts of paths either."""
        value = self.text(name)
        try:
            return check(value, name)
        except InvalidInput as error:
            self.refuse(name, error.message)
            return "refused"

    def one_of(self, name: str, options: tuple[str, ...]) -> str:
        """One of `options`; the first is the default."""
        value = self.text(name, options[0])
        if value not in options:
            self.refuse(name, f"{quoted(value)} is none of {', '.join(options)}")
            return options[0]
        return value

    def whole(self, name: str, minimum: int = 0) -> int | None:
        """Return a whole number of at least `minimum`, or None where absent."""
        value = self._get(name)
        if value is None:
            return None
        if not isinstance(value, int) or isinstance(value, bool) or value < minimum:
            self.refuse(name, f"{quoted(value)} is not a whole number of at least {minimum}")
            return None
        return value

    def whole_or_text(self, name: str) -> int | str | None:
        """Return a whole number of at least 0 or a text, as ports and percentages are given; None where absent."""
        return self.text(name) if isinstance(self._get(name), str) else self.whole(name)

    def flag(self, name: str) -> bool:
        """Return a boolean; absent is false."""
        value = self._get(name)
        if value is not None and not isinstance(value, bool):
            self.refuse(name, f"{quoted(value)} is neither true nor false")
        return value is True

    def strings(self, name: str) -> tuple[str, ...]:
        """Return a list of strings; absent is empty."""
        value = self._get(name)
        if value is None:
            return ()
        if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
            self.refuse(name, "is not a list of texts: put numbers and booleans in quotes")
            return ()
        return tuple(value)

    def pairs(self, name: str) -> dict[str, str]:
        """Return a mapping of strings to strings; absent is empty."""
        value = self._get(name)
        if value is None:
            return {}
        if not isinstance(value, Mapping) or not all(isinstance(each, str) for each in value.values()):
            self.refuse(name, "is not a mapping of texts: put numbers and booleans in quotes")
            return {}
        return {str(key): each for key, each in value.items()}

    def child(self, name: str) -> Self:
        """Return the mapping under `name`; empty where absent."""
        value = self._get(name)
        if value is not None and not isinstance(value, Mapping):
            self.refuse(name, f"{quoted(value)} is not a mapping")
            value = None
        return self._sub(value or {}, name)

    def children(self, name: str) -> Iterator[Self]:
        """Each mapping of the list under `name`; its place carries its own name where it has one."""
        value = self._get(name)
        if value is not None and not isinstance(value, list):
            self.refuse(name, f"{quoted(value)} is not a list")
            value = None
        for index, each in enumerate(value or []):
            if isinstance(each, Mapping):
                called = each.get("name")
                yield self._sub(each, f"{name}[{called if isinstance(called, str) else index}]")
            else:
                self.refuse(f"{name}[{index}]", f"{quoted(each)} is not a mapping")

    def ignore(self, *names: str, note: bool = True) -> None:
        """Fields that a local process has no use for; noted once per run unless `note` is false."""
        for name in names:
            self._asked.add(name)
            if note and name in self:
                self.refusals.ignored.setdefault(name)

    def unsupported(self, why: Mapping[str, str]) -> None:
        """Fields that change what happens and can't be had here, each with its reason."""
        for name, reason in why.items():
            self._asked.add(name)
            if self._value.get(name) not in (None, False, [], {}):
                self.refuse(name, reason)

    def done(self) -> None:
        """Refuse whatever was not asked for."""
        for name in self._value:
            if name not in self._asked:
                close = did_you_mean(str(name), self._asked)
                advice = f"did you mean {close}?" if close else "it is unknown, or can't be had in a local run"
                self.refusals.refuse(self.place(str(name)), advice)

    def _get(self, name: str) -> Any:  # noqa: ANN401 - YAML holds anything; the callers check
        self._asked.add(name)
        return self._value.get(name)

    def _sub(self, value: Mapping[str, Any], name: str) -> Self:
        path = f"{self._path}.{name}" if self._path else name
        return type(self)(value, self._where, self.refusals, path)
