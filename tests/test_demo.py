"""The demo shows what is there: movement where people move, none where they do not, and the person who changed."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from rich.console import Console

from driftline import demo
from driftline.console.content import OTHER, Fault
from driftline.data.dataset import Dataset
from driftline.data.events import EventLog
from driftline.data.prepare import prepare
from driftline.data.synthetic import START_US, changing, seasonal, still
from driftline.demo import telling
from driftline.demo.days import day_of, iso_day
from driftline.demo.pages import data_of
from driftline.demo.person import choose_person, horizon_days, river
from driftline.demo.population import followers, holidays, population
from driftline.errors import RequestError
from driftline.interest.dynamics import default_dynamics
from driftline.interest.model import InterestModel
from driftline.interest.topics import Topics, catalog_topics
from driftline.types import US_PER_DAY


def topics_of(dataset: Dataset) -> Topics:
    return catalog_topics(dataset.catalog, dataset.log)


def test_a_day_begins_at_midnight_utc() -> None:
    assert day_of(START_US - 1) == day_of(START_US) - 1
    assert iso_day(day_of(START_US)) == "2020-01-01"


def test_where_nobody_moves_hardly_any_movement_is_claimed() -> None:
    claims = [
        movement.change.holds_zero
        for seed in range(6)
        for movement in found(still(n_users=150, n_items=80, n_topics=8, n_events=40, seed=seed).dataset).movements
    ]
    assert np.mean(claims) > 0.85


def found(dataset: Dataset):  # type: ignore[no-untyped-def]
    everybody = population(dataset, topics_of(dataset))
    assert everybody is not None
    return everybody


def test_where_all_follow_a_season_the_topic_that_is_next_rises() -> None:
    world = seasonal(n_users=100, n_items=80, n_topics=4, n_events=80, days=360, period_days=360)
    everybody = found(world.dataset)
    rising = max(everybody.movements, key=lambda one: one.change.value)
    falling = min(everybody.movements, key=lambda one: one.change.value)
    assert rising.topic == 0  # the last quarter leads up to phase 0
    assert falling.topic == 2  # and comes from the half
    assert not rising.change.holds_zero
    assert not falling.change.holds_zero
    np.testing.assert_allclose(sum(one.change.value for one in everybody.movements), 0, atol=1e-9)


def test_topics_of_a_handful_of_people_are_left_out_and_counted() -> None:
    everybody = found(still(n_users=6, n_items=8, n_topics=4, n_events=40).dataset)
    assert everybody.movements == ()
    assert everybody.too_few == 4


def test_a_topic_that_follows_the_weather_is_found_and_one_that_does_not_is_not() -> None:
    rng = np.random.default_rng(0)
    weather = 10 + 8 * np.sin(np.arange(300) / 60) + rng.normal(0, 2, 300)
    wanted = 100 - 3 * (weather - np.convolve(weather, np.ones(21) / 21, "same"))
    sums = np.stack([wanted + rng.normal(0, 4, 300), 5000 + rng.normal(0, 10, 300), 80 + rng.normal(0, 8, 300)], axis=1)
    follows, closest = followers(sums, weather)
    assert closest is not None
    assert closest[0] == 0
    assert 2 not in follows
    assert follows[0].high < -0.3


def test_a_shared_slow_trend_alone_is_not_followed() -> None:
    rng = np.random.default_rng(1)
    slow = np.sin(np.arange(300) / 50)
    sums = np.stack([100 + 40 * slow + rng.normal(0, 5, 300), 300 + rng.normal(0, 5, 300)], axis=1)
    follows, closest = followers(sums, 10 + 8 * slow + rng.normal(0, 2, 300))
    assert follows == {}
    assert closest is not None


def test_too_few_days_are_not_compared() -> None:
    assert followers(np.ones((59, 2)), np.arange(59.0)) == ({}, None)


def test_only_holidays_of_the_span_are_marked() -> None:
    first = int(day_of(START_US))
    table = pl.DataFrame(
        {
            "name": ["before", "New Year", "match"],
            "kind": ["holiday", "holiday", "football"],
            "start_us": [(first - 1) * US_PER_DAY, first * US_PER_DAY, first * US_PER_DAY],
        }
    )
    assert [(one.date, one.name) for one in holidays(table, first, first + 9)] == [("2020-01-01", "New Year")]
    assert holidays(None, first, first) == ()


def test_the_one_person_who_changed_is_chosen() -> None:
    world = changing(n_users=60, n_items=80, n_topics=8, n_events=80, days=200, change_share=1 / 60, seed=3)
    changed = int(np.argmin(world.truth.change_us))  # type: ignore[arg-type]
    chosen = choose_person(world.log, topics_of(world.dataset), START_US + 180 * US_PER_DAY)
    assert chosen.user_row == changed
    assert chosen.user_id == world.log.users[changed]
    assert "at least 12 visits" in chosen.rule


def test_where_nobody_comes_often_the_rule_asks_for_less_and_says_so() -> None:
    world = still(n_users=10, n_items=20, n_topics=4, n_events=3, days=300)
    chosen = choose_person(world.log, topics_of(world.dataset), world.log.last_us)
    assert re.search(r"at least [123] visits", chosen.rule)


def a_river(days: float = 200.0, cutoff_day: int = 150):  # type: ignore[no-untyped-def]
    world = changing(n_users=30, n_items=60, n_topics=12, n_events=80, days=days, seed=1)
    topics, cutoff = topics_of(world.dataset), START_US + cutoff_day * US_PER_DAY
    interest = InterestModel(topics, default_dynamics(world.log.before(cutoff), topics))
    person = choose_person(world.log, topics, cutoff)
    return world, interest, person, cutoff, river(person, world.log, world.dataset.catalog, interest, cutoff)


def test_shares_of_a_river_sum_to_one_at_every_date_and_horizon() -> None:
    *_, flow = a_river()
    assert len(flow.curves) == 9
    assert flow.curves[-1].topic == OTHER
    np.testing.assert_allclose(np.sum([curve.share for curve in flow.curves], axis=0), 1, atol=1e-4)
    for step in flow.forecast:
        np.testing.assert_allclose(sum(band.share for band in step.bands), 1, atol=1e-6)
        assert all(band.low90 <= band.low50 <= band.share <= band.high50 <= band.high90 for band in step.bands)
    np.testing.assert_allclose(sum(flow.came), 1)
    assert flow.now == flow.dates[-1]


def test_a_river_reads_nothing_at_or_after_its_cutoff() -> None:
    world, interest, person, cutoff, flow = a_river()
    cut = world.log.before(cutoff)
    later = river(person, cut, world.dataset.catalog, interest, cutoff)
    assert later.curves == flow.curves
    assert later.visits == flow.visits
    assert later.came_events == 0
    assert later.came == ()


def test_the_horizon_is_the_longest_that_can_be_judged() -> None:
    log = still(n_users=5, n_items=10, n_topics=2, n_events=50, days=100).log
    assert horizon_days(log, log.last_us - 30 * US_PER_DAY) == 28
    assert horizon_days(log, log.last_us - 20 * US_PER_DAY) == 14
    assert horizon_days(log, log.last_us) == 7


def test_bars_are_as_long_as_their_share_to_an_eighth_of_a_cell() -> None:
    assert telling.bar(0.5, 0.5, 8) == "█" * 8
    assert telling.bar(0.25, 1.0, 8) == "██"
    assert telling.bar(1 / 64, 1.0, 8) == "▏"
    assert telling.bar(0.0, 0.0) == ""


def test_hostile_words_are_printed_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    world = still(n_users=5, n_items=10, n_topics=2, n_events=5)
    data = data_of(world.dataset, "allow", Path("nowhere"), "world")
    shown = telling.data_report(replace(data, faults=(Fault("odd", 1, "[red]x[/nope]", "kept"),)))
    Console(width=100).print(shown)
    assert "[red]x[/nope]" in capsys.readouterr().out


def test_an_unknown_dataset_is_refused_with_the_ones_there_are(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="online-retail, movietweetings, stackexchange-beer, got 'nope'"):
        demo.run_demo(tmp_path, dataset="nope")
    assert list(tmp_path.iterdir()) == []


def test_the_demo_of_a_small_shop_writes_a_whole_page_and_a_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Counting models alone, so that it takes moments; twice, since a second demo replaces the first."""
    monkeypatch.setattr(demo, "SHOWN", ("popularity", "popularity-7d", "cooccurrence"))
    monkeypatch.setattr(demo, "choose_arms", lambda _data: ("popularity-7d", "cooccurrence"))
    folder = small_shop(tmp_path)
    for _ in range(2):
        step = demo.Steps(Console(width=120).print)
        page = demo.show(folder, tmp_path / "out", title="Shop", step=step)
    assert page == tmp_path / "out" / "report.html"
    text = page.read_text(encoding="utf-8")
    document = json.loads(re.search(r'id="data">(.*?)</script>', text, re.DOTALL)[1])  # type: ignore[index]
    assert {row["name"] for row in document["models"]["rows"]} == {
        "popularity",
        "popularity-7d",
        "cooccurrence",
        "blend",
    }
    assert document["river"]["user_id"] == document["commands"][0].split("--user ")[1].split()[0]
    assert len(document["slate"]["items"]) == 10
    assert [topic["name"] for topic in document["topics"]]
    assert document["data"]["faults"][0]["code"] == "exact_duplicates"
    versions = [one for one in (tmp_path / "out" / "run" / "versions").iterdir() if not one.name.startswith(".")]
    assert len(versions) == 1
    told = capsys.readouterr().out
    for words in ("1. ", "ndcg@10", "because", "people move toward", "run: "):
        assert words in told


def small_shop(place: Path) -> Path:
    """A folder of three columns, drawn from a world in which people change, with one row twice."""
    log: EventLog = changing(n_users=80, n_items=60, n_topics=6, n_events=40, days=120).log
    rows = [
        f"{log.users[user]},{log.items[item]},{time}"
        for user, item, time in zip(log.user_row, log.item_row, log.time_us, strict=True)
    ]
    source = place / "rows.csv"
    source.write_text("who,what,when\n" + "\n".join([*rows, rows[0]]) + "\n", encoding="utf-8")
    mapping = {"user_id": "who", "item_id": "what", "time": "when"}
    prepare(source, "csv", place / "shop", mapping=mapping)
    return place / "shop"
