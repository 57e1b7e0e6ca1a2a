"""The slope of an interest and its interval, by a regression worked by hand."""

from __future__ import annotations

import numpy as np
import pytest

from driftline.interest.trend import Moments, lifecycles, moments_of, trends


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


def word(ages: list[float], shares: list[float]) -> str:
    """What one topic is called, read a day after its last moment."""
    found = moments(ages, shares)
    return lifecycles(trends(found), found, half_life=30, times=True)[0]


@pytest.mark.parametrize("seed", range(8))
def test_the_word_is_that_of_the_interval_of_the_slope(seed: int):
    """Random courses, some of which rise or fall: emerging where the interval is above 0, fading where below."""
    rng = np.random.default_rng(seed)
    ages = np.arange(25.0, 0.0, -1.0)
    for slope in (-0.02, 0.0, 0.02):
        shares = np.clip(0.5 - slope * (ages - 12) + rng.normal(0, 0.2, 25), 0.01, 1)
        found = trends(moments(list(ages), list(shares)))
        expected = "emerging" if found.low[0] > 0 else "fading" if found.high[0] < 0 else "stable"
        assert word(list(ages), list(shares)) == expected
        assert found.low[0] <= found.change[0] <= found.high[0]


def test_a_slope_that_stands_is_named_and_its_mirror_is_the_opposite():
    ages = list(np.arange(20.0, 0.0, -1.0))
    rising = list(np.linspace(0.1, 0.9, 20) + 0.05 * np.cos(np.arange(20)))
    assert (word(ages, rising), word(ages, rising[::-1])) == ("emerging", "fading")


def test_a_planted_season_is_found_and_gone_when_dates_are_permuted():
    """Stars each December of two years, tea in between: seasonal as it was, and hardly ever in random order."""
    days = np.arange(0.0, 720.0, 3.0)
    star = ((days % 365) > 320) & ((days % 365) < 355)
    ages = 715 - days[days < 715]
    shares = np.stack([~star, star], axis=1)[days < 715].astype(float)

    def words(order: np.ndarray) -> list[str]:
        found = moments_of(ages, np.ones(len(ages)), np.ones(len(ages)), shares[order])
        return lifecycles(trends(found), found, half_life=1000, times=True)

    assert words(np.arange(len(ages)))[1] == "seasonal"
    rng = np.random.default_rng(0)
    permuted = [words(rng.permutation(len(ages)))[1] for _ in range(200)]
    assert permuted.count("seasonal") <= 4
