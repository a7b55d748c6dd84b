"""The timeline shows waiting and working to scale."""

from __future__ import annotations

import pytest

from koncli.local.timeline import Row, lines, seconds


@pytest.mark.parametrize(
    "begin,working,end,wanted",
    [
        (0, 0, 10, "██████████"),
        (0, 5, 10, "░░░░░█████"),
        (2, 4, 6, "  ░░██"),
        (0, None, 10, "░░░░░░░░░░"),
        (9.9, 9.9, 10, "         █"),
        (5, 5, 5, "     █"),
        (0, 9.99, 10, "░░░░░░░░░█"),
    ],
)
def test_a_bar_has_the_proportions_of_the_run(begin: float, working: float | None, end: float, wanted: str) -> None:
    assert Row("pod", "ok", begin, working, end).bar(total=10, columns=10) == wanted


def test_a_run_that_took_no_time_still_has_bars() -> None:
    assert Row("pod", "ok", 0, 0, 0).bar(total=0, columns=10) == "█"


def test_every_line_fits_the_width() -> None:
    rows = [Row("a" * 63, "stopped", 0, 1, 2), Row("b", "ok", 0, None, 100)]
    for width in (60, 80, 200):
        assert all(
            len(text) + len(bar) + len(outcome) + 4 <= max(width, 80) for text, bar, outcome in lines(rows, width)
        )


@pytest.mark.parametrize(
    "value,wanted", [(0, "0.0s"), (1.44, "1.4s"), (59.94, "59.9s"), (59.96, "1m"), (125.3, "2m5.3s")]
)
def test_lengths_are_told_in_tenths_of_seconds(value: float, wanted: str) -> None:
    assert seconds(value) == wanted
