"""A report says what was found, what failed, and on what machine, to people and to programs."""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks.report import Report, Table

TABLE = Table("Rates", ("contender", "rate"), [("ours", "1,234"), ("a|b", "7")], ("medians",))


def test_a_table_is_aligned_markdown_with_its_notes():
    assert TABLE.markdown().splitlines() == [
        "## Rates",
        "",
        "| contender |  rate |",
        "| --------- | ----: |",
        "| ours      | 1,234 |",
        "| a\\|b      |     7 |",
        "",
        "- medians",
    ]


def test_both_files_hold_the_command_the_machine_the_figures_and_the_failures(tmp_path: Path):
    report = Report(
        "x", "Speed", "bench speed", {"cores": "2"}, [TABLE], {"rate": 1234.5}, {"peer": "exit code 1"}, "now"
    )
    page = report.write(tmp_path / "deep").read_text(encoding="utf-8")
    assert page.startswith("# Speed\n\n`bench speed`, now\n\n- **peer failed**: exit code 1\n\n## Rates\n")
    assert "| cores |     2 |" in page
    document = json.loads((tmp_path / "deep" / "x.json").read_text(encoding="utf-8"))
    assert document["figures"] == {"rate": 1234.5}
    assert document["failures"] == {"peer": "exit code 1"}
    assert document["machine"] == {"cores": "2"}
