"""Tables and documents, without a process."""

import io
import json
from types import SimpleNamespace

import pytest

from koncli.output import Output, pad, to_yaml, width
from koncli.progress import Waiting
from koncli.watch import Rows


def test_columns_stay_under_their_headers_with_wide_and_combining_characters() -> None:
    table = Output().table(["NAME", "AT"], [("plain", "1"), ("日本", "2"), ("e\u0301", "3")])
    columns = [width(line[: line.rindex(last)]) for line, last in zip(table.splitlines(), "A123", strict=True)]
    assert len(set(columns)) == 1


def test_padding_counts_columns_not_characters() -> None:
    assert pad("日", 4) == "日  "


def test_only_the_phase_is_coloured() -> None:
    table = Output(color=True).table(["NAME", "PHASE"], [("Open", "Open")])
    assert table.count("\x1b[") == 2
    assert "Open" in table.splitlines()[1].split("\x1b")[0]


def test_fields_without_a_value_are_left_out() -> None:
    assert Output().fields([("Phase", "Open"), ("Reason", "")]) == "Phase:  Open"


def test_json_keeps_characters_readable(capsys: pytest.CaptureFixture[str]) -> None:
    Output("json").show(lambda: {"holder": "日本 😀"}, lambda: "", [])
    printed = capsys.readouterr().out
    assert "日本 😀" in printed
    assert json.loads(printed) == {"holder": "日本 😀"}


def test_yaml_keeps_the_order_of_fields() -> None:
    assert to_yaml({"kind": "Barrier", "arrived": 2}) == "kind: Barrier\narrived: 2\n"


def test_a_stream_of_json_has_one_document_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    out = Output("json")
    out.stream({"n": 1}, "", "")
    out.stream({"n": 2}, "", "")
    assert [json.loads(line)["n"] for line in capsys.readouterr().out.splitlines()] == [1, 2]


def test_rows_printed_one_by_one_never_get_narrower() -> None:
    rows = Rows(["NAME", "PHASE", "AGE"])
    long = rows.line(["x" * 30, "Open", "1s"])
    assert rows.line(["y", "Open", "1s"]).index("Open") == long.index("Open")


def step(text: str, deadline_in: float | None = None) -> SimpleNamespace:
    return SimpleNamespace(text=text, deadline_in=deadline_in)


def test_a_log_gets_a_line_only_when_something_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    stderr = io.StringIO()
    monkeypatch.setattr("sys.stderr", stderr)
    with Waiting("barrier/x") as waiting:
        waiting(step("1/5 arrived", 7200))
        waiting(step("1/5 arrived", 7199))
        waiting(step("2/5 arrived", 7080))
    assert stderr.getvalue() == "barrier/x: 1/5 arrived, 2h left\nbarrier/x: 2/5 arrived, 1h58m left\n"


def test_a_log_that_nobody_reads_any_more_does_not_end_the_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    class Gone(io.StringIO):
        def write(self, _text: str) -> int:
            raise BrokenPipeError

    monkeypatch.setattr("sys.stderr", Gone())
    with Waiting("barrier/x") as waiting:
        waiting(step("1/5 arrived"))
