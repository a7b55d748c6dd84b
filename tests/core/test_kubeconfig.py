from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import yaml

from konductor_core.kubeconfig import current_namespace

if TYPE_CHECKING:
    from pathlib import Path

USUAL = """\
apiVersion: v1
clusters:
- cluster:
    server: https://one
  name: prod
contexts:
- context:
    cluster: prod
    namespace: "etl"  # the team's
    user: me
  name: prod
- context:
    cluster: dev
    user: me
  name: dev
current-context: prod
kind: Config
preferences: {}
users:
- name: prod
  user:
    exec:
      namespace: wrong
"""


@pytest.mark.parametrize(
    "text,expected",
    [
        (USUAL, "etl"),
        (USUAL.replace("current-context: prod", "current-context: 'dev'"), None),
        (USUAL.replace("current-context: prod", "current-context: gone"), None),
        (USUAL.replace("current-context: prod", 'current-context: ""'), None),
        ("current-context: a\ncontexts:\n  - name: a\n    context:\n      namespace: indented\n", "indented"),
        ("# nothing\n\n", None),
        ("{}", None),
        ("\0\1", None),
    ],
)
def test_the_current_contexts_namespace_is_found(tmp_path: Path, text: str, expected: str | None) -> None:
    (tmp_path / ".kube").mkdir()
    (tmp_path / ".kube" / "config").write_text(text)
    assert current_namespace({"HOME": str(tmp_path)}) == expected


def test_what_pyyaml_writes_is_read(tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_text(yaml.safe_dump(yaml.safe_load(USUAL)))
    assert current_namespace({"KUBECONFIG": str(path)}) == "etl"


def test_of_several_files_the_first_that_says_something_wins(tmp_path: Path) -> None:
    first, second = tmp_path / "1", tmp_path / "2"
    first.write_text("current-context: dev\n")
    second.write_text(
        USUAL.replace("namespace: wrong", "x: y").replace("cluster: dev", "cluster: dev\n    namespace: two")
    )
    assert current_namespace({"KUBECONFIG": f"{tmp_path}/missing:{first}:{second}:"}) == "two"


def test_files_that_cannot_be_read_say_nothing(tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    assert current_namespace({"KUBECONFIG": f"{tmp_path}:{tmp_path / 'binary'}"}) is None
    assert current_namespace({}) is None
