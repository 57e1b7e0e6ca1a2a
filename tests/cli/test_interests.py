"""`driftline interests` shows a user's interests as of a moment, for people and as the contract's JSON."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from driftline.cli import app, main
from driftline.data.synthetic import still
from driftline.learning.fit import fit_run
from driftline.learning.settings import FitSettings


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    world = still(n_users=25, n_items=40, n_topics=4, n_events=30)
    fit_run(world.dataset, folder / "run", settings=FitSettings(arms=("popularity",)))
    return folder / "run"


def answer(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict:
    app([*arguments, "--json"], standalone_mode=False)
    return json.loads(capsys.readouterr().out)


def test_json_has_the_shape_of_the_contract_and_says_which_model_answered(run_folder, capsys):
    document = answer(capsys, "interests", str(run_folder), "--user", "u3")
    assert {"user_id", "at", "n_events", "topics", "short_term", "long_term"} <= set(document)
    assert {"model_version", "model_cutoff", "hindsight"} <= set(document)
    assert document["n_events"] == 30
    assert document["at"] == document["model_cutoff"]
    assert document["hindsight"] is False
    wanted = {"topic", "name", "strength", "low", "high", "trend", "lifecycle", "evidence"}
    assert all(wanted <= set(one) for one in document["topics"])
    assert document["topics"][0]["evidence"]


def test_at_a_moment_it_stands_there_and_admits_hindsight(run_folder, capsys):
    document = answer(capsys, "interests", str(run_folder), "--user", "u3", "--at", "2020-04-01")
    assert document["at"] == "2020-04-01T00:00:00Z"
    assert 0 < document["n_events"] < 30
    assert document["hindsight"] is True
    before_all = answer(capsys, "interests", str(run_folder), "--user", "u3", "--at", "2019-01-01")
    assert before_all["n_events"] == 0


def test_people_get_bars_words_and_titles(run_folder, capsys, monkeypatch):
    monkeypatch.setattr("driftline.cli.output.console.width", 140)
    app(["interests", str(run_folder), "--user", "u3", "--at", "2020-11-01"], standalone_mode=False)
    text = capsys.readouterr().out
    assert "u3 at 2020-11-01T00:00:00Z" in text
    assert "█" in text
    assert "topic 00" in text
    assert ", number " in text
    assert "%" in text
    assert "has seen events after" in text


@pytest.mark.parametrize("command", [["interests"], ["forecast", "--horizon", "7d"]])
def test_an_unknown_user_and_a_folder_that_is_no_run_are_one_line_with_exit_code_2(
    run_folder, tmp_path, capsys, monkeypatch, command
):
    for arguments in ((str(run_folder), "--user", "nobody"), (str(tmp_path), "--user", "u1")):
        monkeypatch.setattr("sys.argv", ["driftline", *command, *arguments])
        with pytest.raises(SystemExit) as stopped:
            main()
        assert stopped.value.code == 2
        captured = capsys.readouterr()
        assert captured.out == ""
        assert captured.err.count("\n") == 1
        assert captured.err.startswith("driftline: expected")


def test_the_change_is_told_in_json_and_in_the_same_sentence_in_the_terminal(run_folder, capsys, monkeypatch):
    found = answer(capsys, "interests", str(run_folder), "--user", "u3")["change"]
    assert set(found) >= {"score", "threshold", "changed", "since", "from", "to", "evidence", "sentence"}
    monkeypatch.setattr("driftline.cli.output.console.width", 400)
    app(["interests", str(run_folder), "--user", "u3"], standalone_mode=False)
    assert found["sentence"] in capsys.readouterr().out


def test_the_population_is_told_as_json_and_as_a_table(run_folder, capsys):
    document = answer(capsys, "interests", str(run_folder), "--population", "--window", "90d")
    assert {"at", "before", "recent", "users", "topics", "flows", "model_version", "hindsight"} <= set(document)
    assert document["topics"]
    assert all(one["low"] <= one["change"] <= one["high"] for one in document["topics"])
    app(["interests", str(run_folder), "--population", "--window", "90d"], standalone_mode=False)
    text = capsys.readouterr().out
    assert "25 people" in text
    assert "within chance" in text


@pytest.mark.parametrize("arguments", [[], ["--user", "u3", "--population"], ["--user", "u3", "--window", "7d"]])
def test_a_user_or_the_population_but_not_both_and_not_neither(run_folder, capsys, monkeypatch, arguments):
    monkeypatch.setattr("sys.argv", ["driftline", "interests", str(run_folder), *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert "expected --user ID, or --population" in capsys.readouterr().err
