"""Fixtures of the tests on a real cluster: the one of KUBECONFIG. Without it, all of them are skipped.

Konductor is installed with `kubectl apply -k deploy/` if it is not there, and stays. Its images must be where the
cluster's nodes find them; KONDUCTOR_E2E_IMAGE names the slim one.

namespace    an empty, labelled namespace of the test's own
"""

from __future__ import annotations

import os
import secrets
from typing import TYPE_CHECKING

import pytest

from tests.deploy.rendering import BASE
from tests.e2e.cluster import SYSTEM, Namespace, kubectl

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def _installed() -> None:
    if not os.environ.get("KUBECONFIG"):
        pytest.skip("KUBECONFIG names no cluster")
    if not kubectl("-n", SYSTEM, "get", "deployment/konductor-controller", "--ignore-not-found", "-o", "name"):
        kubectl("apply", "-k", str(BASE))
        kubectl("-n", SYSTEM, "rollout", "status", "deployment", "--timeout=180s")


@pytest.fixture
def namespace() -> Iterator[Namespace]:
    made = Namespace(f"konductor-e2e-{secrets.token_hex(3)}")
    kubectl("create", "namespace", made.name)
    kubectl("label", "namespace", made.name, "konductor.io/enabled=true")
    yield made
    kubectl("delete", "namespace", made.name, "--wait=false", "--ignore-not-found")
