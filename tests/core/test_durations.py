from __future__ import annotations

import re
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from konductor_core.durations import DURATION_PATTERN, MAX_MS, about, rfc3339, to_ms, to_text
from konductor_core.errors import InvalidInput

GOOD = [
    ("0", 0),
    ("0s", 0),
    ("2h", 7_200_000),
    ("1h30m", 5_400_000),
    ("500ms", 500),
    ("1.5s", 1_500),
    ("2.5h", 9_000_000),
    ("1m30.5s", 90_500),
    ("1m1m", 120_000),
    ("1ns", 1),
    ("100us", 1),
    ("1000µs", 1),
    ("0.1s", 100),
    ("87600h", MAX_MS),
    (30, 30_000),
    (0, 0),
    (0.0, 0),
    (0.1, 100),
    (1.0005, 1_001),
    (1e-9, 1),
    (timedelta(minutes=5), 300_000),
    (timedelta(0), 0),
    (timedelta(seconds=1, microseconds=1), 1_001),
]


@pytest.mark.parametrize("value,ms", GOOD)
def test_a_duration_is_whole_milliseconds_rounded_up(value: Any, ms: int) -> None:
    assert to_ms(value) == ms


@pytest.mark.parametrize(
    "value,problem",
    [
        ("", "not a duration"),
        ("soon", "not a duration"),
        ("5 minutes", "not a duration"),
        ("1h ", "not a duration"),
        (" 1h", "not a duration"),
        ("1h\n", "not a duration"),
        ("1d", "not a duration"),
        (".5s", "not a duration"),
        ("+5s", "not a duration"),
        ("٣s", "not a duration"),
        ("1h30", "not a duration"),
        ("30", "for seconds write 30s"),
        ("1.5", "for seconds write 1.5s"),
        ("-5s", "negative"),
        ("-0s", "negative"),
        ("--5s", "not a duration"),
        ("87600h1ms", "ten years"),
        ("9" * 60 + "h", "ten years"),
        pytest.param("9" * 10_000 + "h", "not a duration", id="long"),
        (-1, "negative"),
        (-1e300, "negative"),
        (timedelta(seconds=-1), "negative"),
        (timedelta(microseconds=-1), "negative"),
        (float("nan"), "finite"),
        (float("inf"), "finite"),
        (float("-inf"), "finite"),
        (1e300, "ten years"),
        pytest.param(10**400, "ten years", id="big"),
        pytest.param(10**5_000, "ten years", id="huge"),
        (timedelta(days=4_000), "ten years"),
        (True, "not a duration"),
        (None, "not a duration"),
        (["1s"], "not a duration"),
        (b"1s", "not a duration"),
    ],
)
def test_a_bad_duration_is_refused_with_its_name_its_value_and_the_remedy(value: Any, problem: str) -> None:
    with pytest.raises(InvalidInput, match=re.escape(problem)) as caught:
        to_ms(value, what="--ttl")
    assert caught.value.message.startswith("--ttl ")
    assert "\n" not in caught.value.message
    assert len(caught.value.message) < 160


@pytest.mark.parametrize(
    "ms,text",
    [
        (0, "0s"),
        (500, "500ms"),
        (1_000, "1s"),
        (1_500, "1.5s"),
        (60_000, "1m"),
        (90_500, "1m30.5s"),
        (3_600_001, "1h0.001s"),
        (5_400_000, "1h30m"),
        (7_200_000, "2h"),
        (-1_000, "-1s"),
    ],
)
def test_text_is_exact_and_without_zero_parts(ms: int, text: str) -> None:
    assert to_text(ms) == text


@given(st.integers(0, MAX_MS))
def test_text_reads_back_as_the_same_duration(ms: int) -> None:
    assert to_ms(to_text(ms)) == ms


@given(st.integers(0, MAX_MS))
def test_text_satisfies_the_pattern_of_the_schema(ms: int) -> None:
    assert re.search(DURATION_PATTERN, to_text(ms))


@given(st.text(alphabet="0123456789.hmsuµn-+ d", max_size=12))
def test_whatever_satisfies_the_pattern_is_accepted_and_nothing_else(text: str) -> None:
    if re.fullmatch(DURATION_PATTERN, text):
        with suppress(InvalidInput):  # longer than ten years
            assert to_ms(text) >= 0
    else:
        with pytest.raises(InvalidInput):
            to_ms(text)


@given(st.floats(0, MAX_MS / 1000, allow_subnormal=False))
def test_seconds_lose_less_than_a_millisecond_and_never_become_a_try(seconds: float) -> None:
    ms = to_ms(seconds)
    assert (ms == 0) == (seconds == 0)
    assert ms - seconds * 1000 == pytest.approx(0, abs=1)


@pytest.mark.parametrize(
    "ms,text",
    [
        (-5, "0s"),
        (0, "0s"),
        (400, "400ms"),
        (1_400, "1s"),
        (4_000, "4s"),
        (59_700, "1m"),
        (200_400, "3m20s"),
        (7_080_000, "1h58m"),
        (7_199_900, "2h"),
        (3 * 86_400_000 + 4 * 3_600_000, "3d4h"),
        (MAX_MS, "3650d"),
    ],
)
def test_people_see_the_two_biggest_units(ms: int, text: str) -> None:
    assert about(ms) == text


def test_a_moment_is_rfc_3339_in_utc_with_milliseconds() -> None:
    assert rfc3339(1_767_323_045_678) == "2026-01-02T03:04:05.678Z"


@given(st.integers(0, 4_000_000_000_000))
def test_a_moment_reads_back_as_the_same(ms: int) -> None:
    assert datetime.fromisoformat(rfc3339(ms)) == datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=ms)
