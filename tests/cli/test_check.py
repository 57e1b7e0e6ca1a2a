"""`driftline check` prints one JSON document, or a table, or one line that says what is wrong."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from driftline.cli import app, main

EVENTS = """user_id,item_id,time,event,value
u,a,2011-01-01,buy,1
u,a,2011-01-01,buy,1
u,b,soon,buy,1
v,"[bold]",2011-01-02,return,-1
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "events.csv").write_text(EVENTS)
    (tmp_path / "items.csv").write_text("item_id,topics\na,x|y\n")
    return tmp_path


def run(*arguments: str) -> int:
    result = app(["check", *arguments], standalone_mode=False)
    return int(result or 0)


def test_json_has_the_shape_of_the_contract(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(str(folder), "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["rows"], document["kept"], document["users"], document["items"]) == (4, 2, 2, 2)
    assert document["time"] == {
        "unit": "ISO-8601",
        "first": "2011-01-01T00:00:00Z",
        "last": "2011-01-02T00:00:00Z",
        "order_only": False,
    }
    assert {problem["code"]: problem["count"] for problem in document["problems"]} == {
        "unreadable_time": 1,
        "exact_duplicates": 1,
        "returns": 1,
        "users_with_one_event": 2,
        "items_with_one_event": 2,
        "items_not_in_catalog": 1,
    }
    for problem in document["problems"]:
        assert set(problem) == {"code", "count", "example", "action"}
        assert problem["example"]
        assert problem["action"]
    dropped = sum(problem["count"] for problem in document["problems"] if problem["action"] == "dropped")
    assert document["rows"] - document["kept"] == dropped
    assert document["kinds"]["return"] == {"count": 1, "weight": 0.0, "target": False}
    assert document["topics"]["share_of_events"] == 0.5
    assert document["repeats"] == {"share": 0.0, "rule": "exclude", "declared": False}


def test_the_table_names_every_problem(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(str(folder), "--clean", "strict") == 0
    out = capsys.readouterr().out
    for word in ("exact_duplicates", "unreadable_time", "returns", "[bold]", "keeps 2 of 4 rows"):
        assert word in out


def test_a_wrong_folder_is_one_line_and_exit_code_2(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "from driftline.cli import main; main()", "check", str(tmp_path / "no"), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert "expected a dataset folder" in done.stderr
    assert callable(main)
