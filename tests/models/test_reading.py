"""How histories are read, what stands in where nothing is known, and how choices are made."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from driftline.data.events import EventLog, histories
from driftline.data.kinds import Kind
from driftline.data.split import global_time_fold
from driftline.data.synthetic import still
from driftline.errors import SettingsError
from driftline.models.choosing import best_of, gain, sampled
from driftline.models.popularity import Popularity
from driftline.models.prior import filled_in, ordered_below
from driftline.models.reading import Reading, read_events, read_items, read_moments
from driftline.models.settings import check_range, check_whole

LINES = [(0, 1, 0), (0, 1, 1), (0, 2, 1), (0, 2, 1), (0, 3, 2), (1, 5, 3)]


def test_moments_are_unit_sets_that_fade(events: Any, everybody: Any) -> None:
    read = read_moments(everybody(events(LINES, n_users=3, n_items=4)), 4, Reading(2, 0.5)).toarray()
    assert read == pytest.approx(np.array([[0, 0.5, 1, 0], [0, 0, 0, 1], [0, 0, 0, 0]]))
    whole = read_moments(everybody(events(LINES, n_users=3, n_items=4)), 4, Reading(9, 0.5)).toarray()
    assert whole[0] == pytest.approx([0.25 / np.sqrt(2), 0.25 / np.sqrt(2) + 0.5, 1, 0])
    timed = read_moments(everybody(events(LINES, n_users=3, n_items=4)), 4, Reading(2, 0.5, half_life_days=2)).toarray()
    assert timed[0] == pytest.approx([0, 0.5 * np.sqrt(0.5), 1, 0])


def test_items_count_once_at_their_newest_and_events_count_each(events: Any, everybody: Any) -> None:
    asked = everybody(events(LINES, n_users=3, n_items=4))
    assert read_items(asked, 4, age_decay=0.5).toarray()[0] == pytest.approx([0.25, 0.5, 1, 0])
    assert read_events(asked, 4, age_decay=0.5).toarray()[0] == pytest.approx([0.25, 0.25 + 0.5 + 0.5, 1, 0])


def test_items_that_a_model_does_not_know_are_passed_over(events: Any, everybody: Any) -> None:
    assert read_items(everybody(events(LINES)), 2).shape == (6, 2)


def test_events_that_are_no_sign_of_interest_are_not_read(events: Any) -> None:
    log = events(LINES, n_users=2, n_items=4)
    kind = np.array([0, 1, 0, 0, 0, 1], np.int8)
    kinds = (Kind("buy", 2.0), Kind("return", 0.0))
    log = EventLog.from_columns(log.users, log.items, log.user_row, log.item_row, log.time_us, kinds=kinds, kind=kind)
    asked = histories(log, np.arange(2, dtype=np.int32), np.full(2, log.last_us + 1))
    assert read_items(asked, 4).toarray().tolist() == [[2, 2, 2, 0], [0, 0, 0, 0]]


def test_zeros_are_ordered_by_popularity_below_all_evidence() -> None:
    scores = ordered_below(np.array([[0.0, 1e-6, 0.0]], np.float32), np.array([0.2, 0.1, 1.0], np.float32))
    assert scores[0].argsort().tolist() == [0, 2, 1]


def test_unseen_items_come_last_and_the_unknown_get_popularity() -> None:
    share = np.array([0.5, 1.0, 0.0], np.float32)
    scores = filled_in(np.array([[-2.0, -1.0, 0.0], [0, 0, 0]], np.float32), share, np.array([True, False]))
    assert scores.tolist() == [[-2.0, -1.0, -2.0], [0.5, 1.0, 0.0]]


def test_a_choice_is_the_best_and_the_first_of_equals() -> None:
    """A model that knows the truth is chosen over popularity; among equals the default stays."""
    fold = global_time_fold(still(n_users=30, n_items=40, n_events=20).dataset)
    popular = [Popularity().fit(fold.inner) for _ in range(2)]
    assert best_of(popular, fold.stop) is popular[0]
    assert 0 < gain(popular[0], fold.stop) < 1


def test_the_questions_to_choose_by_are_spread_over_all(monkeypatch: pytest.MonkeyPatch) -> None:
    fold = global_time_fold(still(n_users=30, n_items=40, n_events=20).dataset)
    monkeypatch.setattr("driftline.models.choosing.QUERIES", 5)
    asked = sampled(fold.stop)
    assert len(asked.histories) == 5
    assert asked.histories.user_row[-1] == fold.stop.histories.user_row[-1]


def test_a_value_that_is_no_number_is_out_of_range() -> None:
    check_range("dim", None, 1)
    for value in (0, float("nan"), 99):
        with pytest.raises(SettingsError, match="dim of at least 1 and at most 9"):
            check_range("dim", value, 1, 9)


@pytest.mark.parametrize("value", [2.5, "3", float("inf"), True, 0])
def test_a_value_that_is_no_whole_number_is_refused_where_one_is_asked_for(value: object) -> None:
    check_whole("dim", np.int64(3), 1)
    with pytest.raises(SettingsError, match="expected dim as a whole number of at least 1, got"):
        check_whole("dim", value, 1)  # type: ignore[arg-type]


def test_a_value_of_another_kind_is_out_of_range() -> None:
    for value in ("0.5", [0.5], True):
        with pytest.raises(SettingsError, match="age_decay of at least 0"):
            check_range("age_decay", value, 0, 1)  # type: ignore[arg-type]
