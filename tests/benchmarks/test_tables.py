"""The tables on tiny data: what they ask, what they count, what they print."""

from __future__ import annotations

import argparse
import doctest
import json
import re
import shutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from benchmarks.__main__ import TABLES
from benchmarks.contenders import PEER_NAMES
from benchmarks.datasets import folder_of, some_users, write_folder
from benchmarks.peers.meter import masked_top, save_lists
from benchmarks.tables import equal_time, forecasts_speed, quality, scale, sessions, speed

import benchmarks
from benchmarks import datasets
from driftline.data.reading import read_dataset
from driftline.data.split import last_item_fold
from driftline.errors import DatasetError, RequestError
from driftline.metrics.ranks import target_ranks

ROOT = Path(benchmarks.__file__).parents[1]
MODULES = ("questions", "rates", "report", "published", "tables.asked", "tables.quality")
SIZE = {"targets": 1_000, "items": 500, "events": 1_100}


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_in_docstrings_are_true(name: str):
    found = doctest.testmod(import_module(f"benchmarks.{name}"))
    assert found.attempted > 0
    assert found.failed == 0


def rounds_of(*rates):
    """Rounds in which ours, one peer and a peer that fails ran, at these rates, on a machine of 1 GFLOP/s."""
    roofline = {"scores float32": 1e9, "scores bfloat16": 2e9, "copy bytes/s": 1e10}
    return [
        {
            "roofline": roofline,
            "driftline-gru": {"rate": ours, "peak_bytes": 2**30},
            "rectools-sasrec": {"rate": peer, "peak_bytes": 2**31},
            "recbole-sasrec": {"failed": "exit code 137: Killed"},
        }
        for ours, peer in rates
    ]


def test_speed_is_the_median_of_rounds_and_ratios_are_formed_within_one():
    """The machine was three times slower in one round for both: the ratio is 10 in each."""
    rounds = rounds_of((1_000.0, 100.0), (300.0, 30.0), (900.0, 90.0))
    rows = {row[0]: row for row in speed.speed_table(rounds, SIZE, "x").rows}
    assert list(rows) == ["driftline-gru", "rectools-sasrec", "recbole-sasrec"]
    assert rows["driftline-gru"][1:3] == ["900", "300 to 1,000"]
    assert rows["driftline-gru"][3:] == ["8.6%", "17.3%", "1.00"], "6 · 500 · 64 · 900 of 2e9 and of 1e9"
    assert rows["recbole-sasrec"][1] == "failed"
    assert speed.ratio_table(rounds).rows == [["driftline-gru", "10.0 (10.0 to 10.0)", "failed"]]
    assert speed.failures_of(rounds) == {"recbole-sasrec": "exit code 137: Killed"}


def test_the_roofline_table_has_the_floor_of_a_pass():
    rows = speed.roofline_table(rounds_of((1.0, 1.0)), SIZE).rows
    assert rows[0] == ("scores float32", "1.0 GFLOP/s", "0.2")
    assert rows[-1] == ("copy", "10.0 GB/s", "")


@pytest.mark.slow
def test_a_named_dataset_is_prepared_from_what_is_at_hand_with_and_without_attributes(tmp_path: Path):
    source = tmp_path / "source" / "deep"
    source.mkdir(parents=True)
    (source / "Beauty.txt").write_text("1 1 2 3 4\n2 2 3 4 5\n", encoding="utf-8")
    (source / "Beauty_item2attributes.json").write_text(json.dumps({"1": [7, 8], "2": [7]}), encoding="utf-8")
    with_attributes = folder_of("beauty", tmp_path / "source", tmp_path / "cache")
    ids_only = folder_of("beauty-ids", tmp_path / "source", tmp_path / "cache")
    assert with_attributes == tmp_path / "cache" / "datasets" / "beauty"
    assert read_dataset(with_attributes).catalog.has_topics
    assert not read_dataset(ids_only).catalog.has_topics
    assert len(read_dataset(ids_only).log) == len(read_dataset(with_attributes).log) == 8
    shutil.rmtree(tmp_path / "source")
    assert folder_of("beauty", None, tmp_path / "cache") == with_attributes, "what is prepared is not prepared again"


def test_data_that_is_not_at_hand_is_asked_for_in_one_line(tmp_path: Path):
    with pytest.raises(RequestError, match="set --source"):
        folder_of("toys", None, tmp_path)
    with pytest.raises(DatasetError, match=r"Toys_and_Games\.txt or amazon_toys_s3rec"):
        folder_of("toys", tmp_path, tmp_path / "cache")
    with pytest.raises(RequestError, match=r"dataset folder or one of .*beauty"):
        folder_of("nowhere", None, tmp_path)


