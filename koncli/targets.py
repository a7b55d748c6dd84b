"""Which objects a command line means: `KIND`, `KIND/NAME`, `KIND NAME...`, and label selectors."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from koncli.kinds import KINDS
from konductor_core.errors import InvalidInput, did_you_mean, quoted
from konductor_core.identity import Kind, check_name

Labels = Mapping[str, str]
Matcher = Callable[[Labels], bool]


@dataclass(frozen=True, slots=True)
class Target:
    """One object, or with `name` None all objects of a kind."""

    kind: Kind
    name: str | None


def known_kind(text: str) -> Kind:
    """Return the kind that the text names, if koncli has it; InvalidInput with a suggestion otherwise."""
    words = {word: kind for kind in KINDS for word in (kind.key, kind.plural, kind.short)}
    # `barrier.konductor.io` is what kubectl prints with -o name.
    kind = words.get(text.lower().removesuffix(".konductor.io"))
    if kind is not None:
        return kind
    guess = did_you_mean(text, [k.key for k in KINDS])
    remedy = f"did you mean {guess}?" if guess else "choose one of " + ", ".join(k.key for k in KINDS)
    raise InvalidInput(f"kind {quoted(text)} is unknown: {remedy}")


def parse_targets(words: Sequence[str]) -> list[Target]:
    """`barrier x y`, `barrier/x semaphore/y`, `barriers,semaphores` or nothing (all kinds) as targets."""
    if not words:
        return [Target(kind, None) for kind in KINDS]
    if any("/" in word for word in words):
        return [_slashed(word) for word in words]
    kinds = [known_kind(part) for part in words[0].split(",")]
    if len(words) == 1:
        return [Target(kind, None) for kind in kinds]
    return [Target(kind, check_name(name)) for kind in kinds for name in words[1:]]


def parse_one(words: Sequence[str]) -> tuple[Kind, str]:
    """`barrier x` or `barrier/x`: exactly one object."""
    targets = parse_targets(words)
    if len(targets) != 1 or targets[0].name is None:
        raise InvalidInput("name exactly one object", hint="write it like barrier/extract-complete")
    return targets[0].kind, targets[0].name


def _slashed(word: str) -> Target:
    kind, slash, name = word.partition("/")
    if not slash:
        raise InvalidInput(f"{quoted(word)} has no kind", hint="write every object like barrier/extract-complete")
    return Target(known_kind(kind), check_name(name))


_TERM = re.compile(
    r"""\s*(?:
        (?P<set_key>[^\s,=!()]+)\s+(?P<verb>in|notin)\s*\((?P<values>[^()]*)\)
      | (?P<key>[^\s,=!()]+)\s*(?P<op>==|=|!=)\s*(?P<value>[^\s,=!()]*)
      | (?P<absent>!)?\s*(?P<present>[^\s,=!()]+)
    )\s*(?:,|$)""",
    re.VERBOSE,
)


def parse_selector(text: str | None) -> Matcher:
    """Return a kubectl label selector as a function that tells whether labels match.

    `a=b`, `a==b`, `a!=b`, `a in (b,c)`, `a notin (b,c)`, `a` (present) and `!a`, joined by commas: all must hold.
    """
    if text is None:
        return lambda _labels: True
    terms: list[Matcher] = []
    position = 0
    while position < len(text):
        match = _TERM.match(text, position)
        if match is None:
            raise InvalidInput(
                f"selector {quoted(text)} is not valid at {quoted(text[position:])}",
                hint="write it like 'pipeline=etl-demo,stage!=load' or 'stage in (extract,load)'",
            )
        terms.append(_term(match))
        position = match.end()
    return lambda labels: all(term(labels) for term in terms)


def _term(match: re.Match[str]) -> Matcher:
    if match["set_key"]:
        key, values = match["set_key"], {value.strip() for value in match["values"].split(",")}
        if match["verb"] == "in":
            return lambda labels: labels.get(key) in values
        return lambda labels: labels.get(key) not in values
    if match["key"]:
        key, value = match["key"], match["value"]
        if match["op"] == "!=":
            return lambda labels: labels.get(key) != value
        return lambda labels: labels.get(key) == value
    key = match["present"]
    if match["absent"]:
        return lambda labels: key not in labels
    return lambda labels: key in labels
