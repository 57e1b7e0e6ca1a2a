"""Odd requests and odd data: each is answered, or refused in one clear line, by every command that reads interests."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from driftline.cli import app, main
from driftline.data.reading import read_dataset
from driftline.learning.fit import fit_run
from driftline.learning.settings import FitSettings

CHEAP = FitSettings(arms=("popularity", "cooccurrence"))
THEMES = ("tea", "garden", "desk", "toys")


def rows_of(n_users: int = 40, first: int = 1, last: int = 29, *, own: float = 1.0) -> list[str]:
    """Each user takes an item a day, of one theme out of four with chance `own`; one user has a single event."""
    rng = np.random.default_rng(0)
    rows = []
    for user in range(n_users):
        for day in range(first, last):
            theme = user % 4 if rng.random() < own else rng.integers(0, 4)
            time = f"2024-02-{day:02d}T{user % 24:02d}:{user % 60:02d}:{day:02d}Z"
            rows.append(f"u{user},i{theme + 4 * rng.integers(0, 5)},{time}")
    return [*rows, "once,i1,2024-02-20T05:00:00Z"]


def write_folder(folder: Path, rows: list[str], topics: dict[int, str] | None = None) -> Path:
    folder.mkdir(parents=True)
    (folder / "events.csv").write_text("\n".join(["user_id,item_id,time", *rows]) + "\n", encoding="utf-8")
    own = {item: THEMES[item % 4] for item in range(20)} if topics is None else topics
    if own:
        items = [f"i{item},{topic}" for item, topic in own.items()]
        (folder / "items.csv").write_text("\n".join(["item_id,topics", *items]) + "\n", encoding="utf-8")
    return folder


def run_of(tmp: Path, rows: list[str], topics: dict[int, str] | None = None) -> Path:
    fit_run(read_dataset(write_folder(tmp / "data", rows, topics)), tmp / "run", settings=CHEAP)
    return tmp / "run"


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run_of(tmp_path_factory.mktemp("plain"), rows_of())


@pytest.fixture
def answer(capsys: pytest.CaptureFixture[str]):
    def ask(command: str, run: Path, *arguments: str) -> dict[str, Any]:
        app([command, str(run), *arguments, "--json"], standalone_mode=False)
        return json.loads(capsys.readouterr().out)

    return ask


@pytest.fixture
def refusal(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    def ask(command: str, run: Path, *arguments: str, code: int = 2) -> str:
        monkeypatch.setattr("sys.argv", ["driftline", command, str(run), *arguments])
        with pytest.raises(SystemExit) as stopped:
            main()
        captured = capsys.readouterr()
        assert (stopped.value.code, captured.out, captured.err.count("\n")) == (code, "", 1), captured.err
        return captured.err

    return ask


HORIZONS = [
    "0d",
    "-7d",
    "0",
    "-1",
    "next-0",
    "next--5",
    "next-1.5",
    "next",
    "7",
    "",
    "d",
    "1e3d",
    "nan",
    "infd",
    "99999w",
]


@pytest.mark.parametrize("horizon", HORIZONS)
@pytest.mark.parametrize("command", ["forecast", "recommend"])
def test_a_horizon_of_nothing_or_less_or_of_no_length_is_refused(command: str, horizon: str, run_folder, refusal):
    line = refusal(command, run_folder, "--user", "u3", "--horizon", horizon)
    assert "expected a horizon such as 7d, 12h, 2w (time) or next-20 (events), got" in line


@pytest.mark.parametrize("horizon", HORIZONS)
def test_evaluate_refuses_such_a_horizon_before_it_learns(horizon: str, run_folder: Path, refusal):
    line = refusal("evaluate", run_folder.parent / "data", "--task", "forecast", "--horizon", horizon)
    assert "expected a horizon such as" in line


@pytest.mark.parametrize(("horizon", "known"), [("900d", "the 28.0 days"), ("next-5000", "the longest history, 28")])
def test_a_horizon_beyond_the_history_is_answered_and_says_so(horizon, known, run_folder, answer, capsys):
    found = answer("forecast", run_folder, "--user", "u3", "--horizon", horizon)
    assert sum(one["share"] for one in found["topics"]) == pytest.approx(1, abs=1e-4)
    assert [note for note in found["notes"] if known in note]
    app(["forecast", str(run_folder), "--user", "u3", "--horizon", horizon], standalone_mode=False)
    assert known.split(",")[0] in capsys.readouterr().out
    assert answer("forecast", run_folder, "--user", "u3", "--horizon", "7d")["notes"] == []


def test_a_horizon_beyond_the_history_cannot_be_evaluated(run_folder: Path, refusal):
    line = refusal("evaluate", run_folder.parent / "data", "--task", "forecast", "--horizon", "900d", code=1)
    assert "take a shorter horizon or bring more events" in line


def test_before_the_first_event_everybodys_mix_is_even_and_nothing_is_known(run_folder: Path, answer):
    for at in ("2024-01-31", "1970-01-01", "0001-01-01"):
        shown = answer("interests", run_folder, "--user", "u3", "--at", at)
        assert (shown["n_events"], shown["hindsight"]) == (0, True)
        assert {one["strength"] for one in shown["topics"]} == {0.25}
        assert not any(one["evidence"] for one in shown["topics"])
        ahead = answer("forecast", run_folder, "--user", "u3", "--horizon", "7d", "--at", at)
        assert [one["share"] for one in ahead["topics"]] == pytest.approx([0.25] * 4 + [0.0])
        assert ahead["led_by"] == "everybody"
        assert ahead["notes"] == ["no events before this moment: what everybody wants"]
        slate = answer("recommend", run_folder, "--user", "u3", "--at", at)
        assert slate["fallback"] == "no_history"


@pytest.mark.parametrize("at", ["yesterday", "2024-13-01", "", "12", "99999-01-01"])
@pytest.mark.parametrize("command", [["interests"], ["forecast", "--horizon", "7d"], ["recommend"]])
def test_a_moment_that_is_none_is_refused(command: list[str], at: str, run_folder: Path, refusal):
    line = refusal(command[0], run_folder, *command[1:], "--user", "u3", "--at", at)
    assert "expected a time such as 2011-09-01" in line


def test_long_after_the_last_event_answers_are_finite_and_go_back_to_everybody(run_folder: Path, answer):
    near = answer("interests", run_folder, "--user", "u3")["topics"][0]
    far = answer("interests", run_folder, "--user", "u3", "--at", "9999-12-31")["topics"][0]
    assert near["strength"] >= far["strength"] >= 0.25
    assert answer("forecast", run_folder, "--user", "u3", "--horizon", "7d", "--at", "9999-12-31")["topics"]


def test_one_event_is_a_wide_forecast_that_says_that_everybody_leads_it(tmp_path: Path, answer, capsys):
    run = run_of(tmp_path, rows_of(own=0.5))
    once = answer("forecast", run, "--user", "once", "--horizon", "next-20")
    often = answer("forecast", run, "--user", "u1", "--horizon", "next-20")
    assert (once["n_events"], once["led_by"]) == (1, "everybody")
    assert once["notes"] == ["1 event before this moment: led by what everybody wants"]
    assert (often["led_by"], often["notes"]) == ("own history", [])
    shares, widths = (
        [max(found(one) for one in document["topics"]) for document in (once, often)]
        for found in (lambda one: one["share"], lambda one: one["high"] - one["low"])
    )
    assert shares[0] < shares[1]
    assert widths[0] >= widths[1]
    app(["forecast", str(run), "--user", "once", "--horizon", "next-20"], standalone_mode=False)
    assert "1 event before this moment: led by what everybody wants" in capsys.readouterr().out


def test_one_event_may_tell_all_where_nobody_takes_anything_else_and_the_word_says_that_too(run_folder: Path, answer):
    once = answer("forecast", run_folder, "--user", "once", "--horizon", "next-20")
    assert once["led_by"] == "own history"
    assert once["notes"] == ["1 event before this moment: all that is known of this user"]


@pytest.mark.parametrize("topics", [{}, {0: "", 1: ""}], ids=["no items table", "a table without a topic"])
def test_where_the_catalog_names_no_topic_they_are_learned(topics: dict[int, str], tmp_path: Path, answer):
    run = run_of(tmp_path, rows_of(), topics)
    shown = answer("interests", run, "--user", "u3")
    assert shown["topics"][0]["evidence"]
    assert all(one["group"] is None for one in shown["topics"])
    assert answer("forecast", run, "--user", "u3", "--horizon", "7d")["topics"]


def test_somebody_whose_items_have_no_topic_wants_what_everybody_wants_and_is_told(tmp_path: Path, answer, capsys):
    run = run_of(tmp_path, rows_of(), {item: THEMES[item % 4] for item in range(20) if item % 4 != 3})
    shown = answer("interests", run, "--user", "u3")
    assert shown["without_topic"] == 1.0
    assert shown["n_events"] == 28
    found = answer("forecast", run, "--user", "u3", "--horizon", "7d")
    assert found["led_by"] == "everybody"
    app(["interests", str(run), "--user", "u3"], standalone_mode=False)
    assert "100% of events have no topic" in capsys.readouterr().out


def test_clocks_that_jump_are_reported_and_every_command_answers(tmp_path: Path, answer, capsys):
    """One event of the year 2099 and one of 1999 among those of four weeks."""
    rows = [*rows_of(), "u3,i3,2099-01-01T00:00:00Z", "u5,i1,1999-01-01T00:00:00Z"]
    run = run_of(tmp_path, rows)
    app(["check", str(tmp_path / "data"), "--json"], standalone_mode=False)
    codes = {one["code"] for one in json.loads(capsys.readouterr().out)["problems"]}
    assert {"far_future", "far_past"} <= codes
    for at in ((), ("--at", "2024-03-01")):
        for user in ("u3", "u5", "u9", "once"):
            shown = answer("interests", run, "--user", user, *at)
            assert all(0 <= one["low"] <= one["strength"] <= one["high"] <= 1 for one in shown["topics"])
            found = answer("forecast", run, "--user", user, "--horizon", "7d", *at)
            assert sum(one["share"] for one in found["topics"]) == pytest.approx(1, abs=1e-4)
            assert answer("recommend", run, "--user", user, "--horizon", "7d", *at)["items"]
    before = answer("interests", run, "--user", "u3", "--at", "2024-03-01")
    assert before["n_events"] == 28, "the event of 2099 has not happened yet"


def test_events_out_of_order_give_the_answers_of_the_same_events_in_order(tmp_path: Path, answer):
    rows = rows_of()
    mixed = [rows[place] for place in np.random.default_rng(3).permutation(len(rows))]
    runs = (
        run_of(tmp_path / "ordered", sorted(rows, key=lambda row: row.split(",")[2])),
        run_of(tmp_path / "mixed", mixed),
    )
    for user in ("u3", "u14", "once"):
        one, other = (_unversioned(answer("interests", run, "--user", user)) for run in runs)
        assert one == other
        one, other = (_unversioned(answer("forecast", run, "--user", user, "--horizon", "7d")) for run in runs)
        assert [row["topic"] for row in one["topics"]] == [row["topic"] for row in other["topics"]]


def test_events_that_come_late_count_at_their_own_time(tmp_path: Path, answer):
    """An update with events from before the cutoff: the state then is that of a log that had them from the start."""
    rows = rows_of()
    late = [row for row in rows if row.startswith("u3,") and "-02-1" in row]
    run = run_of(tmp_path / "late", [row for row in rows if row not in late])
    (tmp_path / "more.csv").write_text("\n".join(["user_id,item_id,time", *reversed(late)]) + "\n", encoding="utf-8")
    report = answer("update", run, "--events", str(tmp_path / "more.csv"))
    assert report["new"] == len(late) == 10
    whole = run_of(tmp_path / "whole", rows)
    for at in ((), ("--at", "2024-02-15")):
        shown, wanted = (answer("interests", one, "--user", "u3", *at) for one in (run, whole))
        assert shown["n_events"] == wanted["n_events"]
        assert _unversioned(shown) == _unversioned(wanted)


def _unversioned(document: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in document.items() if key != "model_version"}
