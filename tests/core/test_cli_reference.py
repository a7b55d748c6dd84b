from __future__ import annotations

import click

from tools.cli_reference import reference


@click.group()
@click.option("-n", "--namespace", metavar="NAME", help="Where.")
def root(namespace: str | None) -> None:
    """Do things."""


@root.group()
def barrier() -> None:
    """Wait for others."""


@barrier.command()
@click.argument("name")
@click.argument("more", nargs=-1)
@click.option("--timeout", metavar="DURATION", help="How long: a|b.")
@click.option("--cyclic/--once", help="Over and over.")
@click.option("--secret", hidden=True)
def wait(name: str, more: tuple[str, ...], timeout: str | None, cyclic: bool, secret: str | None) -> None:  # noqa: FBT001
    """Wait until it opens.

    It fails
    with 6.

    \b
    verbatim
      lines
    """  # noqa: D301 - click wants the character


@barrier.command(hidden=True)
def internal() -> None:
    """Nobody sees this."""


PAGE = reference(root, "tool")


def test_every_command_has_its_section_in_order_and_hidden_ones_have_none() -> None:
    assert [line for line in PAGE.splitlines() if line.startswith("#")] == [
        "# tool",
        "## tool barrier",
        "### tool barrier wait",
    ]
    assert "internal" not in PAGE


def test_usage_shows_which_arguments_are_needed() -> None:
    assert "$ tool barrier wait [OPTIONS] NAME [MORE]...\n" in PAGE
    assert "$ tool barrier [OPTIONS] COMMAND\n" in PAGE


def test_options_are_a_table_without_hidden_ones() -> None:
    assert "| `--timeout` `DURATION` | How long: a\\|b. |" in PAGE
    assert "| `--cyclic` / `--once` | Over and over. |" in PAGE
    assert "--secret" not in PAGE


def test_root_options_are_described_once() -> None:
    assert PAGE.count("`--namespace`") == 1
    assert PAGE.count("`--help`") == 1


def test_paragraphs_are_joined_and_verbatim_ones_kept() -> None:
    assert "\nWait until it opens.\n\nIt fails with 6.\n" in PAGE
    assert "```\nverbatim\n  lines\n```" in PAGE


def test_a_group_lists_what_its_commands_do() -> None:
    assert "| `tool barrier` | Wait for others. |" in PAGE
