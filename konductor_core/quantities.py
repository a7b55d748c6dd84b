"""Quantities of Kubernetes resources: `500m` of a processor, `64Mi` of memory."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from konductor_core.errors import InvalidInput, quoted

__all__ = ["RESOURCE_NAMES", "Amount", "milli"]

RESOURCE_NAMES: Final = ("cpu", "memory", "ephemeral-storage")

_QUANTITY: Final = re.compile(r"([0-9]{1,15})(?:\.([0-9]{1,9}))?(m|k|M|G|T|P|Ki|Mi|Gi|Ti|Pi)?")
_MILLI: Final = {
    "m": 1,
    "": 1_000,
    **{unit: 1_000 * 1_000**power for power, unit in enumerate(("k", "M", "G", "T", "P"), start=1)},
    **{unit: 1_000 * 1_024**power for power, unit in enumerate(("Ki", "Mi", "Gi", "Ti", "Pi"), start=1)},
}


@dataclass(frozen=True, slots=True)
class Amount:
    """How much of one resource a container asks for, and how much it may use at most, as Kubernetes writes them."""

    resource: str
    request: str
    limit: str

    @classmethod
    def parse(cls, text: str, what: str) -> Amount:
        """Return what `cpu=10m:200m` says; without a limit the request is it. Raises `InvalidInput`."""
        resource, equals, amounts = (part.strip() for part in text.partition("="))
        if not equals or resource not in RESOURCE_NAMES:
            raise InvalidInput(f"{what} {quoted(text)} is not valid: write {'=, '.join(RESOURCE_NAMES)}= and an amount")
        request, _, limit = (part.strip() for part in amounts.partition(":"))
        limit = limit or request
        if milli(request, f"{what}: {resource}") > milli(limit, f"{what}: {resource}"):
            raise InvalidInput(f"{what}: {resource} {quoted(amounts)} asks for more than its limit: raise the limit")
        return cls(resource, request, limit)


def milli(text: str, what: str) -> int:
    """Return the quantity in thousandths, rounded up; raise `InvalidInput` for what is none or is not above zero."""
    match = _QUANTITY.fullmatch(text)
    if match is None:
        raise InvalidInput(f"{what} {quoted(text)} is not a quantity: write it like 500m, 0.5, 64Mi or 1Gi")
    fraction = match[2] or ""
    value: int = -(-int(match[1] + fraction) * _MILLI[match[3] or ""] // 10 ** len(fraction))
    if value == 0:
        raise InvalidInput(f"{what} {quoted(text)} is zero: write it like 500m, 0.5, 64Mi or 1Gi")
    return value