def test_some_users_keep_all_of_their_events(folder: Path, tmp_path: Path):
    few = read_dataset(some_users(folder, 10, tmp_path))
    assert (len(np.unique(few.log.user_row)), len(few.log), few.order_only) == (10, 80, True)
    assert some_users(folder, None, tmp_path) == folder


def asked(**given) -> argparse.Namespace:
    base = {"threads": 1, "command": ["x"], "machine": {"commit": "abc"}, "source": None, "gru4rec": None}
    return argparse.Namespace(**base | given)


@pytest.mark.slow
def test_quality_runs_the_public_command_and_prints_cost_and_interval(folder: Path, tmp_path: Path):
    request = asked(
        dataset=str(folder),
        cache=tmp_path,
        protocol="last-item",
        models=["cooccurrence", "bogus"],
        seeds=[0],
        config=None,
    )
    found = quality.run(request)
    assert found.failures.keys() == {"bogus"}
    assert "expected models among" in found.failures["bogus"]
    one = found.figures["cooccurrence"]
    assert one["figures"]["hr@10"]["value"] > 0.9, "who walks around a circle is easily followed"
    assert one["peak_bytes"] > 50 * 2**20
    page = found.markdown()
    assert "**bogus failed**" in page
    assert re.search(r"^\| bogus +\| +failed \|", page, re.MULTILINE)
    assert "40 targets, 0 of them masked" in page


def test_session_files_ask_every_event_that_has_one_before_it(tmp_path: Path):
    """The test session began before training ended; one of its items is unknown, another session is left alone."""
    head = "SessionId\tItemId\tTime\n"
    train, test = tmp_path / "train.txt", tmp_path / "test.txt"
    train.write_text(head + "1\ta\t100.0\n1\tb\t101.5\n1\tc\t103\n2\tb\t200\n2\tc\t201\n", encoding="utf-8")
    test.write_text(head + "1\ta\t150\n1\tb\t151\n1\tz\t152\n1\tc\t153.25\n3\tz\t160\n3\ta\t161\n", encoding="utf-8")
    found = sessions.of_clicks(train, test)
    assert found.dropped == {"events of unknown items dropped": 2, "single events dropped": 1}
    write_folder(found.events, tmp_path / "data", name="s", repeats="allow")
    fold = sessions.session_fold(read_dataset(tmp_path / "data"), found.cutoff_us)
    items = fold.test.train.items
    assert len(fold.train) == 5
    assert [items[row] for row in fold.test.item_row] == ["b", "c"]
    assert fold.test.histories.lengths.tolist() == [1, 2]
    gaps = np.diff(fold.test.histories.at_us)
    assert gaps.tolist() == [2_250_000], "gaps within sessions are kept"


def test_periods_train_on_all_but_the_last(tmp_path: Path):
    files = []
    for number, text in enumerate(["1 5\n2 6\n1 6\n", "3 5\n3 6\n", "4 5\n4 6\n5 9\n4 5\n"]):
        files.append(tmp_path / f"period_{number}.txt")
        files[-1].write_text(text, encoding="utf-8")
    found = sessions.of_periods(files)
    write_folder(found.events, tmp_path / "data", name="s", repeats="allow")
    fold = sessions.session_fold(read_dataset(tmp_path / "data"), found.cutoff_us)
    assert len(fold.train) == 5
    assert [fold.train.items[row] for row in fold.test.item_row] == ["6", "5"]
    assert found.dropped == {"events of unknown items dropped": 1, "single events dropped": 0}


def test_means_are_over_events_and_their_draws_over_sessions(tmp_path: Path):
    """One session of three targets, all found; one of one target, missed: 3/4 over events, 1/2 over sessions."""
    events = pl.DataFrame(
        {
            "user_id": ["t", "t", *"aaaa", "b", "b"],
            "item_id": ["x", "y", *"xyxy", "x", "y"],
            "time": [0, 1, *range(10, 14), 20, 21],
        }
    )
    write_folder(events.with_columns(pl.col("time") * 10**6 + 10**15), tmp_path / "data", name="s", repeats="allow")
    fold = sessions.session_fold(read_dataset(tmp_path / "data"), 5 * 10**6 + 10**15)
    values = sessions.values_of(np.array([0.0, 1.0, 19.0, 20.0]))
    assert values[:, 0].tolist() == [1, 1, 1, 0]
    assert values[:, 1].tolist() == [1, 1 / 2, 1 / 20, 0]
    draws = sessions.draws_over_events(values, fold.test)
    assert set(np.unique(draws[:, 0])) == {0.0, 0.75, 1.0}
    assert draws[:, 0].mean() == pytest.approx(0.625, abs=0.05), "half of the draws hold both sessions"


