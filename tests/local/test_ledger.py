"""The bookkeeping of a Job's pods is the Job controller's."""

from __future__ import annotations

from typing import Any

import pytest

from koncli.local.fields import Fields, Refusals
from koncli.local.jobspec import COMPLETE, FAILED, Ledger, read_job
from koncli.local.state import back_off_ms
from tests.local.running import job


def ledger(**spec: Any) -> Ledger:
    restart = spec.pop("restartPolicy", "Never")
    refusals = Refusals()
    document = job("work", "true", job=spec, restartPolicy=restart)
    template = Fields(document["spec"]["template"], "here", refusals)
    made = Ledger(read_job(Fields(document, "here", refusals), template, "work", "job-uid"))
    refusals.raise_if_any()
    return made


def record(book: Ledger, results: str) -> Ledger:
    """Note pods that ended: `.` succeeded, `x` failed, a digit is the index of one that succeeded."""
    for each in results:
        if each.isdigit():
            book.record(success=True, index=int(each))
        else:
            book.record(success=each == ".")
    return book


@pytest.mark.parametrize(
    "spec,results,active,wanted",
    [
        ({}, "", [], [None]),
        ({}, "", [None], []),
        ({"completions": 3}, "", [], [None]),
        ({"completions": 3, "parallelism": 2}, "", [], [None, None]),
        ({"completions": 3, "parallelism": 2}, ".", [None], [None]),
        ({"completions": 3, "parallelism": 2}, "..", [None], []),
        ({"completions": 2, "parallelism": 5}, "", [], [None, None]),
        ({"completions": 2, "parallelism": 5}, "x", [], [None, None]),
        ({"parallelism": 3}, "", [], [None, None, None]),
        ({"parallelism": 3}, "x", [None, None], [None]),
        ({"parallelism": 3}, ".", [None, None], []),
        ({"completions": 3, "completionMode": "Indexed"}, "", [], [0]),
        ({"completions": 3, "completionMode": "Indexed", "parallelism": 3}, "", [], [0, 1, 2]),
        ({"completions": 3, "completionMode": "Indexed", "parallelism": 2}, "0", [1], [2]),
        ({"completions": 3, "completionMode": "Indexed", "parallelism": 2}, "x", [1], [0]),
        ({"completions": 3, "completionMode": "Indexed", "parallelism": 3}, "02", [], [1]),
        ({"completions": 0}, "", [], []),
    ],
)
def test_as_many_pods_are_wanted_as_fit_and_are_still_needed(
    spec: dict[str, Any], results: str, active: list[int | None], wanted: list[int | None]
) -> None:
    assert record(ledger(**spec), results).wanted(active) == wanted


@pytest.mark.parametrize(
    "spec,results,active,restarts,wanted",
    [
        ({}, "", 1, 0, None),
        ({}, ".", 0, 0, (COMPLETE, "")),
        ({"completions": 2}, ".", 0, 0, None),
        ({"completions": 2}, "..", 0, 0, (COMPLETE, "")),
        ({"completions": 0}, "", 0, 0, (COMPLETE, "")),
        ({"completions": 2, "completionMode": "Indexed"}, "00", 0, 0, None),
        ({"completions": 2, "completionMode": "Indexed"}, "01", 0, 0, (COMPLETE, "")),
        ({"parallelism": 2}, ".", 1, 0, None),
        ({"parallelism": 2}, ".", 0, 0, (COMPLETE, "")),
        ({}, "xxxxxx", 0, 0, None),
        ({}, "xxxxxxx", 0, 0, (FAILED, "BackoffLimitExceeded")),
        ({"backoffLimit": 0}, "x", 0, 0, (FAILED, "BackoffLimitExceeded")),
        ({"backoffLimit": 1}, "x.", 0, 0, (COMPLETE, "")),
        ({"backoffLimit": 2, "restartPolicy": "OnFailure"}, "", 1, 1, None),
        ({"backoffLimit": 2, "restartPolicy": "OnFailure"}, "", 1, 2, (FAILED, "BackoffLimitExceeded")),
        ({"backoffLimit": 0, "restartPolicy": "OnFailure"}, "", 1, 0, None),
        ({"backoffLimit": 0, "restartPolicy": "OnFailure"}, "", 1, 1, (FAILED, "BackoffLimitExceeded")),
        ({"backoffLimit": 2}, "", 1, 2, None),
    ],
)
def test_a_job_is_complete_or_failed_when_the_controller_says_so(
    spec: dict[str, Any], results: str, active: int, restarts: int, wanted: tuple[str, str] | None
) -> None:
    assert record(ledger(**spec), results).verdict(active, restarts) == wanted


def test_an_index_that_succeeds_twice_counts_once() -> None:
    book = record(ledger(completions=3, completionMode="Indexed"), "11")
    assert (book.succeeded, book.wanted([])) == (1, [0])


def test_the_back_off_doubles_up_to_a_limit() -> None:
    assert [back_off_ms(failures) for failures in (0, 1, 2, 3, 5, 6, 1_000)] == [
        0,
        1000,
        2000,
        4000,
        16000,
        30000,
        30000,
    ]
