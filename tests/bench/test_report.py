"""results.json keeps what each suite said last."""

import json
from pathlib import Path
from typing import Any

import pytest

from bench import report
from bench.measuring import Goal, Line


@pytest.fixture
def results(tmp_path: Path) -> Path:
    return tmp_path / "results.json"


def recorded(path: Path) -> dict[str, Any]:
    suites = json.loads(path.read_text(encoding="utf-8"))["suites"]
    return {name: [line["value"] for line in suite["lines"]] for name, suite in suites.items()}


def test_a_suite_leaves_the_records_of_the_others(results: Path) -> None:
    report.record(results, "idle", [Line("idle", value=1.0)], "18.4")
    report.record(results, "churn", [Line("churn", value=2.0)], "18.4")
    assert recorded(results) == {"churn": [2.0], "idle": [1.0]}


def test_a_suite_replaces_its_own_record(results: Path) -> None:
    report.record(results, "idle", [Line("idle", value=1.0), Line("gone", value=3.0)], "18.4")
    report.record(results, "idle", [Line("idle", value=2.0)], "18.4")
    assert recorded(results) == {"idle": [2.0]}


def test_the_record_of_a_suite_that_is_no_more_goes(results: Path) -> None:
    results.write_text('{"suites": {"former": {"lines": []}}}', encoding="utf-8")
    report.record(results, "idle", [Line("idle", value=2.0)], "18.4")
    assert recorded(results) == {"idle": [2.0]}


def test_a_record_holds_no_seconds(results: Path) -> None:
    report.record(results, "idle", [Line("idle", 7, 1.25, 2.0, Goal("≤", 5))], "18.4")
    line = {"what": "idle", "rows": 7, "value": 2.0, "goal": "≤ 5", "met": True}
    assert json.loads(results.read_text(encoding="utf-8"))["suites"]["idle"]["lines"] == [line]


def test_every_suite_stands_in_the_page_about_the_bench() -> None:
    page = (Path(report.__file__).parents[1] / "docs" / "bench.md").read_text(encoding="utf-8")
    assert [name for name in report.SUITES if f"| `{name}` |" not in page] == []
