"""What the API server is told: which requests it sends to the webhook, and what it does when there is no answer.

Pods that ask for something must not run without it (`Fail`); everything else goes on without the webhook (`Ignore`).
Only creations are changed, so that nothing in here can keep a pod from being deleted.
"""

from __future__ import annotations

from typing import Any, Final

from konductor_core.annotations import ENABLED_LABEL, PREFIX, WEBHOOK
from konductor_core.identity import GROUP, VERSION
from konductor_core.models.registry import SPECS

__all__ = ["MUTATE", "SERVICE_PORT", "VALIDATE", "configurations"]

MUTATE: Final = "/mutate"
VALIDATE: Final = "/validate"
SERVICE_PORT: Final = 443

_API: Final = "admissionregistration.k8s.io/v1"
_NAMESPACE: Final = "kubernetes.io/metadata.name"
_LABELS: Final = {"app.kubernetes.io/name": "konductor", "app.kubernetes.io/component": "webhook"}

Json = dict[str, Any]


def configurations(namespace: str, labels: dict[str, str] | None = None) -> tuple[Json, Json]:
    """Return the mutating and the validating configuration of a webhook that runs in `namespace`.

    The bundle of certificate authorities is left out: the webhook, or cert-manager, fills it in.
    """
    return (
        _configuration("MutatingWebhookConfiguration", [_pods(namespace), _environment(namespace)], labels),
        _configuration(
            "ValidatingWebhookConfiguration",
            [
                _templates(
                    namespace,
                    "templates",
                    "spec.template",
                    [("apps", "deployments", "statefulsets"), ("batch", "jobs")],
                ),
                _templates(namespace, "cronjobs", "spec.jobTemplate.spec.template", [("batch", "cronjobs")]),
                _objects(namespace),
            ],
            labels,
        ),
    )


def _configuration(kind: str, webhooks: list[Json], labels: dict[str, str] | None) -> Json:
    metadata = {"name": WEBHOOK, "labels": _LABELS if labels is None else labels}
    return {"apiVersion": _API, "kind": kind, "metadata": metadata, "webhooks": webhooks}


def _pods(namespace: str) -> Json:
    """Pods with annotations: refused while the webhook is away, rather than run without what they ask for."""
    return {
        **_webhook(namespace, "pods", MUTATE, "Fail"),
        "rules": [_rule("", VERSION, ["CREATE"], "pods")],
        "matchConditions": [{"name": "annotated", "expression": _annotated("object.metadata")}],
        "reinvocationPolicy": "IfNeeded",
        "timeoutSeconds": 10,
    }


def _environment(namespace: str) -> Json:
    """All pods of namespaces that ask for the connection: they also start while the webhook is away, without it."""
    webhook = _webhook(namespace, "environment", MUTATE, "Ignore")
    selector = webhook["namespaceSelector"]
    return {
        **webhook,
        "rules": [_rule("", VERSION, ["CREATE"], "pods")],
        "namespaceSelector": {**selector, "matchLabels": {ENABLED_LABEL: "true"}},
        "reinvocationPolicy": "IfNeeded",
    }


def _templates(namespace: str, name: str, path: str, resources: list[tuple[str, ...]]) -> Json:
    """What makes pods, and has annotations, on its template or by mistake on itself."""
    parts = path.split(".")
    template = ["object." + ".".join(parts[:depth]) for depth in range(1, len(parts) + 1)]
    there = " && ".join(f"has({each})" for each in [*template, f"{template[-1]}.metadata"])
    expression = f"({_annotated('object.metadata')}) || ({there} && {_annotated(f'{template[-1]}.metadata')})"
    return {
        **_webhook(namespace, name, VALIDATE, "Ignore"),
        "rules": [_rule(group, "v1", ["CREATE", "UPDATE"], *names) for group, *names in resources],
        "matchConditions": [{"name": "annotated", "expression": expression}],
    }


def _objects(namespace: str) -> Json:
    """Konductor's own objects."""
    return {
        **_webhook(namespace, "objects", VALIDATE, "Ignore"),
        "rules": [_rule(GROUP, VERSION, ["CREATE", "UPDATE"], *(kind.plural for kind in SPECS))],
    }


def _webhook(namespace: str, name: str, path: str, policy: str) -> Json:
    excluded = {"key": _NAMESPACE, "operator": "NotIn", "values": sorted({"kube-system", namespace})}
    opted_out = {"key": ENABLED_LABEL, "operator": "NotIn", "values": ["false"]}
    return {
        "name": f"{name}.webhook.{GROUP}",
        "admissionReviewVersions": ["v1"],
        "clientConfig": {
            "service": {"name": WEBHOOK, "namespace": namespace, "path": path, "port": SERVICE_PORT},
        },
        "failurePolicy": policy,
        "matchPolicy": "Equivalent",
        "namespaceSelector": {"matchExpressions": [excluded, opted_out]},
        "sideEffects": "None",
        "timeoutSeconds": 5,
    }


def _rule(group: str, version: str, operations: list[str], *resources: str) -> Json:
    return {
        "apiGroups": [group],
        "apiVersions": [version],
        "operations": operations,
        "resources": list(resources),
        "scope": "Namespaced",
    }


def _annotated(metadata: str) -> str:
    """Return the CEL expression that is true if `metadata` has one of Konductor's annotations."""
    return f"has({metadata}.annotations) && {metadata}.annotations.exists(k, k.startsWith('{PREFIX}'))"