def test_equal_time_ranks_lists_as_scores_are_ranked_and_keeps_results(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    test = last_item_fold(read_dataset(folder)).test
    scores = np.random.default_rng(2).random((40, 30)).astype(np.float32)
    histories = [
        test.histories.log.item_row[a:b] for a, b in zip(test.histories.start, test.histories.end, strict=True)
    ]
    started = []

    def peer(contender, job, *, cache):
        started.append(contender.name)
        if contender.name == "recbole-sasrec":
            return {"failed": "exit code 137: Killed"}
        assert job.cpu_seconds == 30
        assert job.settings == {}, "as its makers ship it"
        save_lists(job.out, *masked_top(scores.copy(), histories, exclude=True))
        return {"train_cpu_seconds": 31.0, "peak_bytes": 2**30}

    monkeypatch.setattr(equal_time, "run_contender", peer)
    request = asked(
        dataset=str(folder),
        models="none",
        peers="rectools-sasrec,recbole-sasrec",
        minutes=0.5,
        seed=0,
        cache=tmp_path / "cache",
        out=tmp_path / "out",
    )
    found = equal_time.run(request)
    ranks = target_ranks(lambda part: scores[part.user_row], test)
    assert found.figures["rectools-sasrec"]["figures"]["hr@10"]["value"] == pytest.approx((ranks < 10).mean())
    assert found.failures == {"recbole-sasrec": "exit code 137: Killed"}
    assert "failed" in found.markdown().split("recbole-sasrec")[-1]
    assert equal_time.run(request).figures["rectools-sasrec"] == found.figures["rectools-sasrec"]
    assert started == ["rectools-sasrec", "recbole-sasrec", "recbole-sasrec"], "what failed is tried again"
    request.seed = 1
    equal_time.run(request)
    assert started[3:] == ["rectools-sasrec", "recbole-sasrec"], "another seed is another job"


def test_synthetic_events_have_a_heavy_tail_and_people_with_tastes():
    events = scale.events(20_000, 2_000)
    assert events.equals(scale.events(20_000, 2_000))
    counts = events["item_id"].value_counts(sort=True)["count"].to_numpy()
    assert counts[: len(counts) // 10].sum() > 0.4 * 20_000
    topic = events["item_id"].cast(pl.Int64) // 10
    most = events.with_columns(topic.alias("topic")).group_by("user_id").agg(pl.col("topic").mode().first())
    same = events.with_columns(topic.alias("topic")).join(most, on="user_id", suffix="_own")
    assert same.filter(pl.col("topic") == pl.col("topic_own")).height > 0.75 * 20_000


@pytest.mark.slow
def test_the_command_line_says_what_is_wrong_in_one_line(tmp_path: Path):
    command = [sys.executable, "-m", "benchmarks", "speed", "toys", "--source", str(tmp_path), "--cache", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        f"error: expected Toys_and_Games.txt or amazon_toys_s3rec.tar.zst under {tmp_path}, got neither; see --source"
    ]


def test_every_published_dataset_can_be_named():
    from benchmarks.published import FIGURES

    assert set(FIGURES) <= set(datasets.NAMED)
    assert all(one.script for one in PEER_NAMES.values())


def test_the_page_on_benchmarks_names_every_table_dataset_and_peer():
    page = (ROOT / "docs" / "how-to" / "benchmarks.md").read_text(encoding="utf-8")
    names = [*(name for name in datasets.NAMED if not name.endswith("-ids")), *sessions.ADER, *PEER_NAMES]
    assert [name for name in names if f"`{name}`" not in page] == []
    assert [table for table in TABLES if f'ARGS="{table}' not in page and table != "shop"] == []


@pytest.mark.slow
def test_forecasts_are_timed_and_held_against_histories_and_exact_quantiles():
    found = forecasts_speed.measure(300, 60, 4, ["next-20"])
    found["peak_bytes"] = 2**30
    assert found["many"]["next-20"]["share_off"] < 1e-5
    assert found["many"]["next-20"]["bounds_off"] < 0.005
    assert all(one > 0 for one in found["many"]["next-20"]["floor"].values())
    one, many = forecasts_speed.one_table(found), forecasts_speed.many_table(found, 300)
    assert [row[0] for row in one.rows] == ["step", "forecast, next-20"]
    assert [row[0] for row in many.rows] == ["next-20"]
    assert "1.00 GB" in many.markdown()
