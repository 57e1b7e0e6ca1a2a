"""`driftline prepare` says what it read, left out and wrote, for people and as JSON."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass

import pytest

from driftline.cli import main

TABLE = "u;i;t\n1;a;2024-01-01\n1;b;2024-01-02\n;b;2024-01-02\n"


@dataclass(frozen=True)
class Done:
    code: int
    out: str
    err: str


@pytest.fixture
def driftline(tmp_path, monkeypatch, capsys):
    """Run a command in a folder that holds one table."""
    (tmp_path / "table.csv").write_text(TABLE)
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> Done:
        monkeypatch.setattr(sys, "argv", ["driftline", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        shown = capsys.readouterr()
        return Done(int(ended.value.code or 0), shown.out, shown.err)

    return run


def mapped(*more: str) -> tuple[str, ...]:
    names = ("--map", "user_id=u", "--map", "item_id=i", "--map", "time=t")
    return ("prepare", "table.csv", "--as", "csv", *names, "--separator", ";", "--event", "view", "--out", "out", *more)


def test_a_table_goes_through_the_command_and_its_report_adds_up(driftline, tmp_path):
    done = driftline(*mapped("--json"))
    assert (done.code, done.err) == (0, "")
    document = json.loads(done.out)
    assert document["tables"] == {"events": 2}
    assert document["files"] == [
        {
            "file": "table.csv",
            "rows": 3,
            "kept": 2,
            "left_out": [{"code": "missing_user_id", "count": 1, "example": ", b, 2024-01-02"}],
        }
    ]
    assert (tmp_path / "out" / "events.parquet").is_file()


def test_the_report_for_people_ends_with_the_folder(driftline):
    assert driftline(*mapped()).out.splitlines() == [
        "read table.csv: 3 rows, 2 kept",
        "  left out 1 missing_user_id, such as: , b, 2024-01-02",
        "note: times were read as ISO-8601",
        "wrote events 2",
        "dataset: out",
    ]
    again = driftline(*mapped())
    assert (again.code, len(again.err.splitlines())) == (2, 1)
    assert "--overwrite" in again.err
    assert driftline(*mapped("--overwrite")).code == 0


def test_a_bundled_dataset_is_named_as_the_source(tmp_path):
    """In a process of its own, as people run it."""
    command = [sys.executable, "-c", "from driftline.cli import main; main()"]
    arguments = ["prepare", "stackexchange-beer", "--as", "bundled", "--out", "beer"]
    done = subprocess.run([*command, *arguments], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-2:] == ["wrote events 7,122, items 1,029", "dataset: beer"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("table.csv", "--as", "mind"), "expected behaviors.tsv"),
        (("nothing.csv", "--as", "csv"), "does not exist"),
        (("table.csv", "--as", "xml"), "expected a format among"),
        (("books", "--as", "bundled"), "expected a bundled dataset among"),
        (("idea-news", "--as", "bundled", "--event", "view"), "with --as csv alone"),
        (("table.csv", "--as", "csv", "--map", "user_id"), "expected --map OURS=THEIRS"),
    ],
)
def test_wrong_requests_are_one_line_and_exit_code_two(driftline, tmp_path, arguments, words):
    done = driftline("prepare", *arguments, "--out", "x")
    assert (done.code, len(done.err.splitlines()), done.out) == (2, 1, "")
    assert words in done.err
    assert not (tmp_path / "x").exists()
