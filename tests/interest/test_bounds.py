"""Bounds of a share by compiled loops, against the quantiles of scipy."""

from __future__ import annotations

import time

import numpy as np
import pytest
from scipy.stats import betabinom

from driftline.interest.bounds import EXACT, bounds
from driftline.interest.forecast import Forecast
from driftline.interest.spread import Spread

SHARES = (1e-6, 1e-4, 0.001, 0.003, 0.01, 0.03, 0.0501, 0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.9, 0.97, 0.996, 0.9999)
CONCENTRATIONS = tuple(np.exp(np.arange(-2.0, 12.5, 1.0)))
"""All that a spread can be."""


def grid(n: int, level: float) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Bounds and exact quantiles over all pairs of share and concentration; [n_shares, n_concentrations] each."""
    shares, strength = np.meshgrid(SHARES, CONCENTRATIONS, indexing="ij")
    low, high = bounds(shares, strength, np.full(len(shares), n), level)
    counts = betabinom(n, strength * shares, strength * (1 - shares))
    exact = [counts.ppf((1 + sign * level) / 2) / n for sign in (-1, 1)]
    return low, high, np.minimum(exact[0], shares), np.maximum(exact[1], shares)


@pytest.mark.parametrize("n", [1, 2, 5, 20, 48, 49, 120, EXACT])
@pytest.mark.parametrize("level", [0.5, 0.9])
def test_up_to_five_hundred_events_bounds_are_the_exact_quantiles(n: int, level: float) -> None:
    low, high, exact_low, exact_high = grid(n, level)
    np.testing.assert_allclose(low, exact_low, atol=1e-6)
    np.testing.assert_allclose(high, exact_high, atol=1e-6)


@pytest.mark.parametrize("n", [EXACT + 1, 700, 1_500, 6_000])
def test_beyond_that_they_are_within_five_thousandths_of_the_coming_events(n: int) -> None:
    low, high, exact_low, exact_high = grid(n, 0.9)
    np.testing.assert_allclose(low, exact_low, atol=0.005, rtol=0)
    np.testing.assert_allclose(high, exact_high, atol=0.005, rtol=0)


def test_bounds_are_those_of_one_forecast_topic_by_topic() -> None:
    rng = np.random.default_rng(0)
    shares, spread, n_known = rng.dirichlet(np.full(12, 0.3), 8), Spread(1.5, 0.4, -0.2), rng.uniform(0, 60, 8)
    n_events = rng.integers(1, 40, 8)
    low, high = bounds(shares, spread.at(n_known[:, None], shares), n_events)
    for row in range(8):
        one = Forecast(shares[row], spread, n_known[row], int(n_events[row]), {})
        exact = np.array([one.interval(np.array([topic])) for topic in range(12)])
        np.testing.assert_allclose(low[row], exact[:, 1], atol=1e-6)
        np.testing.assert_allclose(high[row], exact[:, 2], atol=1e-6)


def test_a_share_of_nothing_and_of_all_is_certain() -> None:
    low, high = bounds(np.array([[0.0, 1.0]]), np.full((1, 2), 9.0), np.array([20]))
    assert low.tolist() == high.tolist() == [[0.0, 1.0]]


def test_bounds_take_nanoseconds() -> None:
    """At ten times what is measured: other tests run beside this one."""
    rng = np.random.default_rng(0)
    shares = rng.dirichlet(np.full(64, 0.2), 500)
    known = shares, np.full(shares.shape, 20.0), np.full(500, 20)
    bounds(*known)
    begun = time.process_time()
    bounds(*known)
    assert time.process_time() - begun < 500 * 64 * 1e-6
