"""`driftline evaluate`: the document of the contract, the table, and one line for every wrong request."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest

from driftline.cli import main
from driftline.cli.evaluate import read_seeds
from driftline.data.synthetic import drifting
from driftline.errors import RequestError


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """A folder with an events.csv alone: 40 shoppers who mostly go from item i to i + 1."""
    folder = tmp_path_factory.mktemp("shop")
    rng = np.random.default_rng(0)
    lines = ["user_id,item_id,time"]
    for user in range(40):
        item = int(rng.integers(20))
        for day in range(1, 21):
            lines.append(f"u{user},i{item},2024-01-{day:02d}")
            item = int(rng.integers(20)) if rng.random() < 0.2 else (item + 1) % 20
    (folder / "events.csv").write_text("\n".join(lines) + "\n")
    return folder


@pytest.fixture
def driftline(monkeypatch, capsys):
    """Run the command line: (exit code, standard output, standard error)."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["driftline", *map(str, arguments)])
        with pytest.raises(SystemExit) as stop:
            main()
        said = capsys.readouterr()
        return stop.value.code, said.out, said.err

    return run


def test_json_is_one_document_with_the_baselines_that_were_not_asked_for(driftline, shop):
    code, out, err = driftline("evaluate", shop, "--models", "popularity", "--json")
    assert (code, err) == (0, "")
    document = json.loads(out)
    assert set(document["models"]) == {"popularity", "popularity-7d", "cooccurrence"}
    assert (document["protocol"], document["task"], document["seeds"]) == ("global-time", "next-item", [0])
    assert (document["data"]["users"], document["data"]["items"], document["data"]["events"]) == (40, 20, 800)
    gain = document["versus"]["cooccurrence"]["popularity"]["ndcg@10"]
    assert gain["low"] > 0, "who follows whom is all there is to know in this shop"


def test_the_table_is_for_people_and_the_file_for_programs(driftline, shop, tmp_path):
    out_file = tmp_path / "figures.json"
    arguments = ("--models", "cooccurrence", "--protocol", "last-item", "--seeds", "2", "--out", out_file)
    code, out, _ = driftline("evaluate", shop, *arguments)
    assert code == 0
    assert "next-item by last-item" in out
    assert "mean of 2 seeds" in out
    assert json.loads(out_file.read_text())["seeds"] == [0, 1]
    assert [path.name for path in tmp_path.iterdir()] == ["figures.json"]


def test_a_blend_brings_its_arms_shares_and_hides_the_arms_that_were_not_asked_for(driftline, shop, tmp_path):
    settings = tmp_path / "settings.toml"
    settings.write_text('arms = ["popularity", "item-knn"]\n')
    code, out, _ = driftline("evaluate", shop, "--models", "blend", "--config", settings, "--json")
    assert code == 0
    document = json.loads(out)
    assert set(document["models"]) == {"blend", "popularity-7d", "cooccurrence"}
    assert set(document["shares"]) <= {"popularity", "item-knn"}
    assert sum(document["shares"].values()) == pytest.approx(1)


def test_an_order_without_times_is_evaluated_by_last_item_and_refuses_the_other(driftline, shop, tmp_path):
    (tmp_path / "events.csv").write_text((shop / "events.csv").read_text().replace("2024-01-", ""))
    (tmp_path / "dataset.toml").write_text("order_only = true\n")
    code, out, _ = driftline("evaluate", tmp_path, "--models", "cooccurrence")
    assert code == 0
    assert "last-item is the protocol for it" in out
    code, _, err = driftline("evaluate", tmp_path, "--models", "cooccurrence", "--protocol", "global-time")
    assert code == 2
    assert err.count("\n") == 1
    assert "use last-item" in err


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["--models", "oracle"], "expected models among"),
        (["--models", ","], "expected --models"),
        (["--task", "churn"], "expected --task next-item or forecast"),
        (["--protocol", "random"], "expected --protocol last-item or global-time"),
        (["--tie", "coin"], "expected --tie file or hash"),
        (["--seeds", "0"], "at least one seed"),
        (["--seeds", "many"], "expected --seeds"),
        (["--out", "no/such/folder/figures.json"], "expected --out in a folder that exists"),
        (["--out", "."], "expected --out as a file"),
        (["--out", ""], "expected --out as a file"),
        (["--minutes", "inf"], "setting minutes"),
    ],
)
def test_a_wrong_request_is_one_line_and_exit_code_2(driftline, shop, arguments, word):
    code, out, err = driftline("evaluate", shop, *arguments)
    assert (code, out) == (2, "")
    assert err.startswith("driftline: ")
    assert err.count("\n") == 1
    assert word in err


def test_too_little_to_measure_is_one_line_and_exit_code_1(driftline, tmp_path):
    (tmp_path / "events.csv").write_text("user_id,item_id,time\nada,tea,2024-01-01\n")
    code, out, err = driftline("evaluate", tmp_path, "--models", "popularity")
    assert (code, out) == (1, "")
    assert err.count("\n") == 1
    assert "bring more events" in err


def test_seeds_are_a_count_or_a_list():
    assert read_seeds("3") == (0, 1, 2)
    assert read_seeds("2", 5) == (5, 6)
    assert read_seeds("7,") == (7,)
    assert read_seeds("1, 2,5,1") == (1, 2, 5)
    with pytest.raises(RequestError):
        read_seeds("-1")


def test_a_disk_that_fills_names_the_file_and_keeps_what_was_there(driftline, shop, tmp_path, monkeypatch):
    out = tmp_path / "figures.json"
    out.write_text("before", encoding="utf-8")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.replace", full)
    code, _, err = driftline("evaluate", shop, "--models", "popularity", "--out", out)
    assert code == 1
    assert err.count("\n") == 1
    assert "figures.json: No space left" in err
    assert [path.name for path in tmp_path.iterdir()] == ["figures.json"]
    assert out.read_text(encoding="utf-8") == "before"


def test_a_forecast_is_one_document_or_a_table(driftline, tmp_path_factory):
    folder = tmp_path_factory.mktemp("drift")
    dataset = drifting(n_users=220).dataset
    log, topics = dataset.log, dataset.catalog.topics
    topic = np.asarray(topics.argmax(axis=1)).ravel()
    events = zip(log.user_row, log.item_row, log.time_us // 1_000_000, strict=True)
    rows = "\n".join(f"u{user},i{item},{time}" for user, item, time in events)
    (folder / "events.csv").write_text(f"user_id,item_id,time\n{rows}\n")
    items = "\n".join(f"i{item},t{one}" for item, one in enumerate(topic))
    (folder / "items.csv").write_text(f"item_id,topics\n{items}\n")
    code, out, err = driftline("evaluate", folder, "--task", "forecast", "--horizon", "14d", "--json")
    assert (code, err) == (0, "")
    document = json.loads(out)
    assert (document["task"], document["horizon"], document["protocol"]) == ("forecast", "14d", "rolling-origin")
    assert document["best_baseline"] in document["models"]


def test_options_that_do_not_belong_to_a_task_are_refused(driftline, shop):
    for options, said in (
        (("--task", "forecast", "--models", "gru"), "--models with --task next-item"),
        (("--horizon", "7d"), "--horizon with --task forecast"),
        (("--task", "forecast", "--horizon", "0d"), "horizon"),
        (("--task", "forecast", "--horizon", "7d"), "at least 100 users"),
    ):
        code, out, err = driftline("evaluate", shop, *options)
        assert code in (1, 2)
        assert (out, err.count("\n")) == ("", 1)
        assert said in err
