"""The listwise network: its gradient is the derivative of its loss, and it learns what no weighted sum can say."""

from __future__ import annotations

import numpy as np
import pytest

from driftline.ranking.candidates import Candidates
from driftline.ranking.network import HIDDEN, Network, fit_network, loss_and_gradients
from driftline.ranking.stacking import Choices, crossfitted, fit_weights, gain, loss_of

N_ROWS = 12


def made(features, chosen):
    """One choice for each query of N_ROWS candidates; the first half of the queries is one half of the users."""
    n_queries = len(features) // N_ROWS
    query = np.repeat(np.arange(n_queries), N_ROWS)
    candidates = Candidates(query, np.tile(np.arange(N_ROWS), n_queries), features.astype(np.float32))
    half = (np.arange(n_queries) >= n_queries // 2).astype(np.int64)
    return Choices(candidates, np.arange(n_queries) * N_ROWS + chosen, np.full(n_queries, 1 / n_queries), half)


def of_two_kinds(n_queries=600, seed=0):
    """Arm A is right for items of kind 1 and B for the rest; each is noise for the other's. No weighted sum knows."""
    rng = np.random.default_rng(seed)
    kind = rng.integers(0, 2, (n_queries, N_ROWS))
    arms = rng.random((n_queries, N_ROWS, 2))
    chosen = np.where(kind == 1, arms[:, :, 0], arms[:, :, 1]).argmax(axis=1)
    return made(np.concatenate([arms, kind[:, :, None]], axis=2).reshape(-1, 3), chosen)


def test_the_gradient_of_the_loss_is_its_derivative():
    rng = np.random.default_rng(0)
    starts, mass = np.array([0, 4, 9]), np.zeros(15)
    mass[[1, 5, 6, 14]] = [1, 0.5, 0.5, 2]
    x = rng.normal(size=(15, 3))
    params = tuple(rng.normal(size=shape) for shape in ((3, HIDDEN), (HIDDEN,), (HIDDEN,), (3,)))
    _, gradients = loss_and_gradients(params, x, starts, mass)
    for place, gradient in enumerate(gradients):
        for at in np.ndindex(*gradient.shape) if gradient.ndim == 1 else [(0, 0), (2, 5), (1, HIDDEN - 1)]:
            losses = []
            for sign in (1, -1):
                moved = [one.copy() for one in params]
                moved[place][at] += sign * 1e-6
                losses.append(loss_and_gradients(tuple(moved), x, starts, mass)[0])
            assert (losses[0] - losses[1]) / 2e-6 == pytest.approx(gradient[at], abs=1e-6)


def test_the_loss_of_equal_candidates_is_the_logarithm_of_their_number():
    params = (np.zeros((2, HIDDEN)), np.zeros(HIDDEN), np.zeros(HIDDEN), np.zeros(2))
    value, _ = loss_and_gradients(params, np.ones((5, 2)), np.array([0]), np.eye(5)[0])
    assert value == pytest.approx(np.log(5))


def test_it_learns_which_arm_is_right_for_which_items():
    choices = of_two_kinds()
    network = fit_network(choices.part(0))
    held = choices.part(1)
    by_sum = held.candidates.features @ fit_weights(choices.part(0)).astype(np.float32)
    learned = network.utility(held.candidates.features)
    assert gain(learned, held) > gain(by_sum, held) + 0.05
    assert loss_of(learned, held) < loss_of(by_sum, held) - 0.3


def test_noise_teaches_it_little_more_than_that_all_are_alike():
    rng = np.random.default_rng(1)
    choices = made(rng.random((900 * N_ROWS, 3)), rng.integers(0, N_ROWS, 900))
    held = choices.part(1)
    found = loss_of(fit_network(choices.part(0)).utility(held.candidates.features), held)
    assert np.log(N_ROWS) - 0.01 < found < np.log(N_ROWS) + 0.2
    assert crossfitted(choices)[0] < found


def test_the_order_of_candidates_and_what_stands_beside_them_change_no_score():
    choices = of_two_kinds(n_queries=80)
    network, features = fit_network(choices), choices.candidates.features
    order = np.random.default_rng(0).permutation(len(features))
    np.testing.assert_allclose(network.utility(features[order]), network.utility(features)[order], atol=1e-5)
    np.testing.assert_allclose(network.utility(features[7:8]), network.utility(features)[7:8], atol=1e-5)


def test_one_seed_gives_one_network_and_it_comes_back_from_its_arrays():
    choices = of_two_kinds(n_queries=80)
    features = choices.candidates.features
    first = fit_network(choices, seed=3)
    assert np.array_equal(first.utility(features), fit_network(choices, seed=3).utility(features))
    assert not np.array_equal(first.utility(features), fit_network(choices, seed=4).utility(features))
    assert np.array_equal(Network.from_arrays(first.arrays()).utility(features), first.utility(features))


def test_a_feature_that_never_moves_is_no_trouble():
    choices = of_two_kinds(n_queries=80)
    features = np.column_stack([choices.candidates.features, np.full(len(choices.candidates.query), 7.0)])
    network = fit_network(made(features, choices.chosen % N_ROWS))
    assert np.isfinite(network.utility(features.astype(np.float32))).all()
