"""The slope of an interest and its interval, by a regression worked by hand."""

from __future__ import annotations

import numpy as np
import pytest

from driftline.interest.trend import Moments, trends


def moments(ages: list[float], shares: list[float]) -> Moments:
    """One topic's share at each moment, oldest first, every moment weighing the same."""
    topics = np.array(shares)[:, None]
    return Moments(np.array(ages), np.ones(len(ages)), topics, topics)


def test_an_interval_over_few_moments_is_as_wide_as_their_number_asks():
    """Shares 0, 1, 0, 1, 1 at times -2 … 2: slope .2, left -.2, .6, -.6, .2, 0, times time .4, -.6, 0, .2, 0.

    Their squares sum to .56, so the error is √(.56 · 5/3) / 10, and Student's t at 5 - 2 = 3 is 3.18245.
    """
    found = trends(moments([4, 3, 2, 1, 0], [0, 1, 0, 1, 1]))
    assert found.change[0] == pytest.approx(0.2 * 4)
    assert found.low[0] == pytest.approx(4 * (0.2 - 3.18245 * np.sqrt(0.56 * 5 / 3) / 10), abs=1e-5)


@pytest.mark.parametrize(("days", "change"), [(60, 0.3), (30, 0.3), (20, 0.2)])
def test_a_change_is_over_thirty_days_or_since_the_first_event(days, change):
    """A share that rises by a hundredth each day."""
    ages = np.linspace(days, 0, 11)
    found = trends(moments(list(ages), list((days - ages) / 100)))
    assert found.change[0] == pytest.approx(change)
