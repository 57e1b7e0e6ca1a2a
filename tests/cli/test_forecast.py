"""`driftline forecast` gives shares with intervals that sum to one, for people and as the contract's JSON."""

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


@pytest.mark.parametrize("horizon", ["7d", "next-20", "2w"])
def test_json_has_the_shape_of_the_contract_and_sums_to_one(run_folder, capsys, horizon):
    app(["forecast", str(run_folder), "--user", "u3", "--horizon", horizon, "--json"], standalone_mode=False)
    document = json.loads(capsys.readouterr().out)
    assert {"user_id", "at", "horizon", "topics", "model_version", "model_cutoff", "hindsight"} <= set(document)
    assert all({"topic", "name", "share", "low", "high"} <= set(one) for one in document["topics"])
    assert sum(one["share"] for one in document["topics"]) == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("horizon", ["7d", "next-20"])
def test_items_stand_in_order_of_their_chances_each_with_an_interval_and_by_when(run_folder, capsys, horizon):
    asked = ["forecast", str(run_folder), "--user", "u3", "--horizon", horizon, "-k", "4", "--json"]
    app(asked, standalone_mode=False)
    document = json.loads(capsys.readouterr().out)
    items = document["items"]
    assert len(items) == 4
    assert all(set(one) == {"item_id", "title", "chance", "low", "high", "by", "by_event"} for one in items)
    assert [one["chance"] for one in items] == sorted((one["chance"] for one in items), reverse=True)
    assert all(0 <= one["low"] <= one["chance"] <= one["high"] <= document["any_event"] for one in items)
    timed = horizon == "7d"
    assert all((one["by"] is not None) == timed and (one["by_event"] is None) == timed for one in items)
    assert all(one["by"] is None or one["by"] > document["at"] for one in items)


def test_a_count_of_items_out_of_range_is_one_line(run_folder, capsys, monkeypatch):
    asked = ["driftline", "forecast", str(run_folder), "--user", "u3", "--horizon", "7d", "-k", "0"]
    monkeypatch.setattr("sys.argv", asked)
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code == 2
    assert capsys.readouterr().err.startswith("driftline: expected k between 1")


def test_people_get_a_table_and_what_it_was_read_from(run_folder, capsys, monkeypatch):
    monkeypatch.setattr("driftline.cli.output.console.width", 120)
    app(["forecast", str(run_folder), "--user", "u3", "--horizon", "9d"], standalone_mode=False)
    text = capsys.readouterr().out
    assert "9d ahead" in text
    assert "topic 00" in text
    assert "read from" in text
    assert "weights were fitted for 7d" in text
    assert "that anything comes within 9d" in text


@pytest.mark.parametrize("horizon", ["soon", "next-0", "0d"])
def test_a_horizon_that_is_none_is_one_line_with_exit_code_2(run_folder, capsys, monkeypatch, horizon):
    arguments = ["driftline", "forecast", str(run_folder), "--user", "u3", "--horizon", horizon]
    monkeypatch.setattr("sys.argv", arguments)
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code == 2
    assert capsys.readouterr().err.startswith("driftline: expected a horizon")
