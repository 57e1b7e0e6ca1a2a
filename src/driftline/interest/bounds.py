"""Between which shares of the coming events a topic's lies: quantiles of beta-binomial counts, many millions of them.

Up to `EXACT` events the distribution is summed, from its nearer end on, with no more than a product and a quotient for
each count: the quantiles are those of scipy. For more events it is that of a beta-binomial of `EXACT` events with the
same mean and variance, with steps smoothed out, and where so few events would spread too widely a normal distribution
with a term for the skew (Cornish and Fisher 1938). A test holds all of it to .005 of the share.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy.special import ndtri

EXACT = 500
"""Counts of so many events are summed: half of them have a chance above 2^-EXACT, which a double can hold."""

BY_PRODUCT = 48
"""Up to so many events the chance of none is a quotient of two products, both within a double."""

LEAST_RATIO = 1.05
"""How much wider than a binomial of `EXACT` events the distribution must be to be held as one of `EXACT` events."""

Floats = NDArray[Any]


def _compiled(function: Callable[..., Any]) -> Any:
    """Compile on first use, and keep what was compiled where there is a place to write."""
    try:
        return njit(nogil=True, cache=True)(function)
    except RuntimeError:  # neither this folder nor the user's can be written to: compile in each process
        return njit(nogil=True)(function)


def bounds(
    shares: Floats, concentration: Floats, n_events: NDArray[np.int64], level: float = 0.9
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The lower and the upper bound that `Forecast.interval` gives each single topic; both [n, n_topics].

    `shares` and `concentration` [n, n_topics], `n_events` [n] at least 1. Bounds lie around the share, as there.
    """
    low = np.empty(shares.shape, np.float32)
    high = np.empty(shares.shape, np.float32)
    tail = (1 - level) / 2
    _fill(shares, concentration, n_events, tail, float(ndtri(1 - tail)), low, high)
    return low, high


@_compiled
def _fill(shares, concentration, n_events, tail, z, low, high):  # type: ignore[no-untyped-def]
    """Every cell; `z` is the normal quantile of 1 - tail."""
    for row in range(shares.shape[0]):
        n = n_events[row]
        for column in range(shares.shape[1]):
            share = float(shares[row, column])
            if share <= 0 or share >= 1 - 1e-12:
                low[row, column] = high[row, column] = share
                continue
            if n * share <= tail:  # Markov: a count of 1 or more has at most this chance
                low[row, column], high[row, column] = 0, share
                continue
            first, last = _interval(share, float(concentration[row, column]), n, tail, z)
            low[row, column] = min(first, share)
            high[row, column] = max(last, share)


@_compiled
def _interval(share, concentration, n, tail, z):  # type: ignore[no-untyped-def]
    """Both quantiles as shares of n events; above one half they are read from the other end."""
    p = min(share, 1 - share)
    if n <= EXACT:
        low, high = _counts(p, concentration, n, tail, 1 - tail, share <= 0.5)
        first, last = low / n, high / n
    else:
        spread = (n + concentration) / (n * (1 + concentration))  # variance over p (1 - p)
        if spread * EXACT >= LEAST_RATIO:
            narrower = EXACT * (1 - spread) / (spread * EXACT - 1)
            first, last = _smooth(p, narrower, tail)
        else:
            first, last = _normal(p, concentration, n, spread, z)
    return (first, last) if share <= 0.5 else (1 - last, 1 - first)


@_compiled
def _none(a, b, n):  # type: ignore[no-untyped-def]
    """The chance of no event of the topic among n."""
    if n <= BY_PRODUCT:
        above, below = 1.0, 1.0
        for place in range(n):
            above *= b + place
            below *= a + b + place
        return above / below
    return math.exp(math.lgamma(n + b) - math.lgamma(b) + math.lgamma(a + b) - math.lgamma(n + a + b))


@_compiled
def _counts(p, concentration, n, first, last, from_below):  # type: ignore[no-untyped-def]
    """Least counts whose cumulated chance is `first` and `last`; from the other end, those of n - count.

    Where the topic's share is 1 - p the count is n less this one, and its quantile at q is n less the largest j with
    P(less than j) at most 1 - q.
    """
    a, b = concentration * p, concentration * (1 - p)
    chance = _none(a, b, n)
    total, low, count = chance, -1, 0
    while count < n:
        if low < 0 and (total >= first if from_below else total > first):
            low = count
        if total >= last if from_below else total > last:
            break
        chance *= (n - count) * (count + a) / ((count + 1) * (n - count - 1 + b))
        total += chance
        count += 1
    return (count if low < 0 else low), count


@_compiled
def _smooth(p, concentration, tail):  # type: ignore[no-untyped-def]
    """Quantiles of a share among `EXACT` events, the steps between two counts made even."""
    a, b = concentration * p, concentration * (1 - p)
    chance = _none(a, b, EXACT)
    before, total, low, count = 0.0, chance, 0.0, 0
    while True:
        if before < tail <= total:
            low = count - 0.5 + (tail - before) / chance
        if total >= 1 - tail or count == EXACT:
            high = count - 0.5 + (1 - tail - before) / chance
            break
        chance *= (EXACT - count) * (count + a) / ((count + 1) * (EXACT - count - 1 + b))
        before = total
        total += chance
        count += 1
    return min(max(low, 0.0), EXACT) / EXACT, min(max(high, 0.0), EXACT) / EXACT


@_compiled
def _normal(p, concentration, n, spread, z):  # type: ignore[no-untyped-def]
    """Quantiles by mean, variance and skewness."""
    deviation = math.sqrt(spread * p * (1 - p))
    skew = (1 - 2 * p) * (concentration + 2 * n) / (n * (concentration + 2))  # times the deviation
    middle = p + skew * (z * z - 1) / 6
    return min(max(middle - z * deviation, 0.0), 1.0), min(max(middle + z * deviation, 0.0), 1.0)
