"""Alerts and dashboard ask for metrics that the programs have, in queries that Prometheus understands."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import promql_parser
import pytest

from konductor_core.controller.metrics import Metrics
from tests.deploy.rendering import CHART, ROOT, named, render
from tools.dashboard import PANELS
from webhook.metrics import Metrics as WebhookMetrics

if TYPE_CHECKING:
    from tests.deploy.rendering import Document

OPERATIONS = (ROOT / "docs/operations.md").read_text(encoding="utf-8")


def alerts() -> list[Document]:
    (group,) = named(render("everything"), "PrometheusRule", "konductor")["spec"]["groups"]
    return list(group["rules"])


def exported() -> set[str]:
    """Return the names of all samples that the controller and the webhook can have."""
    names = set()
    for family in (*Metrics(1).registry.collect(), *WebhookMetrics().registry.collect()):
        suffixes = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count")}.get(family.type, ("",))
        names |= {family.name + suffix for suffix in suffixes}
    return names


def used(query: str) -> set[str]:
    return set(re.findall(r"\bkonductor_[a-z_]+", query))


QUERIES = [query for panel in PANELS for query in panel.queries.values()]


def test_every_alert_is_a_query_over_metrics_that_exist() -> None:
    for alert in alerts():
        promql_parser.parse(alert["expr"])
        assert used(alert["expr"]) <= exported(), alert["alert"]


@pytest.mark.parametrize("query", QUERIES)
def test_every_query_of_the_dashboard_is_over_metrics_that_exist(query: str) -> None:
    promql_parser.parse(query.replace("$__rate_interval", "1m"))
    assert used(query) <= exported()


def test_every_alert_says_how_grave_it_is_what_it_means_and_has_a_section_about_what_to_do() -> None:
    for alert in alerts():
        assert alert["labels"]["severity"] in {"critical", "warning", "info"}
        assert {"summary", "description"} <= alert["annotations"].keys()
    sections = re.findall(r"^### (Konductor\w+)$", OPERATIONS, re.MULTILINE)
    assert sections == [alert["alert"] for alert in alerts()]


def test_the_page_lists_exactly_the_metrics_that_exist() -> None:
    table = OPERATIONS.partition("\n## Metrics\n")[2].partition("\n## ")[0]
    shown = re.findall(r"^\| `(konductor_\w+)`", table, re.MULTILINE)
    families = {name.removesuffix("_bucket") for name in exported() if not name.endswith(("_sum", "_count"))}
    assert sorted(shown) == sorted(families)


def test_the_dashboard_lets_one_choose_what_it_asks_for() -> None:
    dashboard = json.loads((CHART / "files/dashboard.json").read_text(encoding="utf-8"))
    chosen = {each["name"] for each in dashboard["templating"]["list"]}
    asked = {name for query in QUERIES for name in re.findall(r"\$([a-z]+)", query)}
    assert asked <= chosen
    assert {panel["datasource"]["uid"] for panel in dashboard["panels"]} == {"${datasource}"}


def test_panels_neither_overlap_nor_leave_the_page() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in json.loads((CHART / "files/dashboard.json").read_text(encoding="utf-8"))["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken, panel["title"]
        assert at["x"] + at["w"] <= 24
        taken |= cells


def test_prometheus_reads_every_replica_of_both_programs() -> None:
    documents = render("everything")
    monitor = named(documents, "ServiceMonitor", "konductor")["spec"]
    (by_component,) = monitor["selector"]["matchExpressions"]
    for name in ("konductor-controller", "konductor-webhook"):
        service = named(documents, "Service", name)
        labels = service["metadata"]["labels"]
        assert monitor["selector"]["matchLabels"].items() <= labels.items()
        assert labels[by_component["key"]] in by_component["values"]
        assert {each["port"] for each in monitor["endpoints"]} <= {each["name"] for each in service["spec"]["ports"]}


def test_without_the_webhook_nobody_is_alarmed_about_it() -> None:
    rules = named(render("everything", "webhook.enabled=false"), "PrometheusRule", "konductor")["spec"]["groups"]
    assert not [rule for group in rules for rule in group["rules"] if "webhook" in rule["expr"]]
