"""Metrics of probabilities equal fractions worked by hand, and slow twins."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from driftline.metrics.binary import auc, brier, expected_calibration_error, log_loss
from driftline.metrics.distributions import (
    beta_binomial,
    brier_score,
    js_divergence,
    log_score,
    randomised_pit,
    topic_ndcg,
)


def test_log_loss_is_the_mean_surprise_of_what_happened():
    assert log_loss(np.array([0.5, 0.25]), np.array([1.0, 0.0])) == pytest.approx((math.log(2) - math.log(0.75)) / 2)
    assert math.isfinite(log_loss(np.array([0.0, 1.0]), np.array([1.0, 0.0])))


def test_brier_is_the_mean_squared_distance():
    assert brier(np.array([0.5, 0.25, 1.0]), np.array([1.0, 0.0, 1.0])) == pytest.approx((1 / 4 + 1 / 16) / 3)


def test_calibration_error_weighs_the_gap_of_each_bin_by_its_size():
    p, y = np.array([0.1, 0.1, 0.1, 0.9]), np.array([1.0, 0.0, 0.0, 1.0])
    assert expected_calibration_error(p, y) == pytest.approx(3 / 4 * (1 / 3 - 0.1) + 1 / 4 * 0.1)
    assert expected_calibration_error(np.array([1.0, 0.0]), np.array([1.0, 0.0])) == 0


def test_a_calibrated_forecaster_has_next_to_no_calibration_error():
    rng = np.random.default_rng(0)
    p = rng.random(100_000)
    assert expected_calibration_error(p, (rng.random(100_000) < p).astype(float)) < 0.01


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 4), st.booleans()), min_size=2, max_size=25))
def test_auc_is_the_share_of_pairs_in_the_right_order(rows):
    scores, y = np.array([s for s, _ in rows], float), np.array([y for _, y in rows], float)
    pairs = [(a > b) + (a == b) / 2 for a in scores[y > 0] for b in scores[y == 0]]
    np.testing.assert_allclose(auc(scores, y), np.mean(pairs) if pairs else np.nan)


def test_log_score_is_nats_per_event():
    p = np.array([[0.5, 0.25, 0.25], [1.0, 0.0, 0.0]])
    counts = np.array([[1.0, 1.0, 2.0], [0, 0, 0]])
    np.testing.assert_allclose(log_score(p, counts), [(math.log(2) + 3 * math.log(4)) / 4, np.nan])


def test_brier_score_is_the_mean_over_events_of_the_distance_to_each():
    p = np.array([[0.5, 0.3, 0.2]])
    events = [0, 0, 2]
    expected = np.mean([((p[0] - np.eye(3)[e]) ** 2).sum() for e in events])
    assert brier_score(p, np.array([[2.0, 0, 1.0]]))[0] == pytest.approx(expected)


def test_js_is_zero_for_equal_log_two_for_disjoint_and_the_same_both_ways():
    p, q = np.array([[0.5, 0.5, 0.0]]), np.array([[0.0, 0.0, 1.0]])
    assert js_divergence(p, p)[0] == pytest.approx(0)
    assert js_divergence(p, q)[0] == pytest.approx(math.log(2))
    r = np.array([[0.25, 0.25, 0.5]])
    middle = (p + r) / 2
    by_hand = 0.5 * (2 * 0.5 * math.log(0.5 / 0.375)) + 0.5 * (2 * 0.25 * math.log(0.25 / 0.375) + 0.5 * math.log(2))
    assert middle[0, 0] == 0.375
    assert js_divergence(p, r)[0] == pytest.approx(by_hand)
    assert js_divergence(r, p)[0] == pytest.approx(by_hand)


def test_fewer_bins_let_gaps_on_both_sides_cancel():
    """Gaps .9 and -.3: in one of two bins together they are .6 of two, in ten bins apart 1.2 of two."""
    p, y = np.array([0.1, 0.3]), np.array([1.0, 0.0])
    assert expected_calibration_error(p, y, n_bins=2) == pytest.approx(0.3)
    assert expected_calibration_error(p, y) == pytest.approx(0.6)


def test_topics_in_the_order_of_what_came_have_ndcg_one_and_the_other_order_what_the_formula_gives():
    counts = np.array([[3.0, 1.0, 0.0]])
    assert topic_ndcg(np.array([[0.6, 0.3, 0.1]]), counts)[0] == pytest.approx(1)
    ideal = 0.75 + 0.25 / math.log2(3)
    assert topic_ndcg(np.array([[0.1, 0.3, 0.6]]), counts)[0] == pytest.approx(
        (0.25 / math.log2(3) + 0.75 / math.log2(4)) / ideal
    )


def test_the_beta_binomial_is_that_of_scipy_and_sums_to_one():
    from scipy.stats import betabinom

    n = np.arange(8)
    chances = beta_binomial(n, np.full(8, 7.0), np.full(8, 1.5), np.full(8, 4.0))
    np.testing.assert_allclose(chances, betabinom(7, 1.5, 4.0).pmf(n))
    assert chances.sum() == pytest.approx(1)


def test_the_pit_is_uniform_for_a_true_forecast_and_not_for_one_that_is_too_sure():
    rng = np.random.default_rng(0)
    mean, strength, n = np.array([0.6, 0.3, 0.1]), 5.0, 4000
    counts = np.array([rng.multinomial(rng.integers(1, 30), rng.dirichlet(strength * mean)) for _ in range(n)], float)
    p = np.tile(mean, (n, 1))
    query, pit = randomised_pit(p, counts, np.full(n, strength), rng)
    assert len(pit) == 3 * n
    assert query[-1] == n - 1
    assert np.mean((pit >= 0.05) & (pit <= 0.95)) == pytest.approx(0.9, abs=0.015)
    assert np.abs(np.sort(pit) - np.linspace(0, 1, len(pit))).max() < 0.02
    sure = randomised_pit(p, counts, np.full(n, np.inf), rng)[1]
    assert np.mean((sure >= 0.05) & (sure <= 0.95)) < 0.8
