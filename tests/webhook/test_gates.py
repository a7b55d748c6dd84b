"""A gate that would wait for itself is refused, as far as the API says in time what others wait for."""

from __future__ import annotations

import socket
from typing import Any, Final

import kmock
import pytest

from konductor_core.annotations import MIRROR_LABEL
from konductor_core.identity import API_VERSION, GROUP, VERSION
from tests.webhook.api import Api, cluster_of
from tests.webhook.serving import review, serving
from webhook import gates
from webhook.gates import Gates

GATES: Final = kmock.resource(GROUP, VERSION, "gates")


def gate(name: str, *targets: str, namespace: str = "etl") -> dict[str, Any]:
    """Return a gate that waits for others, written as `name` or `namespace/name`."""
    conditions = []
    for target in targets:
        where, _, what = target.rpartition("/")
        conditions.append({"type": "Gate", "name": what, **({"namespace": where} if where else {})})
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": API_VERSION, "kind": "Gate", "metadata": metadata, "spec": {"conditions": conditions}}


def api_with(*present: dict[str, Any]) -> Api:
    api = Api()
    api.resources[GATES] = kmock.ResourceInfo(kind="Gate", verbs={"get"}, namespaced=True)
    for each in present:
        api.objects[GATES, each["metadata"]["namespace"], each["metadata"]["name"]] = each
    return api


async def asked(api: Api, sent: dict[str, Any], **request: Any) -> dict[str, Any]:
    """Have a gate reviewed by a webhook that reaches this API."""
    async with cluster_of(api) as cluster, serving() as served:
        served.server.gates = Gates(cluster)
        return await served.ask("/validate", review(sent, kind=(GROUP, "Gate"), **request))


@pytest.mark.parametrize(
    "present,sentence",
    [
        ((), None),
        ((gate("b"), gate("c", "b")), None),
        ((gate("b", "c"), gate("c", "b")), None),
        ((gate("b", "a"),), "gate/a waits for gate/b, which waits for gate/a: none of them could open"),
        (
            (gate("b", "other/x"), gate("x", "etl/a", namespace="other")),
            "gate/a waits for gate/b, which waits for a gate of another namespace, which waits for gate/a",
        ),
        ((gate("b", "x"), gate("x", "a", namespace="other")), None),
    ],
)
async def test_a_ring_that_the_api_shows_is_refused(present: tuple[dict[str, Any], ...], sentence: str | None) -> None:
    response = await asked(api_with(*present), gate("a", "b"))
    assert response["allowed"] is (sentence is None)
    if sentence is not None:
        assert response["status"]["message"].startswith(sentence)


async def test_a_gate_that_names_itself_is_refused_without_a_question() -> None:
    async with serving() as served:
        response = await served.ask("/validate", review(gate("a", "etl/a"), kind=(GROUP, "Gate")))
    assert response["status"]["message"].startswith("gate/a waits for gate/a")


async def test_a_gate_whose_spec_stays_and_one_that_goes_are_let_through() -> None:
    api, sent = api_with(gate("b", "a")), gate("a", "b")
    assert (await asked(api, sent, operation="UPDATE", oldObject=sent))["allowed"]
    sent["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert (await asked(api, sent, operation="UPDATE", oldObject=gate("a")))["allowed"]


async def test_the_mirror_of_a_gate_that_koncli_made_is_let_through_so_that_its_ring_can_be_told() -> None:
    sent = gate("a", "b")
    sent["metadata"]["labels"] = {MIRROR_LABEL: "true"}
    assert (await asked(api_with(gate("b", "a")), sent))["allowed"]


async def test_an_api_that_is_silent_or_gone_lets_the_gate_through(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gates, "IN_TIME", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        async with cluster_of(api_with(gate("b", "a"))) as cluster, serving() as served:
            served.server.gates = Gates(cluster)
            for port in (silent.getsockname()[1], 1):
                cluster._client.configuration.host = f"http://127.0.0.1:{port}"
                assert (await served.ask("/validate", review(gate("a", "b"), kind=(GROUP, "Gate"))))["allowed"]
