"""The bootstrap over users: right on average, paired, seeded, and as wide as theory says."""

from __future__ import annotations

import numpy as np
import pytest

from driftline.metrics import bootstrap
from driftline.metrics.bootstrap import Estimate, column_means, estimate, paired_difference, resampled_means


def interval(values, **more):
    column = values[:, None]
    return estimate(float(column_means(column)[0]), resampled_means(column, **more)[:, 0])


def test_the_interval_of_a_mean_is_as_wide_as_the_normal_one():
    values = np.random.default_rng(0).normal(2.0, 3.0, 2000)
    one = interval(values, n_resamples=4000)
    half = 1.96 * values.std() / np.sqrt(2000)
    assert one.value == pytest.approx(values.mean())
    assert one.low == pytest.approx(values.mean() - half, abs=0.1 * half)
    assert one.high == pytest.approx(values.mean() + half, abs=0.1 * half)


def test_intervals_hold_the_truth_about_nineteen_times_in_twenty():
    rng = np.random.default_rng(3)
    samples = rng.exponential(1.0, (400, 80))
    found = [interval(sample, n_resamples=300, seed=i) for i, sample in enumerate(samples)]
    held = np.mean([one.low <= 1.0 <= one.high for one in found])
    assert 0.89 <= held <= 0.97


def test_resampled_means_equal_a_slow_twin(monkeypatch):
    values = np.random.default_rng(1).normal(size=(7, 2))
    rng = np.random.default_rng(5)
    drawn = rng.integers(0, 7, (20, 7))
    expected = np.array([values[row].mean(axis=0) for row in drawn])
    np.testing.assert_allclose(resampled_means(values, n_resamples=20, seed=5), expected)
    monkeypatch.setattr(bootstrap, "CELLS_PER_BATCH", 20)
    np.testing.assert_allclose(resampled_means(values, n_resamples=20, seed=5), expected)


def test_a_seed_fixes_the_interval():
    values = np.arange(30.0)
    assert interval(values, seed=1) == interval(values, seed=1)
    assert interval(values, seed=1) != interval(values, seed=2)


def test_pairing_sees_a_small_steady_difference_that_users_hide():
    rng = np.random.default_rng(0)
    users = rng.normal(0, 10, 200)
    a, b = users + 0.1 + rng.normal(0, 0.1, 200), users
    assert not paired_difference(a, b).holds_zero
    assert paired_difference(b, a).high < 0
    assert paired_difference(a, a) == Estimate(0, 0, 0)
    assert interval(a).low < b.mean() < interval(a).high


def test_no_difference_is_a_tie():
    rng = np.random.default_rng(8)
    assert paired_difference(rng.normal(size=300), rng.normal(size=300)).holds_zero


def test_users_without_a_figure_are_left_out_of_means_and_draws():
    values = np.array([[1.0, np.nan], [3.0, 5.0], [np.nan, np.nan]])
    assert column_means(values).tolist() == [2.0, 5.0]
    draws = resampled_means(values, n_resamples=50)
    assert set(draws[~np.isnan(draws[:, 1]), 1]) == {5.0}
    assert estimate(5.0, draws[:, 1]) == Estimate(5.0, 5.0, 5.0)


def test_one_user_or_none_gives_a_point_and_no_crash():
    assert interval(np.array([0.25])) == Estimate(0.25, 0.25, 0.25)
    assert np.isnan(resampled_means(np.zeros((0, 2)), n_resamples=3)).all()


def test_json_is_value_low_high_and_the_spread_only_over_seeds():
    assert Estimate(1, 0, 2).as_json() == {"value": 1, "low": 0, "high": 2}
    assert Estimate(1, 0, 2, 0.5).as_json() == {"value": 1, "low": 0, "high": 2, "spread": 0.5}
