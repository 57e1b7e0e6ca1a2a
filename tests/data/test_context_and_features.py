"""Context, friends and features are read as of a moment: what comes later changes nothing that was asked before."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from driftline.data.context import days_to_occasions, mean_at, occasions_at, occasions_known, series_at
from driftline.data.events import EventLog, histories
from driftline.data.features import (
    Normalisation,
    PriceBands,
    clock_features,
    dwell_before,
    dwell_seconds,
    event_features,
    history_features,
)
from driftline.data.relations import friends_at, friends_of, typed_edges
from driftline.data.vocabulary import Vocabulary
from driftline.errors import DatasetError, NotEnoughDataError
from driftline.types import ALWAYS, US_PER_DAY, US_PER_SECOND, parse_time

ROWS = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 8), st.floats(-9, 9)), min_size=1, max_size=20)


def context_of(rows: list[tuple[int, int, float]]) -> pl.DataFrame:
    """Series `x` of (time, delay until known, value)."""
    time, delay, value = zip(*rows, strict=True)
    known = [at + wait for at, wait in zip(time, delay, strict=True)]
    return pl.DataFrame({"time_us": time, "name": ["x"] * len(rows), "value": value, "known_at_us": known})


@given(rows=ROWS, at=st.integers(0, 40))
@settings(max_examples=80, deadline=None)
def test_a_series_gives_the_latest_value_that_was_known(rows: list[tuple[int, int, float]], at: int) -> None:
    found = series_at(context_of(rows), "x", np.array([at]))[0]
    known = [(time, time + delay, place) for place, (time, delay, _) in enumerate(rows) if time + delay <= at]
    if known:
        assert found == rows[max(known)[2]][2]
    else:
        assert np.isnan(found)


@given(rows=ROWS, at=st.integers(0, 40), noise=st.floats(-9, 9))
@settings(max_examples=80, deadline=None)
def test_what_becomes_known_later_changes_no_answer(rows: list[tuple[int, int, float]], at: int, noise: float) -> None:
    changed = [(time, delay, value if time + delay <= at else noise) for time, delay, value in rows]
    moments = np.array([at, at // 2])
    for read in (series_at, lambda *asked: mean_at(*asked, days=10 / US_PER_DAY)):
        np.testing.assert_array_equal(read(context_of(rows), "x", moments), read(context_of(changed), "x", moments))


def test_a_mean_counts_the_values_that_became_known_in_the_window() -> None:
    context = context_of([(0, 1, 1.0), (US_PER_DAY, 1, 2.0), (2 * US_PER_DAY, 1, 6.0)])
    at = np.array([0, US_PER_DAY + 1, 2 * US_PER_DAY + 1, 9 * US_PER_DAY])
    np.testing.assert_allclose(mean_at(context, "x", at, days=2), [np.nan, 1.5, 4.0, np.nan])
    with pytest.raises(DatasetError, match="'y'"):
        series_at(context, "y", at)


@pytest.fixture
def occasions() -> pl.DataFrame:
    day = US_PER_DAY
    return pl.DataFrame(
        {
            "name": ["fair", "flood", "easter"],
            "start_us": [10 * day, 20 * day, 30 * day],
            "end_us": [12 * day, 21 * day, 31 * day],
            "kind": ["market", "news", "holiday"],
            "text": [None, None, None],
            "known_from_us": [5 * day, 20 * day, ALWAYS],
        }
    )


def test_days_to_and_since_occasions_by_hand(occasions: pl.DataFrame) -> None:
    at = np.array([0, 6, 11, 12, 19, 20, 25, 40]) * US_PER_DAY
    days = days_to_occasions(occasions, at)
    assert days.to_next.tolist() == [30, 4, 0, 18, 11, 0, 5, np.inf]
    assert days.since_last.tolist() == [np.inf, np.inf, np.inf, 0, 7, 8, 4, 9]
    assert days_to_occasions(occasions, at, kind="news").to_next.tolist() == [np.inf] * 5 + [0, np.inf, np.inf]
    assert days_to_occasions(occasions, at, names=["easter"]).to_next[0] == 30


def test_an_occasion_is_not_known_before_it_is_announced(occasions: pl.DataFrame) -> None:
    assert occasions_known(occasions, 4 * US_PER_DAY)["name"].to_list() == ["easter"]
    assert occasions_known(occasions, 5 * US_PER_DAY)["name"].to_list() == ["fair", "easter"]
    assert occasions_at(occasions, 11 * US_PER_DAY)["name"].to_list() == ["fair"]
    assert occasions_at(occasions, 12 * US_PER_DAY).height == 0


def test_friends_are_those_made_before_the_moment() -> None:
    friends = pl.DataFrame(
        {"user_id": ["a", "a", "b", "a"], "friend_id": ["b", "c", "a", "nobody"], "time_us": [ALWAYS, 5, 9, 0]}
    )
    users = Vocabulary(["a", "b", "c"])
    assert friends_at(friends, users, 5).toarray().tolist() == [[0, 1, 0], [0, 0, 0], [0, 0, 0]]
    assert friends_at(friends, users).toarray().tolist() == [[0, 1, 1], [1, 0, 0], [0, 0, 0]]
    assert friends_of(friends, "a", 5) == ["b", "nobody"]


def test_typed_edges_tie_items_to_entities_in_both_directions() -> None:
    table = pl.DataFrame(
        {"head": ["i", "j", "m", "i"], "relation": ["by", "by", "wrote", "by"], "tail": ["m", "m", "j", "m"]}
    )
    edges = typed_edges(table, Vocabulary(["i", "j"]))
    assert (list(edges.entities), edges.names) == (["i", "j", "m"], ("by", "wrote"))
    assert edges.by_item("by").toarray().tolist() == [[0, 0, 1], [0, 0, 1]]
    assert edges.by_item("wrote").toarray().tolist() == [[0, 0, 0], [0, 0, 1]]
    assert edges.by_item().toarray().tolist() == [[0, 0, 1], [0, 0, 1]]
    assert edges.by_item("none").nnz == 0


def log_of(rows: list[tuple[int, int, int, float]]) -> EventLog:
    user, item, time, value = (np.array(column) for column in zip(*rows, strict=True))
    users, items = Vocabulary(map(str, range(5))), Vocabulary(map(str, range(5)))
    return EventLog.from_columns(
        users, items, user.astype(np.int32), item.astype(np.int32), time, value=value.astype(np.float32)
    )


def test_clock_features_by_hand() -> None:
    at = np.array([parse_time("2024-02-26T00:00:00Z"), parse_time("2024-03-03T23:59:59Z")])
    assert {name: values.tolist() for name, values in clock_features(at).items()} == {
        "hour": [0, 23],
        "weekday": [0, 6],
    }


def test_history_features_by_hand() -> None:
    day = US_PER_DAY
    log = log_of([(0, 0, 0, 1.0), (0, 1, day, np.nan), (0, 0, 4 * day, 4.0), (1, 2, day, 7.0)])
    asked = histories(log, np.array([0, 0, 1, 2], np.int32), np.array([4, 5, 1, 9]) * day)
    features = history_features(asked)
    assert features["frequency"].tolist() == [2, 3, 0, 0]
    assert features["recency"].tolist() == [3, 1, np.inf, np.inf]
    assert features["mean_value"].tolist()[:2] == [1.0, 2.5]
    assert np.isnan(features["mean_value"][2:]).all()
    assert features["rate"][:2].tolist() == [0.5, 0.6]


def test_event_features_see_earlier_moments_alone() -> None:
    day = US_PER_DAY
    log = log_of([(0, 0, 0, 1), (0, 0, 0, 1), (0, 0, 2 * day, 1), (0, 1, 2 * day, 1), (1, 0, 3 * day, 1)])
    features = event_features(log)
    assert features["frequency"].tolist() == [0, 0, 2, 2, 0]
    assert features["times_before"].tolist() == [0, 0, 2, 0, 0]
    assert features["recency"].tolist() == [np.inf, np.inf, 2, 2, np.inf]


EVENTS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 4), st.integers(0, 40), st.floats(-5, 5)), min_size=1)


@given(rows=EVENTS, at=st.integers(0, 40), seed=st.integers(0, 99))
@settings(max_examples=60, deadline=None)
def test_features_of_a_moment_do_not_change_with_what_follows(
    rows: list[tuple[int, int, int, float]], at: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    rows = [(user, item, time * US_PER_SECOND, value) for user, item, time, value in rows]
    at *= US_PER_SECOND
    other = [
        row if row[2] < at else (int(rng.integers(4)), int(rng.integers(5)), at + int(rng.integers(9)), 1.0)
        for row in rows
    ]
    answers = []
    for log in (log_of(rows), log_of(other)):
        asked = histories(log, np.arange(4, dtype=np.int32), np.full(4, at))
        answers.append({**history_features(asked), "dwell": dwell_before(asked)})
    for name, values in answers[0].items():
        np.testing.assert_allclose(values, answers[1][name], rtol=1e-12, atol=1e-9, err_msg=name)


def test_dwell_is_the_time_to_the_next_moment_unless_it_is_absence() -> None:
    second = US_PER_SECOND
    log = log_of([(0, 0, 0, 0), (0, 1, 0, 0), (0, 2, 30 * second, 0), (0, 2, 9000 * second, 0), (1, 0, 0, 0)])
    np.testing.assert_array_equal(dwell_seconds(log), [30, 30, np.nan, np.nan, np.nan])
    with pytest.raises(DatasetError, match="'stay'"):
        dwell_seconds(log, column="stay")
    stay = replace(log, extra=pl.DataFrame({"stay": ["1", "2", "x", None, "5000"]}))
    np.testing.assert_array_equal(dwell_seconds(stay, column="stay"), [1, 2, np.nan, np.nan, np.nan])


def test_price_bands_hold_equal_shares_of_the_training_part() -> None:
    prices = np.concatenate([np.arange(100.0), [np.nan, np.inf]])
    bands = PriceBands.fit(prices, 4)
    assert np.bincount(bands.of(prices[:100])).tolist() == [25, 25, 25, 25]
    assert bands.of(np.array([-5.0, 1e9, np.nan])).tolist() == [0, 3, -1]
    with pytest.raises(NotEnoughDataError):
        PriceBands.fit(np.array([np.nan]))


def test_normalisation_is_fitted_on_the_training_part_and_applied_elsewhere() -> None:
    train = {"hour": np.array([1.0, 3.0]), "recency": np.array([0.0, np.expm1(2.0), np.inf]), "flat": np.ones(2)}
    scale = Normalisation.fit(train)
    matrix = scale.apply({"flat": np.ones(3), "hour": np.array([1.0, 5.0, np.nan]), "recency": np.full(3, np.expm1(3))})
    assert matrix.dtype == np.float32
    np.testing.assert_allclose(matrix, [[-1, 2, 0], [3, 2, 0], [0, 2, 0]], atol=1e-6)


def test_days_to_and_since_an_occasion_stand_under_their_names(occasions: pl.DataFrame) -> None:
    """Day 25: easter is announced for day 30, the flood was over on day 21."""
    features = clock_features(np.array([25 * US_PER_DAY]), occasions)
    assert (features["days_to_occasion"].tolist(), features["days_since_occasion"].tolist()) == ([5], [4])


def test_a_history_of_less_than_a_day_counts_as_a_day() -> None:
    log = log_of([(0, 0, 0, 1.0), (0, 1, US_PER_DAY // 4, 1.0)])
    asked = histories(log, np.array([0], np.int32), np.array([US_PER_DAY // 2]))
    assert history_features(asked)["rate"].tolist() == [2]


def test_mean_dwell_is_over_the_history_where_a_column_is_given() -> None:
    log = log_of([(0, 0, 0, 1.0), (0, 1, 1, 1.0), (0, 2, 2, 1.0), (0, 3, 3, 1.0)])
    asked = histories(log, np.array([0], np.int32), np.array([3]))
    assert history_features(asked, dwell=np.array([10.0, np.nan, 30.0, 500.0]))["mean_dwell"].tolist() == [20]
    assert "mean_dwell" not in history_features(asked)


def test_dwell_before_is_the_mean_over_the_moments_that_have_a_next_one_in_the_history() -> None:
    """Moments at 0, 10, 40 s, then 100 s: before 100 the last wait is unknown, before 101 it is known."""
    log = log_of([(0, item, time * US_PER_SECOND, 1.0) for item, time in enumerate([0, 10, 40, 100])])
    asked = histories(log, np.zeros(4, np.int32), np.array([5, 41, 100, 101]) * US_PER_SECOND)
    np.testing.assert_allclose(dwell_before(asked), [np.nan, 20, 20, 100 / 3])


def test_a_dwell_of_nothing_is_kept_and_one_below_nothing_is_not() -> None:
    log = replace(log_of([(0, 0, 0, 0), (0, 1, 1, 0)]), extra=pl.DataFrame({"stay": [-1.0, 0.0]}))
    np.testing.assert_array_equal(dwell_seconds(log, column="stay"), [np.nan, 0])


def test_the_logarithm_of_a_negative_value_is_that_of_its_size_with_the_sign() -> None:
    values = {"recency": np.array([-np.expm1(1.0), np.expm1(1.0)])}
    np.testing.assert_allclose(Normalisation.fit(values).apply(values), [[-1], [1]], atol=1e-6)


def test_only_features_that_are_named_are_logged() -> None:
    values = {"recency": np.array([1.0, 3.0]), "price": np.array([0.0, np.expm1(2.0)])}
    scale = Normalisation.fit(values, logged=frozenset({"price"}))
    assert scale.means == pytest.approx({"recency": 2, "price": 1})
    np.testing.assert_allclose(scale.apply({"recency": np.array([5.0]), "price": np.expm1([3.0])}), [[3, 2]], atol=1e-6)
