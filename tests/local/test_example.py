"""The ETL pipeline runs: the example as it stands, and the document's own snippets."""

from __future__ import annotations

import re
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from koncli.local.documents import read_documents
from konductor_core import Konductor
from tests.local.running import KONCLI, PATIENCE

if TYPE_CHECKING:
    from tests.local.running import Local
    from tests.servers import Server

EXAMPLE = Path(__file__).parents[2] / "examples" / "etl-pipeline"
BIN = EXAMPLE / "bin"
"""The document itself is not part of the project: its snippets are kept here, word for word."""
SNIPPETS = Path(__file__).parent / "etl-document"


def run(local: Local, *args: str) -> subprocess.CompletedProcess[str]:
    command = [KONCLI, "local", "run", *args]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, env=local.env(), check=False)


def test_the_example_has_the_documents_ten_jobs() -> None:
    documents = read_documents([EXAMPLE])
    names = [job.name for job in documents.jobs]
    assert [sum(name.startswith(stage) for name in names) for stage in ("extract-", "transform-", "load-")] == [5, 3, 2]
    assert [(each.name, each.labels["pipeline"]) for each in documents.objects] == [
        ("extract-complete", "etl-demo"),
        ("transform-complete", "etl-demo"),
        ("load-concurrency", "etl-demo"),
    ]


def test_the_example_runs_in_order_and_fills_the_warehouse(local: Local, mounts: tuple[str, ...]) -> None:
    report = "load-data --report --target=etl-data-pvc/warehouse.db"
    done = run(local, str(EXAMPLE), "--then", report, "--keep", *mounts)
    assert done.returncode == 0, done
    lines = done.stdout.splitlines()
    kept = next(line for line in lines if "kept: " in line).split("the claims are in ")[1].rstrip(")")
    position = {
        text: next(i for i, line in enumerate(lines) if text in line) for text in ("wrote", "All extracts", "All tran")
    }
    assert position["wrote"] < position["All extracts"] < position["All tran"]
    assert next(i for i, line in enumerate(lines) if "All extracts" in line) > max(
        i for i, line in enumerate(lines) if " extractor] wrote " in line
    )
    with closing(sqlite3.connect(Path(kept) / "etl-data-pvc" / "warehouse.db")) as db:
        units, revenue = db.execute("SELECT sum(units), sum(revenue_cents) FROM customer_orders").fetchone()
        assert (units, revenue) == db.execute(
            "SELECT sum(units_sold), sum(revenue_cents) FROM product_performance"
        ).fetchone()
    tail = lines[lines.index("rows in the warehouse warehouse.db:") :]
    assert [" ".join(line.split()) for line in tail[1:4]] == [
        "customer_activity 1,000",
        "customer_orders 1,000",
        "product_performance 200",
    ]
    assert re.fullmatch(r"-- complete: 10 jobs, 10 pods in .*; exit code 0", tail[-1])


def test_a_failing_program_stops_the_example_with_the_reason(local: Local) -> None:
    broken = local.folder / "broken"
    broken.mkdir()
    program = broken / "transform-data"
    program.write_text("#!/bin/sh\necho cannot transform; exit 3\n", encoding="utf-8")
    program.chmod(0o755)
    for file in EXAMPLE.glob("*.yaml"):
        text = file.read_text(encoding="utf-8").replace("backoffLimit: 3", "backoffLimit: 0")
        (local.folder / file.name).write_text(text, encoding="utf-8")
    done = run(local, str(local.folder), "--path", str(broken), "--path", str(BIN))
    assert done.returncode == 1
    assert "    cannot transform" in done.stdout.splitlines()
    assert re.search(
        r"FAILED job/transform-[a-z-]+: BackoffLimitExceeded: .*exit code 3; exit code 1$", done.stdout.strip()
    )


def test_the_documents_snippets_run_once_the_missing_three_have_arrived(local: Local, valkey_server: Server) -> None:
    with Konductor(valkey_server.url, namespace="etl") as k:
        barrier = k.barrier("extract-complete")
        barrier.define(expected=5, timeout="2h")
        for missing in ("products", "inventory", "analytics"):
            barrier.arrive(holder=missing)
        transform = k.barrier("transform-complete")
        transform.define(expected=3, timeout="1h")
        for missing in ("transform-2", "transform-3"):
            transform.arrive(holder=missing)
        done = run(local, str(SNIPPETS), "--path", str(BIN), "--redis-url", valkey_server.url, "-n", "etl")
        assert done.returncode == 0, done
        assert barrier.status().arrived == 5
        assert k.semaphore("load-concurrency").status is not None
    assert "warehouse.db: customer_orders has 1,000 rows" in done.stdout
    assert "complete: 4 jobs, 4 pods" in done.stdout


def test_alone_the_documents_two_extracts_leave_the_others_waiting(local: Local) -> None:
    done = run(local, str(SNIPPETS), "--path", str(BIN), "--timeout", "8s")
    assert done.returncode == 3
    assert "-- barrier/extract-complete: Waiting, arrived 2/5, waiting 1" in done.stdout
    assert "with job/load-warehouse, job/transform-customer-orders unfinished" in done.stdout


@pytest.mark.parametrize("program", ["extract-data", "transform-data", "load-data"])
def test_each_program_explains_itself(program: str) -> None:
    done = subprocess.run([BIN / program, "--help"], capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "options:" in done.stdout


@pytest.mark.parametrize(
    "command,words",
    [
        (["extract-data", "--source=customers", "--output=/absent/x", "--seconds=0"], "No such file or directory"),
        (["transform-data", "--type=customer-orders", "--output=x"], "customer-orders needs --input-customers"),
        (["load-data", "--target=w", "--source=absent", "--table=t"], "absent: No such file or directory"),
        (["load-data", "--target=w", "--source=bad", "--table=t"], "bad:2: not a JSON object"),
        (["load-data", "--target=w", "--source=good", "--table=t; drop"], "is no name for a table or column"),
        (["load-data", "--target=absent", "--report"], "unable to open database file"),
    ],
)
def test_the_programs_say_what_is_wrong_in_one_line(tmp_path: Path, command: list[str], words: str) -> None:
    (tmp_path / "bad").write_text('{"a": 1}\n{"a": \n', encoding="utf-8")
    (tmp_path / "good").write_text('{"a": 1}\n', encoding="utf-8")
    done = subprocess.run(
        [BIN / command[0], *command[1:]], capture_output=True, text=True, timeout=PATIENCE, cwd=tmp_path, check=False
    )
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert words in done.stderr


def test_a_load_can_be_repeated(tmp_path: Path) -> None:
    (tmp_path / "rows.json").write_text('{"id": 1, "x": "a"}\n{"id": 2, "x": null}\n', encoding="utf-8")
    command = [str(BIN / "load-data"), "--source=rows.json", "--target=w", "--table=t", "--seconds=0"]
    for _ in range(2):
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, cwd=tmp_path, check=True)
        assert done.stdout.splitlines()[-1] == "w.db: t has 2 rows"
