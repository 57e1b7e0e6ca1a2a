"""A forecast is written to a file before the time that it speaks of, and scored later on what really came."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from driftline.cli import app, main
from driftline.data.reading import read_dataset
from driftline.data.synthetic import drifting
from driftline.evaluation.forecast_files import COLUMNS, KEY, WrittenForecasts, read_forecasts, write_forecasts
from driftline.interest.baselines import NAMES
from driftline.learning.fit import fit_run
from driftline.learning.settings import FitSettings
from driftline.types import US_PER_DAY, format_time, parse_time

WORLD = drifting(130, 60, 5, 80, days=200.0, half_life_days=30.0)
LOG = WORLD.dataset.log
CUTOFF = "2020-06-15"
"""What the run has seen: the rest of the log comes later."""


def write_folder(folder: Path, before: str | None = None, *, topics: bool = True) -> Path:
    """The world up to a day, or all of it, as a dataset folder."""
    folder.mkdir(parents=True)
    log = LOG if before is None else LOG.before(parse_time(before))
    rows = [
        f"{log.users[user]},{log.items[item]},{format_time(int(time))}"
        for user, item, time in zip(log.user_row, log.item_row, log.time_us, strict=True)
    ]
    (folder / "events.csv").write_text("\n".join(["user_id,item_id,time", *rows]) + "\n", encoding="utf-8")
    if topics:
        items = [f"{LOG.items[item]},theme {topic}" for item, topic in enumerate(WORLD.truth.item_topic)]
        (folder / "items.csv").write_text("\n".join(["item_id,topics", *items]) + "\n", encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the `run` of what was known at `CUTOFF`, the log `then` and the log `now`, and a `week` ahead."""
    tmp = tmp_path_factory.mktemp("shop")
    then = write_folder(tmp / "then", CUTOFF)
    write_folder(tmp / "now")
    fit_run(read_dataset(then), tmp / "run", settings=FitSettings(arms=("popularity",)))
    app(["forecast", str(tmp / "run"), "--horizon", "14d", "--out", str(tmp / "week.parquet")], standalone_mode=False)
    return tmp


