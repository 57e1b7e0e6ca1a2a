"""The conditional logit finds weights that made the choices, and its gradient is the derivative of its loss."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import check_grad

from driftline.data.split import global_time_fold
from driftline.ranking.candidates import Candidates
from driftline.ranking.stacking import L2, Choices, choices_of, crossfitted, fit_weights, gain, loss, standard_error
from driftline.ranking.stacking import _loss_and_gradient as both


def choices(weights, *, n_queries=2_000, n_rows=12, seed=0, twice=False):
    """Choices drawn from the model itself: one of `n_rows` candidates a query, by softmax of features · weights."""
    rng = np.random.default_rng(seed)
    features = rng.random((n_queries * n_rows, len(weights))).astype(np.float32) * 3
    utility = (features @ weights).reshape(n_queries, n_rows) + rng.gumbel(size=(n_queries, n_rows))
    query = np.repeat(np.arange(n_queries), n_rows)
    candidates = Candidates(query, np.tile(np.arange(n_rows), n_queries), features)
    chosen = np.arange(n_queries) * n_rows + utility.argmax(1)
    weight = np.full(n_queries, 1 / n_queries)
    if twice:
        chosen, weight = np.sort(np.concatenate([chosen, chosen])), np.full(2 * n_queries, 0.5 / n_queries)
    return Choices(candidates, chosen, weight, np.arange(n_queries) % 2)


def test_planted_weights_are_found():
    found = fit_weights(choices(np.array([1.5, 0.5, 0.0]), n_queries=6_000))
    assert np.allclose(found, [1.5, 0.5, 0.0], atol=0.12)


def test_a_feature_that_speaks_against_gets_nothing():
    found = fit_weights(choices(np.array([1.0, -1.0])))
    assert found[1] == 0
    assert found[0] > 0.5


def test_the_gradient_is_the_derivative_of_the_loss():
    few = choices(np.array([1.0, 0.3]), n_queries=40)
    error = check_grad(lambda w: both(w, few)[0], lambda w: both(w, few)[1], np.array([0.7, 0.4]), epsilon=1e-3)
    assert error < 5e-3


def test_the_loss_is_as_worked_by_hand():
    candidates = Candidates(np.array([0, 0]), np.array([0, 1]), np.array([[1.0], [0.0]], np.float32))
    one = Choices(candidates, np.array([0]), np.array([1.0]), np.array([0]))
    weights = np.array([np.log(3.0)])
    assert np.isclose(loss(weights, one), np.log(4 / 3))
    assert np.isclose(both(weights, one)[0], np.log(4 / 3) + L2 * np.log(3.0) ** 2)


def test_counting_every_choice_twice_at_half_its_weight_changes_nothing():
    planted = np.array([1.0, 0.2])
    assert np.allclose(fit_weights(choices(planted)), fit_weights(choices(planted, twice=True)), atol=1e-3)


def test_gain_takes_the_mean_rank_of_ties_and_nothing_beyond_k():
    candidates = Candidates(np.zeros(4, int), np.arange(4), np.zeros((4, 1), np.float32))
    one = Choices(candidates, np.array([0]), np.array([1.0]), np.array([0]))
    assert np.isclose(gain(np.array([1.0, 1.0, 1.0, 0.0], np.float32), one), 1 / np.log2(3))
    assert gain(np.array([0.0, 1.0, 1.0, 1.0], np.float32), one, k=3) == 0


def test_crossfitting_tells_a_signal_from_noise():
    signal, noise = choices(np.array([1.5, 0.0])), choices(np.array([0.0, 0.0]))
    assert crossfitted(signal)[1] > crossfitted(noise)[1] + 0.1
    assert crossfitted(noise)[0] >= np.log(12) - 1e-3


def test_no_choices_at_all_leave_the_start_and_are_no_number_trouble():
    empty = Choices(Candidates(np.zeros(2, int), np.arange(2), np.ones((2, 2), np.float32)), *(np.zeros(0, int),) * 3)
    empty = Choices(empty.candidates, np.zeros(0, int), np.zeros(0), np.zeros(1, int))
    assert fit_weights(empty).tolist() == [1, 1]
    assert crossfitted(empty) == (0.0, 0.0)


def test_users_count_the_same_and_what_is_no_candidate_is_missing(world):
    """User 0 is asked four times, each a quarter of a half; user 1 once, a half. Item 3 is nobody's candidate."""
    taken = joined(world)
    assert taken.chosen.tolist() == [0, 4, 6, 13]
    np.testing.assert_allclose(taken.weight, [1 / 8, 1 / 8, 1 / 8, 1 / 2])


def test_all_questions_of_a_user_are_in_one_half(world):
    assert joined(world).fold.tolist() == [0, 0, 0, 0, 1]


def joined(world):
    """Targets 0, 1, 0, 3 of user 0 and 1 of user 1, one a day, with items 0, 1, 2 as candidates of each question."""
    rows = [(0, 0, 1), (1, 0, 1), (0, 0, 10), (0, 1, 11), (0, 0, 12), (0, 3, 13), (1, 1, 14)]
    targets = global_time_fold(world.dataset(rows, n_items=4, repeats="allow"), cutoff_us=5 * world.DAY).test
    query, item = np.repeat(np.arange(5), 3), np.tile(np.arange(3), 5)
    return choices_of(Candidates(query, item, np.ones((15, 1), np.float32)), targets)


def opposites():
    """Four questions of two users, each with candidates (1, 0) and (0, 1): one user takes the first, one the second."""
    candidates = Candidates(
        np.repeat(np.arange(4), 2), np.tile([0, 1], 4), np.tile(np.eye(2, dtype=np.float32), (4, 1))
    )
    return Choices(candidates, np.array([0, 2, 5, 7]), np.full(4, 0.25), np.array([0, 0, 1, 1]))


def test_a_part_has_the_questions_of_its_half_and_no_others():
    second = opposites().part(1)
    assert np.unique(second.candidates.query).tolist() == [2, 3]
    assert second.chosen.tolist() == [1, 3]


def test_halves_are_each_judged_once_and_learned_from_once():
    (first, second, places), (again, other, rest) = opposites().halves()
    assert (first.chosen.tolist(), second.chosen.tolist()) == ([0, 2], [1, 3])
    assert (again.chosen.tolist(), other.chosen.tolist()) == ([1, 3], [0, 2])
    assert (places.tolist(), rest.tolist()) == ([0, 1], [2, 3])


def test_a_sample_holds_whole_queries_and_all_where_there_are_few():
    few = opposites().sampled(3, seed=0)
    assert len(np.unique(few.candidates.query)) == len(few.chosen) == 3
    assert len(few.candidates.query) == 6
    assert len(opposites().sampled(4, seed=0).chosen) == 4


def test_the_standard_error_takes_the_targets_of_a_query_as_one_draw():
    one = opposites()
    assert standard_error(np.array([1.0, -1.0, 1.0, -1.0]), one) == pytest.approx(0.5)
    together = Choices(one.candidates, np.array([0, 1, 4, 5]), one.weight, one.fold)
    assert standard_error(np.array([1.0, -1.0, 1.0, -1.0]), together) == 0


def test_weights_are_judged_on_the_half_that_they_were_not_learned_on():
    """What one half prefers the other rejects: every choice comes second, and worse than by chance."""
    lost, gained = crossfitted(opposites())
    assert lost > np.log(2)
    assert np.isclose(gained, 1 / np.log2(3))
