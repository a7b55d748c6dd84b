"""The machinery that all models share: fields that describe themselves, and specs read from manifests.

A model is a frozen dataclass whose fields carry a `Shape` in their metadata. The shapes are the one source of the JSON
that koncli prints, of the checks on manifests, and of the schemas of the custom resources.

In Python a field is `max_bypass_ms`, in milliseconds; in JSON it is `maxBypass`, a Go-style duration, and a moment is
RFC 3339 text.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal, Self

from konductor_core.durations import DURATION_PATTERN, rfc3339, to_text
from konductor_core.errors import InvalidInput, quoted
from konductor_core.identity import COUNT_MAX
from konductor_core.models.checks import check, read, remedy, wanted

if TYPE_CHECKING:
    from dataclasses import Field

    from konductor_core.identity import Kind

__all__ = [
    "Checked",
    "Column",
    "Model",
    "Rule",
    "Shape",
    "Spec",
    "choice",
    "count",
    "duration",
    "flag",
    "internal",
    "items",
    "json_name",
    "mapping",
    "moment",
    "name_of",
    "namespace_of",
    "nested_spec",
    "parts",
    "shape_of",
    "text",
]

Form = Literal[
    "integer",
    "boolean",
    "duration",
    "time",
    "choice",
    "string",
    "name",
    "namespace",
    "map",
    "list",
    "parts",
    "spec",
    "internal",
]
_SHAPE: Final = "shape"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What one field means. `minimum` and `maximum` bound an integer; for a duration they are milliseconds.

    `name` is the JSON name where it isn't the field's own in camelCase. `of` is the model of a list's items, and
    `maximum` how many there may be. With `sparse`, what is empty or false is left out of the JSON.
    """

    form: Form
    description: str
    minimum: int | None = None
    maximum: int | None = None
    choices: tuple[str, ...] = ()
    pattern: str | None = None
    name: str | None = None
    of: type[Model] | None = None
    sparse: bool = False

    def metadata(self) -> dict[str, Shape]:
        """Return the `metadata=` of the field."""
        return {_SHAPE: self}


def count(description: str, *, minimum: int = 0, maximum: int = COUNT_MAX, name: str | None = None) -> dict[str, Shape]:
    """Describe a whole number."""
    return Shape(form="integer", description=description, minimum=minimum, maximum=maximum, name=name).metadata()


def duration(description: str, *, minimum_ms: int = 0) -> dict[str, Shape]:
    """Describe a duration of at least `minimum_ms`."""
    return Shape(form="duration", description=description, minimum=minimum_ms, pattern=DURATION_PATTERN).metadata()


def moment(description: str, *, name: str | None = None) -> dict[str, Shape]:
    """Describe a moment of the server's clock, in milliseconds since 1970."""
    return Shape(form="time", description=description, name=name).metadata()


def choice(description: str, *choices: str) -> dict[str, Shape]:
    """Describe one of a few words."""
    return Shape(form="choice", description=description, choices=choices).metadata()


def flag(description: str, *, sparse: bool = False) -> dict[str, Shape]:
    """Describe a truth value."""
    return Shape(form="boolean", description=description, sparse=sparse).metadata()


def text(description: str, *, sparse: bool = False) -> dict[str, Shape]:
    """Describe text."""
    return Shape(form="string", description=description, sparse=sparse).metadata()


def name_of(description: str) -> dict[str, Shape]:
    """Describe the name of an object."""
    return Shape(form="name", description=description).metadata()


def namespace_of(description: str) -> dict[str, Shape]:
    """Describe the name of a namespace."""
    return Shape(form="namespace", description=description).metadata()


def items(description: str, of: type[Model]) -> dict[str, Shape]:
    """Describe a tuple of models."""
    return Shape(form="list", description=description, of=of).metadata()


def parts(description: str, of: type[Checked], most: int) -> dict[str, Shape]:
    """Describe a tuple of up to `most` parts of a spec, each of which is checked like the spec itself."""
    return Shape(form="parts", description=description, of=of, maximum=most, sparse=True).metadata()


