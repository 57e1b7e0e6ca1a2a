"""Item-KNN against cosines by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from driftline.data.split import last_item_fold
from driftline.data.synthetic import still
from driftline.models.neighbours import ItemKNN

LINES = [(0, 1, 0), (0, 2, 1), (1, 1, 0), (1, 2, 1), (1, 3, 2), (2, 1, 0), (3, 1, 3)]


def test_similarity_is_the_cosine_of_users_with_shrinkage(events: Any) -> None:
    """Items 0 and 1 share 2 users of 3 and 2; 1 and 2 share 1 of 2 and 1."""
    similarity = ItemKNN(neighbours=9, shrinkage=1.0).fit(events(LINES, n_items=4)).similarity.toarray()
    assert similarity[0, 1] == pytest.approx(2 / (np.sqrt(6) + 1))
    assert similarity[1, 2] == pytest.approx(1 / (np.sqrt(2) + 1))
    assert similarity.diagonal().tolist() == [0, 0, 0, 0]
    assert similarity[3].tolist() == [0, 0, 0, 0]


def test_only_the_nearest_neighbours_are_kept(events: Any) -> None:
    similarity = ItemKNN(neighbours=1, shrinkage=0.0).fit(events(LINES, n_items=4)).similarity.toarray()
    assert [np.flatnonzero(row).tolist() for row in similarity] == [[1], [0], [1], []]


def test_the_score_sums_over_the_history_and_older_moments_count_less(events: Any, everybody: Any) -> None:
    log = events(LINES, n_items=4)
    fitted = ItemKNN(neighbours=9, shrinkage=0.0, age_decay=0.5, repeat_weight=0.3).fit(log)
    similarity = fitted.similarity.toarray()
    scores = fitted.score(everybody(log))[1]
    assert scores[2] == pytest.approx(0.3 + 0.5 * similarity[1, 2] + 0.25 * similarity[0, 2])
    assert scores[0] == pytest.approx(0.25 * 0.3 + 0.5 * similarity[1, 0] + similarity[2, 0])


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 6), st.integers(0, 7)), min_size=2, max_size=30), st.data())
def test_update_equals_a_fit_on_everything(events: Any, everybody: Any, lines: list[Any], data: st.DataObject) -> None:
    cut = data.draw(st.integers(1, len(lines) - 1))
    lines = sorted(lines, key=lambda line: line[1])
    whole = events(lines)
    updated = ItemKNN().fit(events(lines[:cut], n_users=4)).update(events(lines[cut:]))
    assert np.array_equal(updated.score(everybody(whole)), ItemKNN().fit(whole).score(everybody(whole)))


def test_validation_chooses_what_is_open_and_keeps_what_is_given() -> None:
    fold = last_item_fold(still(n_users=60, n_items=40, n_events=20).dataset)
    settled = ItemKNN(age_decay=0.9).fit(fold.train, validation=fold.stop).settled()
    assert settled.age_decay == 0.9
    assert None not in (settled.neighbours, settled.repeat_weight)
