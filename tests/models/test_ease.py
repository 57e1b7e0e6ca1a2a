"""EASE against its defining problem, and its limits."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from driftline.data.synthetic import still
from driftline.errors import SettingsError
from driftline.models import ease
from driftline.models.ease import EASE
from driftline.models.reading import user_items


def test_the_map_solves_the_ridge_problem_of_each_item_without_itself() -> None:
    """Column j of B is the ridge regression of item j on all others: the zero diagonal, solved one by one."""
    log = still(n_users=80, n_items=12, n_topics=3, n_events=8).log
    weights = EASE(l2=5.0).fit(log).weights
    users = user_items(log).toarray().astype(float)
    for item in range(12):
        others = np.arange(12) != item
        rest = users[:, others]
        expected = np.linalg.solve(rest.T @ rest + 5.0 * np.eye(11), rest.T @ users[:, item])
        assert weights[others, item] == pytest.approx(expected, abs=1e-4)
    assert (weights.diagonal() == 0).all()


def test_items_without_events_come_last_and_the_history_may_count_for_itself(events: Any, everybody: Any) -> None:
    log = events([(0, 1, 0), (0, 2, 1), (1, 1, 0), (1, 1, 2), (2, 1, 1), (3, 1, 5)], n_items=7)
    scores = EASE(l2=1.0).fit(log).score(everybody(log))
    assert (scores[0, [3, 4, 6]] == scores[0].min()).all()
    repeated = EASE(l2=1.0, repeat_weight=0.5).fit(log).score(everybody(log))
    assert repeated[0, 0] - scores[0, 0] == pytest.approx(0.5)


def test_update_equals_a_fit_on_everything(events: Any, everybody: Any) -> None:
    rng = np.random.default_rng(1)
    lines = [(int(rng.integers(6)), day, int(rng.integers(8))) for day in range(60)]
    whole = events(lines)
    updated = EASE(l2=3.0).fit(events(lines[:30])).update(events(lines[30:]))
    expected = EASE(l2=3.0).fit(whole)
    assert np.array_equal(updated.weights, expected.weights)
    assert np.array_equal(updated.score(everybody(whole)), expected.score(everybody(whole)))


def test_too_many_items_are_refused_by_name_of_another_model(events: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ease, "MOST_ITEMS", 2)
    with pytest.raises(SettingsError, match="use item-knn or cooccurrence"):
        EASE().fit(events([(0, 1, 0), (0, 2, 1), (0, 3, 2)]))


def test_an_l2_that_leaves_the_problem_unsolvable_is_refused(events: Any) -> None:
    with pytest.raises(SettingsError, match="l2"):
        EASE(l2=0.0)
