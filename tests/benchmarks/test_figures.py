"""The arithmetic that a benchmark's report stands on."""

from __future__ import annotations

import math
from functools import partial

import pytest

from benchmarks import report
from benchmarks.figures import Line, at_least, at_most, jain, line, median, quantile, ratios
from benchmarks.harness import interleave


def test_a_median_is_the_middle_value_or_the_mean_of_the_two_in_the_middle() -> None:
    assert median([9.0, 1.0, 2.0]) == 2.0
    assert median([4.0, 1.0, 2.0, 9.0]) == 3.0


@pytest.mark.parametrize("share, value", [(0.0, 1.0), (0.1, 1.4), (0.5, 3.0), (0.9, 4.6), (1.0, 5.0)])
def test_a_quantile_lies_between_its_neighbours(share: float, value: float) -> None:
    assert quantile([5.0, 1.0, 4.0, 2.0, 3.0], share) == pytest.approx(value)


def test_a_quantile_of_one_sample_is_that_sample() -> None:
    assert quantile([7.0], 0.9) == 7.0


def test_jain_s_index_is_one_for_equal_shares_and_the_nth_part_when_one_takes_all() -> None:
    assert jain([5, 5, 5, 5]) == 1.0
    assert jain([8, 0, 0, 0]) == 0.25
    assert jain([2, 1]) == pytest.approx(0.9)


def test_jain_s_index_is_zero_when_nobody_got_anything() -> None:
    assert jain([0, 0]) == 0.0


def test_ratios_are_taken_round_by_round() -> None:
    """A machine that is slow for one round slows both sides of it."""
    assert ratios([2.0, 20.0], [1.0, 10.0]) == [2.0, 2.0]
    with pytest.raises(ValueError, match="argument"):
        ratios([1.0], [1.0, 2.0])


def test_a_ratio_to_nothing_is_infinite() -> None:
    assert ratios([1.0], [0.0]) == [math.inf]


def test_a_target_is_reached_at_its_bound() -> None:
    assert at_least(0.85).reached(0.85)
    assert not at_least(0.85).reached(0.8499)
    assert at_most(20).reached(20)
    assert not at_most(20).reached(20.1)


def test_a_line_has_a_verdict_only_with_a_target() -> None:
    assert Line("x", 1.0).verdict == ""
    assert Line("x", 1.0, target=at_most(1)).verdict == "reached"
    assert Line("x", 2.0, target=at_most(1)).verdict == "missed"


def test_a_report_prints_target_and_verdict_of_each_line() -> None:
    table = report.section("Title", [line("speed", [1.0, 2.0, 3.0], "ms", at_least(2.5)), Line("plain", 1234.5)])
    assert table.splitlines()[-2:] == [
        "| speed | 2.00 ms | 1.20 to 2.80 | ≥ 2.5 | missed |",
        "| plain | 1,234 |  |  |  |",
    ]


def test_contenders_take_turns_after_a_warm_up_and_a_different_one_begins_each_round() -> None:
    calls: list[str] = []
    found = interleave({name: partial(calls.append, name) for name in "ab"}, rounds=2, each=1)
    assert calls == ["a", "b", "b", "a", "a", "b"]
    assert {name: len(seconds) for name, seconds in found.items()} == {"a": 2, "b": 2}
