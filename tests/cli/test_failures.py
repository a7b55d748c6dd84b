"""Which of koncli's arguments are its own."""

import pytest

from koncli.failures import wants_traceback


@pytest.mark.parametrize(
    "arguments, wanted",
    [
        (["-v", "semaphore", "list"], True),
        (["semaphore", "list", "-vv"], True),
        (["semaphore", "list", "--verbose"], True),
        (["semaphore", "list"], False),
        (["exec", "semaphore/x", "--", "ssh", "-v", "host"], False),
        (["exec", "-v", "semaphore/x", "--", "ssh", "host"], True),
    ],
)
def test_a_traceback_is_asked_for_by_an_option_of_koncli_not_of_its_command(
    arguments: list[str], *, wanted: bool
) -> None:
    assert wants_traceback(arguments) is wanted
