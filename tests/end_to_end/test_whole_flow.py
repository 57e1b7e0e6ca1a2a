"""The whole flow through the real command line: prepare, check, evaluate, fit, recommend, interests, forecast."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from driftline.data.bundled import FOLDER
from driftline.data.synthetic import START_US, markov
from driftline.types import US_PER_DAY, format_time

pytestmark = pytest.mark.slow

LIGHT = "popularity,popularity-7d,cooccurrence,als"


def driftline(*words: str | Path, code: int = 0) -> str:
    """Run the command as a shell would; its standard output."""
    command = [sys.executable, "-c", "from driftline.cli import main; main()", *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout if code == 0 else done.stderr


def answered(*words: str | Path) -> dict[str, Any]:
    """The one JSON document that a command prints."""
    document = json.loads(driftline(*words, "--json"))
    assert isinstance(document, dict)
    return document


@pytest.fixture(scope="module")
def three_columns(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with nothing but events.csv, whose events have a user, an item and a time."""
    folder = tmp_path_factory.mktemp("three") / "events only"
    folder.mkdir()
    log = markov(n_users=50, n_items=30, n_events=25, noise=0.1).log
    rows = [
        f'"user, {log.users[user]}",{log.items[item]} 🍺,{format_time(int(time))}'
        for user, item, time in zip(log.user_row, log.item_row, log.time_us, strict=True)
    ]
    (folder / "events.csv").write_text("\n".join(["user_id,item_id,time", *rows]) + "\n", encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def run(three_columns: Path) -> Path:
    """What `fit` learned from it, by counting and by factors."""
    folder = three_columns.parent / "run"
    fitted = answered("fit", three_columns, "--out", folder, "--arms", LIGHT)
    assert abs(sum(fitted["shares"].values()) - 1) < 1e-6
    return folder


def test_a_folder_of_three_columns_goes_through_every_command(three_columns: Path, run: Path) -> None:
    checked = answered("check", three_columns)
    assert checked["rows"] == checked["kept"] == 50 * 25
    evaluated = answered("evaluate", three_columns, "--models", "popularity,cooccurrence")
    assert evaluated["models"]["cooccurrence"]["ndcg@10"]["low"] > evaluated["models"]["popularity"]["ndcg@10"]["high"]
    user = first_user(three_columns)
    slate = answered("recommend", run, "--user", user, "-k", "5")
    assert [item["position"] for item in slate["items"]] == [1, 2, 3, 4, 5]
    assert all(abs(sum(item["arms"].values()) - 1) < 0.01 and item["reason"] for item in slate["items"])
    wanted = answered("interests", run, "--user", user)
    assert wanted["n_events"] == 25
    assert wanted["topics"]
    ahead = answered("forecast", run, "--user", user, "--horizon", "7d")
    assert abs(sum(topic["share"] for topic in ahead["topics"]) - 1) < 1e-3
    assert all(topic["low"] <= topic["share"] <= topic["high"] for topic in ahead["topics"])


def test_the_past_is_answered_from_the_past(three_columns: Path, run: Path) -> None:
    user = first_user(three_columns)
    before = answered("interests", run, "--user", user, "--at", format_time(START_US - US_PER_DAY))
    assert before["n_events"] == 0
    slate = answered("recommend", run, "--user", user, "--at", format_time(START_US - US_PER_DAY))
    assert slate["fallback"] == "no_history"
    assert slate["hindsight"] is True


def test_wrong_requests_are_one_line_and_exit_code_2(three_columns: Path, run: Path, tmp_path: Path) -> None:
    for words in (
        ("recommend", run, "--user", "nobody"),
        ("recommend", tmp_path / "nothing", "--user", "x"),
        ("forecast", run, "--user", first_user(three_columns), "--horizon", "soon"),
        ("check", tmp_path / "nothing"),
        ("demo", "--data", "nope"),
    ):
        complaint = driftline(*words, code=2)
        assert complaint.count("\n") == 1
        assert complaint.startswith("driftline: ")


def test_films_go_from_the_published_files_to_a_slate(tmp_path: Path) -> None:
    """Four thousand ratings of MovieTweetings: real ids, titles and genres, and a rating is not repeated."""
    source, folder, run = tmp_path / "published", tmp_path / "films", tmp_path / "run"
    source.mkdir()
    slice_of_films(source)
    driftline("prepare", source, "--as", "movietweetings", "--out", folder)
    assert answered("check", folder)["kept"] == 4000
    table = answered("evaluate", folder, "--models", "popularity-7d,cooccurrence,blend", "--config", light(tmp_path))
    assert set(table["models"]) == {"popularity-7d", "cooccurrence", "blend"}
    assert table["targets"]["repeats"] == "exclude"
    driftline("fit", folder, "--out", run, "--arms", LIGHT)
    user = busiest_user(folder)
    slate = answered("recommend", run, "--user", user)
    assert not {item["item_id"] for item in slate["items"]} & items_of(folder, user)
    wanted = answered("interests", run, "--user", user)
    assert {"Drama", "Comedy", "Action", "Thriller"} & {topic["name"] for topic in wanted["topics"]}
    again = json.dumps(slate) == json.dumps(answered("recommend", run, "--user", user))
    assert again


def light(place: Path) -> Path:
    """Settings that keep the blend to counting models."""
    config = place / "light.toml"
    config.write_text('arms = ["popularity-7d", "cooccurrence"]\n', encoding="utf-8")
    return config


def slice_of_films(place: Path) -> None:
    import gzip

    for name, rows in (("movietweetings_100k_ratings", 4000), ("movietweetings_100k_movies", 10**9)):
        with gzip.open(FOLDER / "movietweetings" / f"{name}.csv.gz", "rt", encoding="utf-8") as file:
            lines = file.readlines()
        with gzip.open(place / f"{name}.csv.gz", "wt", encoding="utf-8") as file:
            file.writelines(lines[: rows + 1])


def first_user(folder: Path) -> str:
    from driftline.data.reading import read_dataset

    return str(read_dataset(folder).log.users[0])


def busiest_user(folder: Path) -> str:
    import numpy as np

    from driftline.data.reading import read_dataset

    log = read_dataset(folder).log
    return str(log.users[int(np.bincount(log.user_row).argmax())])


def items_of(folder: Path, user: str) -> set[str]:
    from driftline.data.reading import read_dataset

    log = read_dataset(folder).log
    return {str(log.items[row]) for row in log.item_row[log.user_row == log.users.row(user)]}
