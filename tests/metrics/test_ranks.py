"""Ranks and slates: held against a slow twin, and against what a tie must give."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from driftline.data.catalog import Catalog
from driftline.data.events import EventLog, histories
from driftline.data.targets import Targets
from driftline.data.vocabulary import Vocabulary
from driftline.errors import InvalidScoreError
from driftline.metrics import ranks as ranks_module
from driftline.metrics.ranks import rank_targets, target_ranks, top_items

N_ITEMS = 6


def questions(items_of_users, asked, *, repeats="allow", trained=range(N_ITEMS)) -> Targets:
    """Targets in which user u has the history `items_of_users[u]`, and `asked` is (user, item) by user."""
    pairs = [(u, item) for u, items in enumerate(items_of_users) for item in items]
    users, items = Vocabulary(f"u{u}" for u in range(len(items_of_users))), Vocabulary(f"i{i}" for i in range(N_ITEMS))
    columns = np.array(pairs, np.int32).reshape(-1, 2)
    log = EventLog.from_columns(users, items, columns[:, 0], columns[:, 1], np.arange(len(pairs)))
    trained = np.array(list(trained), np.int32)
    train = EventLog.from_columns(users, items, np.zeros_like(trained), trained, np.zeros(len(trained), np.int64))
    of, query = np.unique([user for user, _ in asked], return_inverse=True)
    past = histories(log, of.astype(np.int32), np.full(len(of), 10**6))
    return Targets(past, query, np.array([i for _, i in asked], np.int32), train, Catalog.empty(items), repeats)


def fixed(scores):
    """A model whose scores are the rows of a table by user."""
    table = np.array(scores, np.float32)
    return lambda part: table[part.user_row]


def test_a_rank_counts_the_better_items_and_half_of_the_tied():
    targets = questions([[0], [0]], [(0, 1), (0, 2), (0, 5), (1, 3)])
    scores = [[9, 5, 5, 5, 1, 0], [0, 0, 0, 7, 0, 0]]
    assert target_ranks(fixed(scores), targets).tolist() == [2.0, 2.0, 5.0, 0.0]


def test_equal_scores_give_every_target_the_middle_of_all_candidates():
    targets = questions([[0]], [(0, item) for item in range(N_ITEMS)])
    assert set(target_ranks(fixed([[1.0] * N_ITEMS]), targets)) == {(N_ITEMS - 1) / 2}


def test_items_outside_the_training_part_are_no_candidates_and_miss_as_targets():
    targets = questions([[0]], [(0, 4), (0, 5)], trained=[0, 1, 5])
    assert target_ranks(fixed([[3, 2, 9, 9, 9, 1]]), targets).tolist() == [np.inf, 2.0]


def test_excluded_repeats_take_the_history_out_of_the_ranking_and_a_target_in_it_is_a_miss():
    targets = questions([[0, 1, 1]], [(0, 0), (0, 2)], repeats="exclude")
    assert target_ranks(fixed([[9, 8, 7, 0, 0, 0]]), targets).tolist() == [np.inf, 0.0]


def test_minus_infinity_from_a_model_is_the_worst_score_of_a_candidate_and_not_a_mask():
    targets = questions([[0]], [(0, 3)], repeats="exclude", trained=[0, 1, 2, 3])
    low = -np.inf
    assert target_ranks(fixed([[low, 5, low, low, 0, 0]]), targets).tolist() == [1.5]


def test_nan_and_wrong_shapes_are_errors():
    targets = questions([[0]], [(0, 1)])
    with pytest.raises(InvalidScoreError, match="NaN"):
        target_ranks(fixed([[0, np.nan, 0, 0, 0, 0]]), targets)
    with pytest.raises(InvalidScoreError, match=r"shape \(1, 6\)"):
        target_ranks(fixed([[0, 1]]), targets)


def test_a_slate_is_the_best_allowed_items_in_order_padded_where_fewer_are_allowed():
    targets = questions([[5], [0]], [(0, 0), (1, 1)], repeats="exclude", trained=[0, 1, 5])
    ranked = rank_targets(fixed([[1, 2, 9, 9, 9, 8], [9, 1, 9, 9, 9, 1]]), targets, k=3)
    assert ranked.slates.tolist() == [[1, 0, -1], [1, 5, -1]]


def test_a_slate_may_be_longer_than_the_catalog():
    assert top_items(np.array([[1.0, 3.0]], np.float32), 4).tolist() == [[1, 0, -1, -1]]


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 400), st.integers(1, 12), st.integers(1, 50), st.integers(0, 2**32 - 1))
def test_slates_of_wide_catalogs_equal_a_full_sort_however_many_scores_are_tied(n_items, k, n_values, seed):
    scores = np.random.default_rng(seed).integers(0, n_values, (3, n_items)).astype(np.float32)
    slates = top_items(scores, k)
    for row, slate in zip(scores, slates, strict=True):
        assert row[slate[slate >= 0]].tolist() == sorted(row, reverse=True)[:k]
        assert len(set(slate[slate >= 0])) == min(k, n_items)


def slow_rank(row, allowed, item):
    """By the definition: the mean of the best and the worst place in any order that sorts the scores."""
    if not allowed[item]:
        return np.inf
    candidates = [i for i in range(len(row)) if allowed[i]]
    best = sum(row[i] > row[item] for i in candidates)
    worst = sum(row[i] >= row[item] for i in candidates) - 1
    return (best + worst) / 2


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_ranks_and_slates_equal_the_slow_twin_in_batches_of_any_size(data):
    past = data.draw(st.lists(st.lists(st.integers(0, 5), max_size=5), min_size=1, max_size=5))
    pairs = st.tuples(st.integers(0, len(past) - 1), st.integers(0, 5))
    asked = sorted(data.draw(st.lists(pairs, min_size=1, max_size=12)))
    repeats = data.draw(st.sampled_from(["allow", "exclude"]))
    targets = questions(past, asked, repeats=repeats, trained=data.draw(st.sets(st.integers(0, 5))))
    scores = np.array(data.draw(st.lists(st.lists(st.integers(0, 3), min_size=6, max_size=6), min_size=5, max_size=5)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ranks_module, "CELLS_PER_BATCH", data.draw(st.integers(1, 40)))
        ranked = rank_targets(fixed(scores), targets, k=3)
    allowed = targets.allowed(np.arange(len(targets.histories)))
    users = targets.histories.user_row
    expected = [slow_rank(scores[u], allowed[q], i) for q, (u, i) in zip(targets.query, asked, strict=True)]
    assert ranked.ranks.tolist() == expected
    for q, slate in enumerate(ranked.slates):
        best = sorted((i for i in range(6) if allowed[q, i]), key=lambda i, row=scores[users[q]]: -row[i])[:3]
        assert scores[users[q]][slate[slate >= 0]].tolist() == scores[users[q]][best].tolist()
        assert allowed[q, slate[slate >= 0]].all()
