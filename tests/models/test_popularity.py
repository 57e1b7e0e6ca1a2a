"""Popularity of all time and of the last days."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from driftline.errors import NotEnoughDataError, SettingsError
from driftline.models.popularity import Popularity, RecentPopularity


def test_score_is_the_share_of_the_most_popular(events: Any, everybody: Any) -> None:
    log = events([(0, 1, 2), (1, 2, 2), (1, 3, 0)], n_items=4)
    scores = Popularity().fit(log).score(everybody(log))
    assert scores.tolist() == [[0.5, 0.0, 1.0, 0.0]] * 6


def test_only_the_last_days_before_the_end_count(events: Any, everybody: Any) -> None:
    """Day 3.0 is exactly seven days before day 10: outside. What is outside comes after, by all time."""
    log = events([(0, 1, 0), (1, 2, 0), (2, 3, 1), (3, 3.1, 2), (4, 10, 3), (5, 10, 3)], n_items=5)
    scores = RecentPopularity(min_events=1).fit(log).score(everybody(log))[0]
    assert scores[[3, 2]].tolist() == [1.0, 0.5]
    assert 0 < scores[1] < scores[0] < 1e-6
    assert scores[4] == 0


def test_the_window_grows_by_whole_days_until_it_holds_enough(events: Any, everybody: Any) -> None:
    log = events([(0, 1, 0), (1, 5, 1), (2, 20.5, 2), (3, 30, 3)], n_items=4)
    expected = {1: [3], 2: [2, 3], 3: [1, 2, 3], 4: [0, 1, 2, 3], 99: [0, 1, 2, 3]}
    for min_events, items in expected.items():
        scores = RecentPopularity(min_events=min_events).fit(log).score(everybody(log))[0]
        assert np.flatnonzero(scores > 0.1).tolist() == items


LINES = st.lists(
    st.tuples(st.integers(0, 5), st.floats(0, 40, allow_nan=False).map(lambda day: round(day, 2)), st.integers(0, 7)),
    min_size=2,
    max_size=40,
)


@settings(max_examples=60, deadline=None)
@given(LINES, st.integers(1, 30), st.integers(1, 12), st.data())
def test_update_equals_a_fit_on_everything(
    events: Any, everybody: Any, lines: list[Any], days: int, min_events: int, data: st.DataObject
) -> None:
    lines = sorted(lines, key=lambda line: line[1])
    cut = data.draw(st.integers(1, len(lines) - 1))
    old, new, whole = events(lines[:cut], n_items=6 + 2), events(lines[cut:]), events(lines)
    for model in (Popularity(), RecentPopularity(days, min_events)):
        updated = model.fit(old).update(new).score(everybody(whole))
        assert np.array_equal(updated, model.fit(whole).score(everybody(whole)))


def test_nothing_to_count_and_a_window_of_no_days_are_refused(events: Any) -> None:
    with pytest.raises(NotEnoughDataError):
        Popularity().fit(events([]))
    with pytest.raises(SettingsError, match="days"):
        RecentPopularity(days=0)
