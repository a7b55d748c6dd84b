from __future__ import annotations

import pickle
import re

import pytest

from konductor_core import errors
from konductor_core.errors import KonductorError, did_you_mean, quoted


def tree(cls: type[KonductorError] = KonductorError) -> list[type[KonductorError]]:
    return [
        cls,
        *(each for child in cls.__subclasses__() if child.__module__ == cls.__module__ for each in tree(child)),
    ]


def test_the_module_docstring_shows_every_error_with_its_exit_code_and_code() -> None:
    shown = re.findall(r"(\w+) +(\d+) +([a-z-]+)", errors.__doc__ or "")
    assert [(name, int(exit_code), code) for name, exit_code, code in shown] == [
        (cls.__name__, cls.exit_code, cls.code) for cls in tree()
    ]


def test_every_error_is_public() -> None:
    assert {cls.__name__ for cls in tree()} <= set(errors.__all__)


def test_codes_are_unique_and_exit_codes_follow_the_contract() -> None:
    assert len({cls.code for cls in tree()}) == len(tree())
    assert {cls.exit_code for cls in tree()} == {1, 2, 3, 4, 5, 6, 64}


@pytest.mark.parametrize("cls", tree())
def test_an_error_is_its_message_and_shows_as_json(cls: type[KonductorError]) -> None:
    assert str(cls("no permits")) == "no permits"
    assert cls("no permits").to_dict() == {"code": cls.code, "error": "no permits"}
    assert cls("no permits", hint="wait").to_dict() == {"code": cls.code, "error": "no permits", "hint": "wait"}


def test_an_error_survives_a_process_pool() -> None:
    error = pickle.loads(pickle.dumps(errors.NotFound("gone", hint="make it")))
    assert (type(error), error.message, error.hint) == (errors.NotFound, "gone", "make it")


@pytest.mark.parametrize(
    "value,shown",
    [
        ("x", "'x'"),
        ("a\nb", r"'a\nb'"),
        (5, "5"),
        pytest.param("x" * 10_000, "'" + "x" * 58 + "…", id="long"),
        pytest.param("\n" * 10_000, "'" + r"\n" * 29 + "…", id="long lines"),
        pytest.param(10**5_000, "a huge int", id="huge"),
    ],
)
def test_a_quoted_value_stays_on_one_short_line(value: object, shown: str) -> None:
    assert quoted(value) == shown
    assert len(shown) <= 60


@pytest.mark.parametrize(
    "word,expected",
    [
        ("expectd", "expected"),
        ("QUORUM", "quorum"),
        ("maxbypass", "maxBypass"),
        ("zzz", None),
        ("", None),
        pytest.param("x" * 100_000, None, id="long"),
    ],
)
def test_a_typo_finds_what_was_meant(word: str, expected: str | None) -> None:
    assert did_you_mean(word, ["expected", "quorum", "maxBypass"]) == expected
