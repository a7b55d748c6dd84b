"""Everything works on every deployment, from threads and tasks; `make test-deployments` runs all suites there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.deployments.tour import tour, tour_async
from tests.servers import KINDS, Kind
from tests.topologies import DEPLOYMENTS

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_every_verb_works(name: str, kind: Kind, made: Callable[..., Any]) -> None:
    deployment = made(DEPLOYMENTS[name], kind)
    tour(deployment.url)
    tour_async(deployment.url)
