"""Every koncli line of the ETL pipeline document works as it is written there."""

import json
import textwrap

import pytest

from tests.cli.running import Cli

BARRIERS = """\
# barriers.yaml
apiVersion: konductor.io/v1
kind: Barrier
metadata:
  name: extract-complete
  labels:
    pipeline: etl-demo
    stage: extract
spec:
  expected: 5
  timeout: 2h
---
apiVersion: konductor.io/v1
kind: Barrier
metadata:
  name: transform-complete
  labels:
    pipeline: etl-demo
    stage: transform
spec:
  expected: 3
  timeout: 1h
---
apiVersion: konductor.io/v1
kind: Semaphore
metadata:
  name: load-concurrency
  labels:
    pipeline: etl-demo
    stage: load
spec:
  permits: 2
  ttl: 30m
"""

DASHBOARD = """\
set -e
echo "Barrier: $(koncli barrier status extract-complete --output=json | jq -r '.phase')"
echo "Arrived: $(koncli barrier status extract-complete --output=json | jq -r '.arrived')/5"
echo "Barrier: $(koncli barrier status transform-complete --output=json | jq -r '.phase')"
echo "Arrived: $(koncli barrier status transform-complete --output=json | jq -r '.arrived')/3"
echo "Semaphore: $(koncli semaphore status load-concurrency --output=json | jq -r '.available')/2 permits available"
"""

SCALING = """\
set -e
DATA_SIZE=$(wc -l < input.json)
if [ $DATA_SIZE -gt 10000 ]; then
  koncli semaphore acquire load-concurrency --permits=2
else
  koncli semaphore acquire load-concurrency --permits=1
fi
"""


@pytest.fixture
def pipeline(cli: Cli) -> Cli:
    (cli.cwd / "barriers.yaml").write_text(BARRIERS)
    cli.ok("apply", "-f", "barriers.yaml")
    return cli


@pytest.fixture
def pipeline_on_both(etl: Cli) -> Cli:
    (etl.cwd / "barriers.yaml").write_text(BARRIERS)
    etl.ok("apply", "-f", "barriers.yaml")
    return etl


def test_koncli_applies_the_manifests_in_the_place_of_kubectl(cli: Cli) -> None:
    (cli.cwd / "barriers.yaml").write_text(BARRIERS)
    objects = ["barrier/extract-complete", "barrier/transform-complete", "semaphore/load-concurrency"]
    assert cli.ok("apply", "-f", "barriers.yaml").out.splitlines() == [f"{each} created" for each in objects]
    assert cli.ok("apply", "-f", "barriers.yaml").out.splitlines() == [f"{each} unchanged" for each in objects]


def test_the_dashboard_reads_phase_arrived_and_available_with_jq(pipeline_on_both: Cli) -> None:
    for source in ("customers", "orders"):
        pipeline_on_both.k.barrier("extract-complete").arrive(source)
    pipeline_on_both.k.semaphore("load-concurrency").acquire()
    shown = pipeline_on_both.shell(DASHBOARD)
    assert shown.code == 0, shown
    assert shown.out == textwrap.dedent("""\
        Barrier: Waiting
        Arrived: 2/5
        Barrier: Waiting
        Arrived: 0/3
        Semaphore: 1/2 permits available
        """)


def test_five_extracts_open_the_barrier_for_those_that_wait(pipeline_on_both: Cli) -> None:
    waiter = pipeline_on_both.start("barrier", "wait", "extract-complete", "--timeout=2h", HOSTNAME="transform")
    waiter.said("0/5 arrived")
    for source in ("customers", "orders", "products", "inventory", "analytics"):
        pipeline_on_both.ok("barrier", "arrive", "extract-complete", HOSTNAME=f"extract-{source}")
    ended = waiter.end()
    assert ended.code == 0
    assert ended.out == "barrier/extract-complete is open: 5/5 arrived"
    status = pipeline_on_both.ok("barrier", "status", "extract-complete", "-o", "json").json
    assert (status["phase"], status["arrived"], status["expected"]) == ("Open", 5, 5)


def test_a_permit_acquired_in_one_process_is_released_by_another_of_the_same_host(pipeline_on_both: Cli) -> None:
    pipeline_on_both.ok("semaphore", "acquire", "load-concurrency", "--wait", "--ttl=30m")
    assert pipeline_on_both.k.semaphore("load-concurrency").status().in_use == 1
    released = pipeline_on_both.ok("semaphore", "release", "load-concurrency")
    assert released.out == "released semaphore/load-concurrency, held by host-1\n"
    assert pipeline_on_both.k.semaphore("load-concurrency").status().in_use == 0


def test_the_status_pages_of_the_monitoring_section_are_for_people(pipeline: Cli) -> None:
    for arguments in (
        ("barrier", "status", "extract-complete"),
        ("barrier", "status", "transform-complete"),
        ("semaphore", "status", "load-concurrency"),
    ):
        page = pipeline.ok(*arguments)
        assert "Phase:" in page.out
        assert page.err == ""


@pytest.mark.parametrize("lines,permits", [(10_001, 2), (3, 1)])
def test_dynamic_scaling_takes_permits_by_the_size_of_the_data(pipeline: Cli, lines: int, permits: int) -> None:
    (pipeline.cwd / "input.json").write_text("{}\n" * lines)
    scaled = pipeline.shell(SCALING)
    assert scaled.code == 0, scaled
    assert pipeline.k.semaphore("load-concurrency").status().in_use == permits


def test_cleaning_up_after_a_failure_starts_everything_anew(pipeline: Cli) -> None:
    pipeline.ok("barrier", "arrive", "extract-complete")
    pipeline.ok("semaphore", "acquire", "load-concurrency")
    pipeline.ok("delete", "barriers", "-l", "pipeline=etl-demo")
    pipeline.ok("delete", "semaphore", "load-concurrency")
    pipeline.ok("apply", "-f", "barriers.yaml")
    items = json.loads(pipeline.ok("get", "-o", "json").out)["items"]
    assert [item["status"].get("arrived", item["status"].get("inUse")) for item in items] == [0, 0, 0]
