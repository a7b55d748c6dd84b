"""Templates of pods in Jobs, CronJobs, Deployments and StatefulSets: what would be refused later is refused at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from konductor_core.annotations import Annotation
from konductor_core.errors import InvalidInput, quoted
from webhook.checks import overrun
from webhook.inject import inject
from webhook.shapes import mapping

if TYPE_CHECKING:
    from konductor_core.coordination import Coordination
    from webhook.defaults import Defaults
    from webhook.shapes import Json

__all__ = ["TEMPLATES", "Template", "inspect"]


@dataclass(frozen=True, slots=True)
class Template:
    """Where a kind has its template of pods, and where what makes the pods, as paths."""

    kind: str
    template: tuple[str, ...]
    maker: tuple[str, ...] = ("spec",)


TEMPLATES: Final = {
    ("apps", "Deployment"): Template("Deployment", ("spec", "template")),
    ("apps", "StatefulSet"): Template("StatefulSet", ("spec", "template")),
    ("batch", "Job"): Template("Job", ("spec", "template")),
    ("batch", "CronJob"): Template(
        "CronJob", ("spec", "jobTemplate", "spec", "template"), ("spec", "jobTemplate", "spec")
    ),
}
"""(group, kind) of what has a template."""


def inspect(where: Template, document: Json, old: Json, defaults: Defaults) -> tuple[str, ...]:
    """Return the warnings about a document's template; none if nothing of it has changed since `old`.

    Raises `InvalidInput` for what would be refused of its pods, and for annotations where nothing reads them.
    """
    if old and _relevant(where, document) == _relevant(where, old):
        return ()
    template = _at(document, where.template)
    _refuse_misplaced(where, document, template)
    try:
        injection = inject(template, defaults)
    except InvalidInput as error:
        raise InvalidInput(f"{'.'.join(where.template)}: {error.message}", hint=error.hint) from None
    wanted = injection.wanted
    if not wanted.asks:
        return ()
    more = _warnings(
        wanted, _at(document, where.maker), is_job=where.maker[-1] == "spec" and where.kind.endswith("Job")
    )
    return (*injection.warnings, *(f"konductor: {each}" for each in more))


def _at(document: Json, path: tuple[str, ...]) -> Json:
    place = ""
    for key in path:
        document = mapping(document, key, place)
        place += f"{key}."
    return document


def _relevant(where: Template, document: Json) -> tuple[object, ...]:
    spec = {key: value for key, value in _at(document, where.maker).items() if key != "replicas"}
    return spec, mapping(mapping(document, "metadata"), "annotations", "metadata.")


def _refuse_misplaced(where: Template, document: Json, template: Json) -> None:
    """Raise `InvalidInput` for an annotation beside the template that the template lacks: it was meant for the pods."""
    path = f"{'.'.join(where.template)}.metadata.annotations"
    meant = mapping(mapping(template, "metadata"), "annotations", path)
    for depth in range(len(where.template)):
        above = _at(document, where.template[:depth])
        place = ".".join((*where.template[:depth], "metadata"))
        for name in mapping(mapping(above, "metadata", place), "annotations", f"{place}."):
            if name in _KNOWN and name not in meant:
                raise InvalidInput(f"annotation {name} stands in {place}, where nothing reads it: move it to {path}")


_KNOWN: Final = frozenset(Annotation)


def _warnings(wanted: Coordination, maker: Json, *, is_job: bool) -> list[str]:
    found = []
    pods = [maker.get(key) for key in ("completions", "parallelism", "replicas")]
    several = any(isinstance(number, int) and number > 1 for number in pods)
    if wanted.holder is not None and several and "$(POD_" not in wanted.holder:
        found.append(f"all pods of this template hold as {quoted(wanted.holder)}, so that they share one lease")
    if not is_job:
        return found
    if overran := overrun(wanted, maker.get("activeDeadlineSeconds"), ends="the Job"):
        found.append(overran)
    if several and wanted.arrives and wanted.arrive_on == "start" and maker.get("completionMode") != "Indexed":
        found.append(
            "each pod of this Job arrives by itself, and once more where one takes the place of another: "
            "with completionMode: Indexed each index arrives once"
        )
    return found
