"""The arithmetic of a report: medians, spreads, paired ratios, fairness, and whether a target was reached."""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Line", "Target", "at_least", "at_most", "jain", "line", "median", "quantile", "ratios"]


def median(samples: Sequence[float]) -> float:
    """Return the middle value; of an even number, the mean of the two in the middle."""
    return float(statistics.median(samples))


def quantile(samples: Sequence[float], share: float) -> float:
    """Return the value below which `share` (0 to 1) of the samples lie, interpolated between neighbours."""
    ordered = sorted(samples)
    place = share * (len(ordered) - 1)
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return float(ordered[below] + (ordered[above] - ordered[below]) * (place - below))


def ratios(numerators: Sequence[float], denominators: Sequence[float]) -> list[float]:
    """Return the ratio of each round: what disturbs the machine for a while disturbs both sides of it.

    Beside nothing, everything is infinite.
    """
    return [above / below if below else math.inf for above, below in zip(numerators, denominators, strict=True)]


def jain(counts: Sequence[float]) -> float:
    """Return Jain's index of fairness: 1 when all got the same, 1/n when one got everything, 0 when nobody did."""
    squares = sum(count * count for count in counts)
    return sum(counts) ** 2 / (len(counts) * squares) if squares else 0.0


@dataclass(frozen=True, slots=True)
class Target:
    """What a figure should be: `bound`, and on which side of it."""

    bound: float
    is_minimum: bool

    def reached(self, value: float) -> bool:
        """Return whether `value` is on the right side."""
        return value >= self.bound if self.is_minimum else value <= self.bound

    def __str__(self) -> str:
        return f"{'≥' if self.is_minimum else '≤'} {self.bound:g}"


def at_least(bound: float) -> Target:
    """Return the target of a figure that should be large."""
    return Target(bound, is_minimum=True)


def at_most(bound: float) -> Target:
    """Return the target of a figure that should be small."""
    return Target(bound, is_minimum=False)


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a report. `spread` are the tenth and the ninetieth percentile, where there were several rounds."""

    what: str
    value: float
    unit: str = ""
    spread: tuple[float, float] | None = None
    target: Target | None = None

    @property
    def verdict(self) -> str:
        """`reached` or `missed`; empty without a target."""
        if self.target is None:
            return ""
        return "reached" if self.target.reached(self.value) else "missed"

    def to_dict(self) -> dict[str, Any]:
        """Return the line for JSON."""
        found: dict[str, Any] = {"what": self.what, "value": self.value, "unit": self.unit}
        if self.spread is not None:
            found["p10"], found["p90"] = self.spread
        if self.target is not None:
            found["target"], found["verdict"] = str(self.target), self.verdict
        return found


def line(what: str, samples: Sequence[float], unit: str = "", target: Target | None = None) -> Line:
    """Return the line of several samples: their median and spread."""
    return Line(what, median(samples), unit, (quantile(samples, 0.1), quantile(samples, 0.9)), target)