def mapping(description: str) -> dict[str, Shape]:
    """Describe a mapping with text as keys."""
    return Shape(form="map", description=description).metadata()


def nested_spec() -> dict[str, Shape]:
    """Describe the spec inside a status, whose fields the JSON shows as the status's own."""
    return Shape(form="spec", description="What was asked for.").metadata()


def internal() -> dict[str, Shape]:
    """Describe a field that no JSON shows."""
    return Shape(form="internal", description="").metadata()


def shape_of(each: Field[Any]) -> Shape:
    """Return the shape of a dataclass field of a model."""
    shape: Shape = each.metadata[_SHAPE]
    return shape


def json_name(each: Field[Any]) -> str:
    """Return a field's name in manifests and JSON: `max_bypass_ms` is `maxBypass`."""
    if name := shape_of(each).name:
        return name
    first, *rest = each.name.removesuffix("_ms").split("_")
    return first + "".join(word.capitalize() for word in rest)


class Model:
    """A frozen dataclass whose fields have shapes, and which shows itself as JSON."""

    __slots__ = ()
    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]

    def to_dict(self) -> dict[str, Any]:
        """Return the fields under their JSON names, in order, without those that are None."""
        document: dict[str, Any] = {}
        for each in fields(self):
            value, shape = getattr(self, each.name), shape_of(each)
            if value is None or shape.form == "internal" or (shape.sparse and not value):
                continue
            if shape.form == "spec":
                document |= value.to_dict()
            else:
                document[json_name(each)] = _shown(value, shape.form)
        return document


def _shown(value: Any, form: Form) -> Any:  # noqa: ANN401 - any field's value
    match form:
        case "duration":
            return to_text(value)
        case "time":
            return rfc3339(value)
        case "list" | "parts":
            return [item.to_dict() for item in value]
        case "map":
            return dict(value)
        case _:
            return value


@dataclass(frozen=True, slots=True)
class Rule:
    """What the API server checks of a spec, or of a part of one: a CEL expression over `self`, and what it says."""

    expression: str
    message: str


@dataclass(frozen=True, slots=True)
class Column:
    """One column of `kubectl get`: its title, and the path to its value."""

    title: str
    path: str
    type: Literal["string", "integer", "date"] = "string"


class Checked(Model):
    """What manifests say: constructing one checks every field, and their combination.

    `rules` tell the API server what `_cross_check` checks.
    """

    __slots__ = ()
    rules: ClassVar[tuple[Rule, ...]] = ()

    def __post_init__(self) -> None:
        for each in fields(self):
            value = getattr(self, each.name)
            if value is not None or each.default is not None:
                check(value, shape_of(each), json_name(each))
        self._cross_check()

    def _cross_check(self) -> None:
        """Raise `InvalidInput` if fields that are each valid contradict each other."""

    @classmethod
    def from_dict(cls, document: object, *, where: str = "spec") -> Self:
        """Return what a manifest's mapping describes; `where` is its path in error messages.

        A field that is null counts as absent. Raises `InvalidInput` for an unknown field (and suggests the right
        one), a missing field, a wrong type, a value out of bounds, or fields that contradict each other.
        """
        if document is None:
            document = {}
        if not isinstance(document, Mapping):
            raise InvalidInput(f"{where} {quoted(document)} is not a mapping: write its fields below it")
        known = {json_name(each): each for each in fields(cls)}
        for name in document:
            if name not in known:
                raise InvalidInput(f"{where} has the unknown field {quoted(name)}: {remedy(str(name), known)}")
        values: dict[str, Any] = {}
        for name, each in known.items():
            value = document.get(name)
            if value is not None:
                values[each.name] = read(value, shape_of(each), f"{where}.{name}")
            elif each.default is MISSING:
                raise InvalidInput(f"{where}.{name} is missing: {wanted(shape_of(each))}")
        return cls(**values)


class Spec(Checked):
    """What a manifest's `spec` says of one kind. `about` is the kind in a sentence, for `kubectl explain`."""

    __slots__ = ()
    kind: ClassVar[Kind]
    about: ClassVar[str]
