"""The pool leaves its leading expert where another is right, and follows its gradient."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from scipy.optimize import check_grad

from driftline.interest import pool
from driftline.interest.pool import Known, Pool, Ridge, fit_pool, softmax

WEAK = Ridge(1e-4, 1e-4, 1e-4)


def known_of(shares: np.ndarray, idle: np.ndarray, residual: np.ndarray | None = None, n_mixes: int = 0) -> Known:
    """What experts say [n, n_experts, n_topics]; `idle` [n] is the feature that tells questions apart."""
    features = np.stack([np.ones(len(idle)), np.zeros(len(idle)), idle], axis=1)
    return Known(np.log(shares), features, np.zeros((len(idle), 0)) if residual is None else residual, n_mixes)


def fitted(known: Known, came: np.ndarray, ridge: Ridge = WEAK) -> Pool:
    start = Pool.start(known, 0)
    return fit_pool(known, came, np.full(len(came), 1 / came.sum()), start, ridge, start)


def test_at_its_start_it_says_what_the_leading_expert_says():
    shares = np.random.default_rng(0).dirichlet(np.ones(4), (6, 3))
    known = known_of(shares, np.zeros(6))
    for leading in range(3):
        np.testing.assert_allclose(Pool.start(known, leading).shares(known), shares[:, leading], atol=1e-12)


def test_where_the_first_expert_is_right_for_some_and_the_second_for_others_it_tells_them_apart():
    """The first gives what came .9 after a short silence and .1 after a long one, the second the other way round."""
    idle = np.where(np.arange(200) % 2 == 0, -1.0, 1.0)
    right = np.where(idle < 0, 0.9, 0.1)
    shares = np.stack([np.stack([right, 1 - right], 1), np.stack([1 - right, right], 1)], 1)
    known = known_of(shares, idle)
    assert fitted(known, np.tile([1.0, 0.0], (200, 1))).shares(known)[:, 0].min() > 0.85


def test_a_contrast_of_two_mixes_is_found_where_what_grows_goes_on_growing():
    """What comes is the newer mix times its quotient with the older one: weights 2 and -1."""
    rng = np.random.default_rng(1)
    newer, older = rng.dirichlet(np.full(5, 5.0), 300), rng.dirichlet(np.full(5, 5.0), 300)
    truth = softmax(2 * np.log(newer) - np.log(older))
    known = known_of(np.stack([newer, older], 1), np.zeros(300))
    found = fitted(known, truth * 20)
    np.testing.assert_allclose((known.features @ found.gate)[0], [2, -1], atol=0.05)
    np.testing.assert_allclose(found.shares(known), truth, atol=0.01)


def test_what_only_the_residual_knows_is_learned_and_a_ridge_holds_it_back():
    """Topic 0 comes where the first column is 1, topic 1 where it is -1; no expert knows."""
    sign = np.where(np.arange(200) % 2 == 0, 1.0, -1.0)
    known = known_of(np.full((200, 1, 2), 0.5), np.zeros(200), sign[:, None], n_mixes=1)
    came = np.stack([sign > 0, sign < 0], axis=1).astype(float)
    learned, held = fitted(known, came), fitted(known, came, Ridge(1e-4, 10.0, 1e-4))
    assert learned.shares(known)[0, 0] > 0.9
    assert 0.5 < held.shares(known)[0, 0] < 0.6
    assert fitted(known, came, Ridge(1e-4, 1e-4, 10.0)).shares(known)[0, 0] > 0.9


def test_parts_sum_to_one_and_an_expert_that_says_nothing_has_none():
    shares = np.stack([np.random.default_rng(2).dirichlet(np.ones(3), 5), np.full((5, 3), 1 / 3)], axis=1)
    known = known_of(shares, np.zeros(5))
    even = Pool(np.ones((3, 2)), np.zeros((0, 3)), np.zeros(3))
    parts = even.parts(known, even.shares(known))
    np.testing.assert_allclose(parts, np.tile([1.0, 0.0, 0.0], (5, 1)), atol=1e-12)
    nothing = known_of(np.full((2, 2, 3), 1 / 3), np.zeros(2))
    assert even.parts(nothing, even.shares(nothing)).sum(axis=1).tolist() == pytest.approx([1, 1])


@pytest.mark.parametrize("ridge", [Ridge(0.0, 0.0, 0.0), Ridge(0.3, 0.2, 0.1)])
def test_the_gradient_is_the_derivative_of_the_loss(monkeypatch, ridge):
    kept = {}

    def minimize(loss, start, **_):
        kept["loss"] = loss
        return SimpleNamespace(x=start)

    monkeypatch.setattr(pool, "minimize", minimize)
    rng = np.random.default_rng(1)
    known = known_of(rng.dirichlet(np.ones(4), (12, 3)), rng.normal(size=12), rng.normal(size=(12, 5)), n_mixes=2)
    fitted(known, rng.integers(0, 4, (12, 4)).astype(float), ridge)
    at = rng.normal(size=len(Pool.start(known, 0).flat()))
    assert check_grad(lambda flat: kept["loss"](flat)[0], lambda flat: kept["loss"](flat)[1], at) < 1e-5


def test_softmax_of_large_numbers_is_finite():
    assert softmax(np.array([[1e4, 0.0]])).tolist() == [[1.0, 0.0]]
