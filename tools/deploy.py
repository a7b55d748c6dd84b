"""What is in deploy/: the definitions come from the models, the kustomize base from the chart.

chart/templates/, chart/values.yaml    written by hand: the one source of all manifests
chart/files/crds/                      the definitions, for the chart
chart/files/dashboard.json             the Grafana dashboard
chart/templates/webhook-configuration.yaml    what the API server is told about the webhook
chart/values.schema.json               what values may be given
crds/, base/                           the definitions, and the chart with its default values, for kubectl apply -k
kustomization.yaml                     lists them
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final

import yaml

from konductor_core.schema import crds
from tools.binaries import find
from tools.dashboard import dashboard
from tools.values_schema import values_schema
from webhook.configuration import configurations

__all__ = ["CHART", "NAMESPACE", "manifests", "template"]

CHART: Final = Path(__file__).resolve().parent.parent / "deploy/chart"
NAMESPACE: Final = "konductor-system"
_HEAD: Final = "# Made by `make generate` from {source}. Do not edit.\n"
_CONFIGURATIONS: Final = """\
{{{{- /* Made by `make generate` from webhook/configuration.py. Do not edit. */ -}}}}
{{{{- if .Values.webhook.enabled }}}}
{text}{{{{- end }}}}
"""
_ANNOTATIONS: Final = """\
  {{- with .Values.webhook.configurationAnnotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
"""
_SOURCE: Final = re.compile(r"^# Source: konductor/templates/(\S+)\n", re.MULTILINE)


def manifests() -> dict[str, str]:
    """Return path (from the repository's root) -> text of every generated file in deploy/."""
    definitions = {f"{kind.plural}.yaml": _definition(crd) for kind, crd in crds().items()}
    files = {f"files/crds/{name}": text for name, text in definitions.items()}
    files["files/dashboard.json"] = dashboard()
    files["templates/webhook-configuration.yaml"] = _webhook_configurations()
    files["values.schema.json"] = values_schema((CHART / "values.yaml").read_text(encoding="utf-8"))
    base = _base(files)
    return {
        **{f"deploy/chart/{name}": text for name, text in files.items()},
        **{f"deploy/crds/{name}": text for name, text in definitions.items()},
        **{f"deploy/base/{name}": text for name, text in base.items()},
        "deploy/kustomization.yaml": _kustomization([*definitions], [*base]),
    }


def template(chart: Path, *arguments: str) -> str:
    """Return the manifests of a chart as `helm template` prints them."""
    command = [find("helm"), "template", "konductor", str(chart), "--namespace", NAMESPACE, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - a program of our choice
    if done.returncode:
        raise RuntimeError(done.stderr.strip())
    return done.stdout


def _definition(crd: dict[str, object]) -> str:
    # Uninstalling must not delete the definitions, because all objects would go with them.
    metadata = {**crd["metadata"], "annotations": {"helm.sh/resource-policy": "keep"}}  # type: ignore[dict-item]
    text = yaml.safe_dump({**crd, "metadata": metadata}, sort_keys=False, width=120, allow_unicode=True)
    return _HEAD.format(source="the models in konductor_core/models") + text


def _webhook_configurations() -> str:
    """Return the template of what the API server is told about the webhook."""
    labels = {
        "app.kubernetes.io/name": "konductor",
        "app.kubernetes.io/component": "webhook",
        "app.kubernetes.io/part-of": "konductor",
        "app.kubernetes.io/version": "{{ .Chart.AppVersion }}",
    }
    documents = configurations("{{ .Release.Namespace }}", labels)
    text = "---\n".join(yaml.safe_dump(document, sort_keys=False, width=120) for document in documents)
    return _CONFIGURATIONS.format(text=text.replace("metadata:\n", "metadata:\n" + _ANNOTATIONS))


def _base(files: dict[str, str]) -> dict[str, str]:
    """Return the chart with its default values, one file for each template; `files` are its generated ones."""
    with tempfile.TemporaryDirectory() as folder:
        chart = Path(folder) / "konductor"
        shutil.copytree(CHART, chart, ignore=shutil.ignore_patterns("crds", "values.schema.json"))
        for name, text in files.items():
            (chart / name).parent.mkdir(parents=True, exist_ok=True)
            (chart / name).write_text(text, encoding="utf-8")
        rendered = template(chart, "--set", "crds.install=false")
    texts: dict[str, list[str]] = {}
    for document in re.split(r"^---\n", rendered, flags=re.MULTILINE):
        if source := _SOURCE.search(document):
            texts.setdefault(source[1], []).append(_SOURCE.sub("", document).strip() + "\n")
    head = _HEAD.format(source="deploy/chart")
    return {name: head + "---\n".join(texts[name]) for name in sorted(texts)}


def _kustomization(definitions: list[str], base: list[str]) -> str:
    resources = ["namespace.yaml", *(f"crds/{name}" for name in definitions), *(f"base/{name}" for name in base)]
    document = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": resources,
    }
    return _HEAD.format(source="deploy/chart") + yaml.safe_dump(document, sort_keys=False)