def answer(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    capsys.readouterr()
    app([*arguments, "--json"], standalone_mode=False)
    return json.loads(capsys.readouterr().out)


def score(capsys: pytest.CaptureFixture[str], folder: Path, file: Path) -> dict[str, Any]:
    return answer(capsys, "evaluate", str(folder), "--task", "forecast", "--forecasts", str(file))


def refused(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *arguments: str) -> str:
    """The one line of an error with exit code 2."""
    monkeypatch.setattr("sys.argv", ["driftline", *arguments])
    with pytest.raises(SystemExit) as stopped:
        main()
    captured = capsys.readouterr()
    assert stopped.value.code == 2, captured.err
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    return captured.err


def test_the_file_has_a_row_per_user_and_topic_that_say_what_forecast_says(shop: Path, capsys) -> None:
    table = pl.read_parquet(shop / "week.parquet")
    assert tuple(table.columns) == COLUMNS
    assert table.height == 130 * 5
    assert table["user_id"].n_unique() == 130
    one = answer(capsys, "forecast", str(shop / "run"), "--horizon", "14d", "--user", "u7")
    own = table.filter(pl.col("user_id") == "u7")
    shares = dict(zip(own["topic"], own["share"], strict=True))
    assert {row["topic"]: row["share"] for row in one["topics"] if row["topic"] != "other"} == pytest.approx(
        shares, abs=1e-6
    )
    assert own["expected_events"].to_list() == [one["expected_events"]] * 5
    assert format_time(int(own["at"].to_physical()[0])) == one["at"]
    assert own["model_version"][0] == one["model_version"]
    assert own["horizon"][0] == "14d"


def test_json_says_what_was_written_and_the_same_forecast_has_the_same_seal(shop: Path, tmp_path: Path, capsys) -> None:
    command = ("forecast", str(shop / "run"), "--horizon", "14d", "--out", str(tmp_path / "again.parquet"))
    document = answer(capsys, *command)
    assert document["rows"] == 130 * 5
    assert document["sha256"] == read_forecasts(shop / "week.parquet").sha256
    assert document["hindsight"] is False
    one = answer(capsys, *command, "--user", "u7")
    assert (one["users"], one["rows"]) == (1, 5)
    assert one["sha256"] != document["sha256"]


def test_it_is_scored_later_beside_every_baseline(shop: Path, capsys) -> None:
    found = score(capsys, shop / "now", shop / "week.parquet")
    assert found["protocol"] == "written-before"
    assert set(found["models"]) == {*NAMES, "driftline"}
    wanted = {"log_score", "brier", "js", "ndcg@10", "coverage@90", "skill"}
    assert all(set(row) == wanted for row in found["models"].values())
    assert (
        found["forecasts"]["model_version"]
        == answer(capsys, "forecast", str(shop / "run"), "--horizon", "14d", "--user", "u7")["model_version"]
    )
    assert found["data"]["cutoff"] == found["forecasts"]["at"]
    losses = {name: row["log_score"]["value"] for name, row in found["models"].items()}
    assert losses["driftline"] < losses["global"], "interests differ, and the forecast knows them"


def test_the_score_is_that_of_what_came_worked_out_by_hand(shop: Path, capsys) -> None:
    """Nats per event of each user over the events in [at, at + 14 d), then the mean over users."""
    written = read_forecasts(shop / "week.parquet")
    inside = (written.at_us <= LOG.time_us) & (written.at_us + 14 * US_PER_DAY > LOG.time_us)
    nats = []
    for place, user in enumerate(written.users):
        mine = inside & (LOG.user_row == LOG.users.row(user))
        topics = [written.topics.index(f"theme {WORLD.truth.item_topic[item]}") for item in LOG.item_row[mine]]
        if topics:
            nats.append(-np.log(written.shares[place, topics]).mean())
    found = score(capsys, shop / "now", shop / "week.parquet")
    assert found["users"] == len(nats)
    assert found["models"]["driftline"]["log_score"]["value"] == pytest.approx(np.mean(nats))


def test_baselines_read_nothing_of_the_window_and_the_forecast_nothing_but_the_file(
    shop: Path, tmp_path: Path, capsys
) -> None:
    """Cut to the end of the window, the log gives the same figures."""
    written = read_forecasts(shop / "week.parquet")
    end = written.at_us + 14 * US_PER_DAY
    last_inside = int(LOG.time_us[LOG.time_us < end].max())
    assert last_inside < end - 1
    folder = write_folder(tmp_path / "cut", format_time(end))
    with (folder / "events.csv").open("a", encoding="utf-8") as file:
        file.write(f"u0,i0,{format_time(end)}\n")
    cut, whole = score(capsys, folder, shop / "week.parquet"), score(capsys, shop / "now", shop / "week.parquet")
    assert cut["models"] == whole["models"]
    assert cut["pairs"] == whole["pairs"]


def test_people_get_a_table_and_the_seal(shop: Path, tmp_path: Path, capsys) -> None:
    file = tmp_path / "one.parquet"
    app(["forecast", str(shop / "run"), "--horizon", "14d", "--user", "u7", "--out", str(file)], standalone_mode=False)
    text = capsys.readouterr().out
    assert "1 forecasts over 5 topics, 14d from" in text
    assert read_forecasts(file).sha256 in text
    app(["evaluate", str(shop / "now"), "--task", "forecast", "--forecasts", str(file)], standalone_mode=False)
    text = capsys.readouterr().out
    assert "1 users did something in it" in text
    assert "fewer than 100 users" in text
    assert "moving-average" in text
    assert "hindsight" not in text


def test_a_forecast_made_with_hindsight_says_so(shop: Path, tmp_path: Path, capsys) -> None:
    file = tmp_path / "back.parquet"
    command = ["forecast", str(shop / "run"), "--horizon", "14d", "--at", "2020-05-20", "--out", str(file)]
    app(command, standalone_mode=False)
    assert "has seen events after" in capsys.readouterr().out
    app(["evaluate", str(shop / "then"), "--task", "forecast", "--forecasts", str(file)], standalone_mode=False)
    assert "hindsight: the model had seen events up to" in capsys.readouterr().out


def test_a_horizon_in_events_is_scored_for_those_who_have_done_them(shop: Path, tmp_path: Path, capsys) -> None:
    file = tmp_path / "next.parquet"
    app(["forecast", str(shop / "run"), "--horizon", "next-10", "--out", str(file)], standalone_mode=False)
    found = score(capsys, shop / "now", file)
    later = np.bincount(LOG.user_row[parse_time(found["forecasts"]["at"]) <= LOG.time_us], minlength=LOG.n_users)
    assert found["users"] == int((later >= 10).sum()) > 0


def test_learned_topics_come_with_the_file(tmp_path: Path, capsys) -> None:
    """The folder names no topics: what each item is stands in the file; items that came later have none."""
    then, now = write_folder(tmp_path / "then", CUTOFF, topics=False), write_folder(tmp_path / "now", topics=False)
    with (now / "events.csv").open("a", encoding="utf-8") as file:
        file.write("".join(f"u{user},later,2020-06-16T0{user}:00:00Z\n" for user in range(9)))
    fit_run(read_dataset(then), tmp_path / "run", settings=FitSettings(arms=("popularity",)))
    week = tmp_path / "week.parquet"
    app(["forecast", str(tmp_path / "run"), "--horizon", "14d", "--out", str(week)], standalone_mode=False)
    found = score(capsys, now, week)
    assert found["forecasts"]["without_topic"] == pytest.approx(9 / (len(LOG) + 9), abs=1e-6)
    assert found["models"]["driftline"]["log_score"]["value"] < found["models"]["global"]["log_score"]["value"]


def rewritten(file: Path, where: Path, **columns: pl.Expr) -> Path:
    """The file with columns changed and its own facts kept."""
    metadata = {KEY: pl.read_parquet_metadata(file)[KEY]}
    pl.read_parquet(file).with_columns(**columns).write_parquet(where, metadata=metadata)
    return where


FIRST = pl.int_range(pl.len()) == 0


@pytest.mark.parametrize(
    "change",
    [
        {"share": pl.when(FIRST).then(pl.col("share") + 1e-12).otherwise(pl.col("share"))},
        {"user_id": pl.col("user_id").replace("u7", "u8x")},
        {"topic": pl.col("topic").replace("theme 0", "theme 9")},
        {"at": pl.col("at") + pl.duration(days=1)},
        {"horizon": pl.lit("7d")},
        {"model_version": pl.lit("0123456789ab")},
        {"concentration": pl.col("concentration") * 2},
        {"concentration": pl.when(FIRST).then(1.0).otherwise(pl.col("concentration"))},
        {"expected_events": pl.col("expected_events") + 1},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_file_with_anything_altered_is_refused(
    change: dict[str, pl.Expr], shop: Path, tmp_path: Path, capsys, monkeypatch
) -> None:
    file = rewritten(shop / "week.parquet", tmp_path / "altered.parquet", **change)
    line = refused(capsys, monkeypatch, "evaluate", str(shop / "now"), "--task", "forecast", "--forecasts", str(file))
    assert "got an altered file" in line


def test_missing_rows_and_an_altered_header_are_refused(shop: Path, tmp_path: Path, capsys, monkeypatch) -> None:
    table, header = pl.read_parquet(shop / "week.parquet"), pl.read_parquet_metadata(shop / "week.parquet")[KEY]
    other = json.loads(header)
    other["model"]["hindsight"] = True
    for name, rows, facts in (("fewer", table[5:], header), ("header", table, json.dumps(other))):
        file = tmp_path / f"{name}.parquet"
        rows.write_parquet(file, metadata={KEY: facts})
        line = refused(
            capsys, monkeypatch, "evaluate", str(shop / "now"), "--task", "forecast", "--forecasts", str(file)
        )
        assert "got an altered file" in line, name


def test_what_is_no_file_of_forecasts_is_refused(shop: Path, tmp_path: Path, capsys, monkeypatch) -> None:
    text, table = tmp_path / "text.parquet", tmp_path / "table.parquet"
    text.write_text("nothing", encoding="utf-8")
    pl.DataFrame({"a": [1]}).write_parquet(table)
    for file in (text, table, tmp_path / "none.parquet", tmp_path):
        line = refused(
            capsys, monkeypatch, "evaluate", str(shop / "now"), "--task", "forecast", "--forecasts", str(file)
        )
        assert "forecast" in line


def saved(shop: Path, where: Path, **changes: Any) -> Path:
    """The forecasts with something else in them, sealed as a program would that means it."""
    write_forecasts(where, replace(read_forecasts(shop / "week.parquet"), **changes))
    return where


def test_a_horizon_that_is_not_over_is_refused(shop: Path, capsys, monkeypatch, tmp_path: Path) -> None:
    for name, horizon in (("then", "14d"), ("then", "next-10")):
        file = tmp_path / "file.parquet"
        app(["forecast", str(shop / "run"), "--horizon", horizon, "--out", str(file)], standalone_mode=False)
        capsys.readouterr()
        line = refused(
            capsys, monkeypatch, "evaluate", str(shop / name), "--task", "forecast", "--forecasts", str(file)
        )
        assert "the horizon is not over" in line


def test_unknown_users_and_topics_are_refused_by_name(shop: Path, tmp_path: Path, capsys, monkeypatch) -> None:
    was: WrittenForecasts = read_forecasts(shop / "week.parquet")
    strangers = saved(shop, tmp_path / "users.parquet", users=("stranger", "guest", *was.users[2:]))
    topics = saved(shop, tmp_path / "topics.parquet", topics=("opera", *was.topics[1:]))
    command = ("evaluate", str(shop / "now"), "--task", "forecast", "--forecasts")
    assert "got 'stranger' and 1 more that it does not know" in refused(capsys, monkeypatch, *command, str(strangers))
    assert "got 'opera' that none does" in refused(capsys, monkeypatch, *command, str(topics))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["forecast", "RUN", "--horizon", "7d"], "expected --user ID, or --out FILE"),
        (["forecast", "RUN", "--horizon", "0d", "--out", "FILE"], "expected a horizon"),
        (["forecast", "RUN", "--horizon", "7d", "--user", "nobody", "--out", "FILE"], "got 'nobody'"),
        (["forecast", "RUN", "--horizon", "7d", "--out", "RUN"], "expected --out as a file"),
        (["forecast", "RUN", "--horizon", "7d", "--out", "RUN/no/file"], "expected --out in a folder that exists"),
        (["evaluate", "NOW", "--forecasts", "WEEK"], "expected --forecasts with --task forecast"),
        (
            ["evaluate", "NOW", "--task", "forecast", "--forecasts", "WEEK", "--horizon", "7d"],
            "expected no --horizon beside --forecasts",
        ),
    ],
)
def test_options_that_do_not_fit_are_one_line(
    arguments: list[str], said: str, shop: Path, tmp_path: Path, capsys, monkeypatch
) -> None:
    names = {"RUN": shop / "run", "NOW": shop / "now", "WEEK": shop / "week.parquet", "FILE": tmp_path / "file.parquet"}
    told = [str(names[one]) if one in names else one.replace("RUN/", f"{shop / 'run'}/") for one in arguments]
    assert said in refused(capsys, monkeypatch, *told)
    assert not (tmp_path / "file.parquet").exists()
