"""The API server itself takes whatever the chart can make."""

from __future__ import annotations

import pytest
import yaml

from tests.deploy.rendering import VALUES, render
from tests.e2e.cluster import kubectl

LEFT_OUT = {"ServiceMonitor", "PrometheusRule", "CustomResourceDefinition"}
"""What only the Prometheus operator defines, and what is installed as it is."""


@pytest.mark.parametrize("values", ["", *VALUES])
def test_the_api_server_has_nothing_against_the_manifests(values: str) -> None:
    # Under other names: some fields of what is installed cannot change.
    documents = [
        {**each, "metadata": {**each["metadata"], "name": f"{each['metadata']['name']}-dry"}}
        for each in render(values)
        if each["kind"] not in LEFT_OUT
    ]
    printed = kubectl("create", "--dry-run=server", "-f", "-", given=yaml.safe_dump_all(documents))
    assert len(printed.splitlines()) == len(documents), printed
    assert "Warning" not in printed
