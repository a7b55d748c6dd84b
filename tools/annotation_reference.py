"""The annotations as Markdown, from where they are declared."""

from __future__ import annotations

from typing import Final

from konductor_core.annotations import ENABLED_LABEL, GATES_FROM, Annotation

HEAD: Final = """<!-- Made by `make generate` from konductor_core/annotations.py. Do not edit. -->

# Annotations

They stand on a pod: in a Job under `spec.template.metadata.annotations`, in a CronJob one `jobTemplate.spec` deeper.
[how-injection-works.md](how-injection-works.md) shows what becomes of them.

- Every value is text: write `"true"` and `"2"` in quotes.
- Names are those of objects in the pod's namespace. A list has commas between its entries, 32 at most.
- A duration is written like `30s`, `10m`, `1h30m` or `500ms`.
- What is unknown, malformed or without effect is refused when the pod is created, and already when a Job, CronJob,
  Deployment or StatefulSet with it is applied. Nothing is ignored.
"""


def annotation_reference() -> str:
    """Return the page."""
    lines = [HEAD]
    for each in Annotation:
        lines += [f"## {each.word}", "", each.meaning, "", f"Value: {each.form}.", ""]
        if each is not Annotation.STATUS:
            lines += ["```yaml", f'{each}: "{each.example}"', "```", ""]
    lines += ["## On a namespace", "", *_namespace()]
    return "\n".join(lines).rstrip() + "\n"


def _namespace() -> list[str]:
    return [
        f'The label `{ENABLED_LABEL}: "true"` gives the connection to Redis and the identity of the pod to all',
        "containers of all its pods that do not set them themselves, so that they can run `koncli` as they are.",
        f'`{ENABLED_LABEL}: "false"` keeps Konductor out of a namespace: annotations of its pods have no effect.',
        "",
        f'The annotation `{GATES_FROM}: "team-a, team-b"` lets the gates of only these other namespaces look at what',
        "is in this one; with an empty value none may. Without it all may: they learn whether their conditions hold,",
        "and in which state what they name is. See [gate.md](gate.md#other-namespaces).",
    ]
