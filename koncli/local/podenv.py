"""Where a container's variables come from, as the manifest says it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from koncli.local.fields import Fields

__all__ = ["Import", "Reference", "Variable", "read_imports", "read_variable"]


@dataclass(frozen=True, slots=True)
class Reference:
    """Where a variable's value comes from: `source` is "field", "config" or "secret"."""

    source: str
    name: str
    key: str = ""
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Variable:
    """One entry of `env`: a value in which `$(NAME)` is expanded, or a reference."""

    name: str
    value: str = ""
    reference: Reference | None = None


@dataclass(frozen=True, slots=True)
class Import:
    """One entry of `envFrom`: all keys of a ConfigMap or Secret, with a prefix."""

    source: str
    name: str
    prefix: str = ""
    optional: bool = False


def read_variable(fields: Fields) -> Variable:
    """Parse one entry of `env`."""
    name, value = fields.text("name"), fields.text("value")
    if not name or "=" in name:
        fields.refuse("name", "a variable needs a name without =")
    reference = _read_reference(fields.child("valueFrom")) if "valueFrom" in fields else None
    fields.ignore("valueFrom", note=False)
    fields.done()
    return Variable(name, value, reference)


def _read_reference(fields: Fields) -> Reference | None:
    found = None
    if "fieldRef" in fields:
        ref = fields.child("fieldRef")
        found = Reference("field", ref.text("fieldPath"))
        ref.ignore("apiVersion", note=False)
        ref.done()
    for field, source in (("configMapKeyRef", "config"), ("secretKeyRef", "secret")):
        if field in fields:
            ref = fields.child(field)
            found = Reference(source, ref.text("name"), ref.text("key"), ref.flag("optional"))
            ref.done()
    fields.unsupported({"resourceFieldRef": "resources are not limited here", "fileKeyRef": "can't be had here"})
    fields.ignore("fieldRef", "configMapKeyRef", "secretKeyRef", note=False)
    fields.done()
    return found


def read_imports(fields: Fields) -> list[Import]:
    """Parse one entry of `envFrom`."""
    found = []
    prefix = fields.text("prefix")
    for field, source in (("configMapRef", "config"), ("secretRef", "secret")):
        if field in fields:
            ref: Any = fields.child(field)
            found.append(Import(source, ref.text("name"), prefix, ref.flag("optional")))
            ref.done()
    fields.ignore("configMapRef", "secretRef", note=False)
    fields.done()
    return found
