"""Every command and every Python example on a page works as the page shows it."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest

from tests.docs.blocks import PAGES, ROOT

if TYPE_CHECKING:
    from tests.docs.conftest import Runner


@pytest.mark.parametrize("page", PAGES)
def test_what_a_page_shows_is_what_happens(page: str, pages: Runner) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    for program in ("redis-cli", "curl"):
        if f"{program} " in text and shutil.which(program) is None:
            if os.environ.get("CI", "").lower() == "true":
                pytest.fail(f"{program} is not installed")
            pytest.skip(f"{program} is not installed")
    pages.run(page)
