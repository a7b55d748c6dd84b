"""The page about injection shows what injection does."""

from __future__ import annotations

import re

import yaml

from konductor_core import __version__
from tests.deploy.rendering import ROOT
from tests.webhook.pods import admitted
from webhook.defaults import SLIM_IMAGE, Defaults

PAGE = (ROOT / "docs/how-injection-works.md").read_text(encoding="utf-8")


def test_the_pod_after_is_what_becomes_of_the_pod_before() -> None:
    before, after = (
        yaml.safe_load(block) for block in re.findall(r"^```yaml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    )
    injection = admitted(before, Defaults(image=f"{SLIM_IMAGE}:{__version__}"))
    assert injection.pod == after
    assert [f"Warning: {warning}" for warning in injection.warnings] == re.findall(r"^Warning: .*$", PAGE, re.MULTILINE)
