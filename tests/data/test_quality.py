"""Every check finds what was planted, and nothing in data that is in order."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from driftline.data.dataset import Dataset
from driftline.data.reading import Clean, read_dataset
from driftline.types import US_PER_DAY, US_PER_SECOND, parse_time

START = parse_time("2011-01-01")


def read(folder: Path, frame: pl.DataFrame, *, clean: Clean = "default", **tables: pl.DataFrame) -> Dataset:
    folder.mkdir(exist_ok=True)
    frame.write_parquet(folder / "events.parquet")
    for name, table in tables.items():
        table.write_parquet(folder / f"{name}.parquet")
    return read_dataset(folder, clean=clean)


def people(n_users: int = 40, n_events: int = 30, seed: int = 0) -> pl.DataFrame:
    """Ordinary users: gaps of minutes to days, in the order of time."""
    rng = np.random.default_rng(seed)
    gaps = rng.lognormal(np.log(4 * 3600), 2, (n_users, n_events)) + 5
    time = START + (np.cumsum(gaps, axis=1) * US_PER_SECOND).astype(np.int64)
    user = np.repeat(np.arange(n_users), n_events)
    item = rng.integers(0, 50, n_users * n_events)
    frame = pl.DataFrame({"user_id": [f"p{one}" for one in user], "item_id": [f"i{one}" for one in item]})
    return frame.with_columns(pl.Series("time", time.ravel())).sort("time")


def codes(dataset: Dataset) -> dict[str, int]:
    return {one.code: one.count for one in dataset.report.problems}


def more(user: str, items: list[str], times: list[int]) -> pl.DataFrame:
    return pl.DataFrame({"user_id": [user] * len(items), "item_id": items, "time": times})


def test_ordinary_people_have_no_problem(tmp_path: Path) -> None:
    assert codes(read(tmp_path, people())) == {}


def test_double_clicks_and_near_duplicates_are_told_apart_and_dropped_only_when_strict(tmp_path: Path) -> None:
    at = START + 20 * US_PER_DAY
    second = US_PER_SECOND
    clicks = more("p1", ["i1", "i2", "i1", "i1"], [at, at + second // 2, at + second, at + 60 * second])
    twice = more("p2", ["i1", "i1"], [at, at]).with_columns(value=pl.Series([1.0, 2.0]))
    frame = pl.concat([people(), clicks, twice], how="diagonal").sort("time", maintain_order=True)
    dataset = read(tmp_path, frame)
    assert codes(dataset) == {"double_clicks": 1, "near_duplicates": 1}
    assert len(dataset.log) == frame.height
    strict = read(tmp_path, frame, clean="strict")
    assert len(strict.log) == frame.height - 2
    assert codes(strict) == codes(dataset)


def test_a_robot_by_rate_is_found_and_a_big_basket_is_not(tmp_path: Path) -> None:
    at = START + 10 * US_PER_DAY
    fast = more("robot", [f"i{n % 50}" for n in range(200)], [at + n * US_PER_SECOND for n in range(200)])
    basket = more("shop", [f"i{n}" for n in range(400)], [at] * 400)
    dataset = read(tmp_path, pl.concat([people(), fast, basket]))
    assert codes(dataset)["robots_rate"] == 1
    assert "robot: 200" in next(one.example for one in dataset.report.problems if one.code == "robots_rate")
    strict = read(tmp_path, pl.concat([people(), fast, basket]), clean="strict")
    assert strict.log.users.row("robot") == -1
    assert strict.log.users.row("shop") >= 0


@pytest.mark.parametrize(("jitter", "found"), [(0.01, True), (1.0, False)])
def test_a_robot_by_regularity_is_found_unless_its_gaps_vary(tmp_path: Path, jitter: float, found: bool) -> None:
    rng = np.random.default_rng(1)
    gaps = 600 * US_PER_SECOND * np.exp(jitter * rng.standard_normal(80))
    clock = more("cron", [f"i{n % 50}" for n in range(80)], (START + np.cumsum(gaps)).astype(np.int64).tolist())
    assert ("robots_regular" in codes(read(tmp_path, pl.concat([people(), clock])))) == found


def test_a_daily_visitor_in_a_log_of_dates_is_no_robot(tmp_path: Path) -> None:
    daily = more("fan", [f"i{n}" for n in range(80)], [START + n * US_PER_DAY for n in range(80)])
    dates = people().with_columns(pl.col("time") // US_PER_DAY * US_PER_DAY)
    assert "robots_regular" not in codes(read(tmp_path, pl.concat([dates, daily]).unique(maintain_order=True)))


def test_cancellations_returns_and_negative_amounts_are_counted(tmp_path: Path) -> None:
    frame = people().with_columns(event=pl.lit("buy"), value=pl.lit(1.0))
    kinds = ["cancellation", "cancellation", "return", "buy", "rating"]
    back = more("p1", ["i1"] * 5, [START + (20 + n) * US_PER_DAY for n in range(5)])
    back = back.with_columns(event=pl.Series(kinds), value=pl.Series([-1.0, -1.0, -1.0, -2.0, -3.0]))
    found = codes(read(tmp_path, pl.concat([frame, back]).sort("time")))
    assert found == {"cancellations": 2, "returns": 1, "negative_values": 1}


def test_single_events_and_items_outside_the_catalog_are_counted(tmp_path: Path) -> None:
    frame = pl.concat([people(), more("once", ["rare"], [START + US_PER_DAY])])
    items = pl.DataFrame({"item_id": [f"i{n}" for n in range(50)]})
    found = codes(read(tmp_path, frame.sort("time"), items=items))
    assert found == {"users_with_one_event": 1, "items_with_one_event": 1, "items_not_in_catalog": 1}


def test_clock_skew_is_found_by_the_log_itself(tmp_path: Path) -> None:
    frame = people()
    future = more("p1", ["i1"], [START + 20_000 * US_PER_DAY])
    assert codes(read(tmp_path / "a", pl.concat([frame, future]))) == {"far_future": 1}
    past = more("p1", ["i1"], [START - 4000 * US_PER_DAY])
    assert codes(read(tmp_path / "b", pl.concat([frame, past]))) == {"far_past": 1, "clock_skew": 1}
    late = more("p1", ["i1"], [START + US_PER_DAY])
    assert codes(read(tmp_path / "c", pl.concat([frame, late]))) == {"clock_skew": 1}
    shuffled = frame.sample(fraction=1, shuffle=True, seed=3)
    assert codes(read(tmp_path / "d", shuffled)) == {}


def test_a_session_that_runs_backwards_is_found(tmp_path: Path) -> None:
    frame = people().sort("user_id", "time").with_columns(session_id=pl.col("user_id"))
    rows = np.arange(frame.height)
    rows[[100, 101]] = rows[[101, 100]]
    assert codes(read(tmp_path, frame[rows]))["sessions_backwards"] == 1


def test_positions_are_not_checked_as_times(tmp_path: Path) -> None:
    (tmp_path / "dataset.toml").write_text("order_only = true")
    walk = pl.concat([more(f"u{n}", [f"i{k}" for k in range(60)], list(range(60))) for n in range(3)])
    assert codes(read(tmp_path, walk)) == {}


def test_positions_without_a_word_are_noticed(tmp_path: Path) -> None:
    walk = pl.concat([more(f"u{n}", [f"i{k}" for k in range(60)], list(range(1, 61))) for n in range(3)])
    assert codes(read(tmp_path, walk))["times_look_like_positions"] == 180
