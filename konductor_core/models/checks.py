"""What a manifest may say in a field: values read and checked by the field's shape, and remedies for what is wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

from konductor_core.durations import MAX_MS, to_ms, to_text
from konductor_core.errors import InvalidInput, did_you_mean, either, quoted
from konductor_core.identity import COUNT_MAX, check_count, check_name, check_namespace

if TYPE_CHECKING:
    from collections.abc import Mapping

    from konductor_core.models.base import Checked, Shape

__all__ = ["check", "read", "remedy", "wanted"]

_NAMES: Final = {"name": check_name, "namespace": check_namespace}


def remedy(name: str, known: Mapping[str, object]) -> str:
    """Return what to do about a field that is none of those known."""
    if not known:
        return "it has none"
    guess = did_you_mean(name, known)
    return f"did you mean {guess}?" if guess else f"known are {', '.join(known)}"


def wanted(shape: Shape) -> str:
    """Return what to do about a field that is missing."""
    match shape.form:
        case "duration":
            return "give it a duration like 30s, 1h30m or 500ms"
        case "choice":
            return f"give it one of {', '.join(shape.choices)}"
        case "name":
            return "give it the name of an object"
        case _:
            return f"give it a whole number from {shape.minimum} to {shape.maximum}"


def read(value: object, shape: Shape, what: str) -> Any:  # noqa: ANN401 - any field's value
    """Return the Python value of a manifest's value, checked; durations in ms. Raises `InvalidInput`, naming `what`."""
    if shape.form == "duration":
        if isinstance(value, (int, float)) and not isinstance(value, bool) and value != 0:
            raise InvalidInput(f"{what} {quoted(value)} has no unit: for seconds write {value}s")
        value = to_ms(value, what=what)  # type: ignore[arg-type]  # anything else is refused there
    if shape.form == "integer" and isinstance(value, str) and value.isdigit():
        raise InvalidInput(f"{what} {quoted(value)} is text: write the number without quotes")
    if shape.form == "parts":
        return _read_parts(value, shape, what)
    check(value, shape, what)
    return value


def _read_parts(value: object, shape: Shape, what: str) -> tuple[Checked, ...]:
    if not isinstance(value, (list, tuple)):
        raise InvalidInput(f"{what} {quoted(value)} is not a list: begin each item with '-'")
    of = cast("type[Checked]", shape.of)
    return tuple(of.from_dict(each, where=f"{what}[{at}]") for at, each in enumerate(value))


def check(value: Any, shape: Shape, what: str) -> None:  # noqa: ANN401 - any field's value
    """Raise `InvalidInput`, naming `what`, if a Python value is not what its field's shape allows."""
    match shape.form:
        case "integer":
            check_count(value, what, shape.minimum or 0, COUNT_MAX if shape.maximum is None else shape.maximum)
        case "boolean":
            if not isinstance(value, bool):
                raise InvalidInput(f"{what} {quoted(value)} is neither true nor false: write one of them")
        case "choice":
            if value not in shape.choices:
                raise InvalidInput(f"{what} {quoted(value)} is unknown: {_instead(value, shape.choices)}")
        case "name" | "namespace":
            _NAMES[shape.form](value, what)
        case "parts":
            if len(value) > (shape.maximum or 0):
                raise InvalidInput(f"{what} has {len(value)} items: use at most {shape.maximum}")
        case "duration":
            _check_duration(value, shape, what)


def _check_duration(value: object, shape: Shape, what: str) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= MAX_MS:
        raise InvalidInput(f"{what} {quoted(value)} is not a number of milliseconds up to ten years")
    if value < (shape.minimum or 0):
        raise InvalidInput(f"{what} {to_text(value)} is too short: leave it out for none")


def _instead(value: object, choices: tuple[str, ...]) -> str:
    guess = did_you_mean(value, choices) if isinstance(value, str) and len(choices) > 3 else None
    return f"did you mean {guess}?" if guess else f"use {either(choices)}"
