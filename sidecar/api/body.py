"""The JSON object of a request: each field asked for by its type, the rest refused by name."""

from __future__ import annotations

import json
from typing import Any

from konductor_core.durations import to_ms, to_text
from konductor_core.errors import InvalidInput, did_you_mean, quoted

__all__ = ["Body"]


class Body:
    """The fields of a request's body. Every method raises `InvalidInput`; call `done` after the last."""

    def __init__(self, data: bytes) -> None:
        self._asked: set[str] = set()
        try:
            found = json.loads(data) if data.strip() else {}
        except (ValueError, RecursionError) as error:
            raise InvalidInput(f"the body is not JSON: {error}") from None
        if not isinstance(found, dict):
            raise InvalidInput(f"the body is {quoted(found)}: send a JSON object, or nothing")
        self._fields: dict[str, Any] = found

    def text(self, name: str) -> str | None:
        """Return a text, None where it is absent."""
        value = self._get(name)
        if value is not None and not isinstance(value, str):
            raise InvalidInput(f"{name} {quoted(value)} is not text")
        return value

    def whole(self, name: str) -> int | None:
        """Return a whole number, None where it is absent."""
        value = self._get(name)
        if value is not None and (not isinstance(value, int) or isinstance(value, bool)):
            raise InvalidInput(f"{name} {quoted(value)} is not a whole number")
        return value

    def flag(self, name: str, *, default: bool) -> bool:
        """Return true or false."""
        value = self._get(name)
        if value is not None and not isinstance(value, bool):
            raise InvalidInput(f"{name} {quoted(value)} is neither true nor false")
        return default if value is None else value

    def has(self, name: str) -> bool:
        """Tell whether a field is there."""
        self._asked.add(name)
        return self._fields.get(name) is not None

    def duration(self, name: str, default: str = "0", *, most_ms: int | None = None) -> str:
        """Return a duration like `30s`, which is `most_ms` at most."""
        given = self.text(name)
        value = default if given is None else given
        ms = to_ms(value, what=name)
        if most_ms is not None and ms > most_ms:
            most = to_text(most_ms)
            raise InvalidInput(f"{name} {quoted(value)} is too long for one request: use at most {most}")
        return value

    def done(self) -> None:
        """Refuse whatever was not asked for."""
        for name in self._fields:
            if name not in self._asked:
                guess = did_you_mean(name, self._asked)
                known = f"known are {', '.join(sorted(self._asked))}" if self._asked else "this request takes none"
                raise InvalidInput(
                    f"the field {quoted(name)} is unknown: {f'did you mean {guess}?' if guess else known}"
                )

    def _get(self, name: str) -> Any:  # noqa: ANN401 - JSON holds anything; the callers check
        self._asked.add(name)
        return self._fields.get(name)
