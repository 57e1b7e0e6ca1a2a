"""What is said to move with a series stands beyond chance, beyond the number of topics and beyond placebos."""

from __future__ import annotations

import numpy as np
import pytest

from driftline.demo.population import _beyond_chance, _fisher_interval, followers


def test_a_rhythm_that_a_series_shares_with_every_other_week_is_not_followed():
    """A week's wave and the same a day later correlate at cos(2π/7) = .62, far beyond chance in 280 days.

    The series moved by whole days around the calendar does as well in most places, so it is no sign of the series.
    """
    day = np.arange(280)
    wave = 20 * np.sin(2 * np.pi * day / 7)
    follows, closest = followers(np.stack([100 + wave, 100 - wave], axis=1), np.sin(2 * np.pi * (day - 1) / 7))
    assert closest is not None
    assert abs(closest[1]) == pytest.approx(np.cos(2 * np.pi / 7), abs=0.02)
    assert follows == {}


def test_the_interval_of_a_correlation_is_fishers():
    """With 199 days the error of z is 1 / √196, a fourteenth: 1.96 of them are .14."""
    one = _fisher_interval(np.tanh(1.0), 199)
    assert (one.value, one.low, one.high) == pytest.approx((np.tanh(1.0), np.tanh(0.86), np.tanh(1.14)))


@pytest.mark.parametrize(
    ("z", "n_topics", "beyond"),
    [(1.95, 1, False), (1.97, 1, True), (1.97, 2, False), (2.23, 2, False), (2.25, 2, True), (-2.25, 2, True)],
)
def test_chance_is_shared_out_over_the_topics(z, n_topics, beyond):
    """Two-sided, 5 in 100 for one topic begin at 1.96, for the best of two at 2.24; with 103 days z is 10 · atanh r."""
    assert _beyond_chance(float(np.tanh(z / 10)), 103, n_topics) == beyond
