"""Intervals by the bootstrap over users, paired: every column is resampled with the same users."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from driftline.metrics.ranking import quotient

N_RESAMPLES = 1000
CELLS_PER_BATCH = 4_000_000
"""How many drawn users are held at once."""


@dataclass(frozen=True)
class Estimate:
    """A mean with its interval; `spread` is the standard deviation over seeds where there is more than one."""

    value: float
    low: float
    high: float
    spread: float | None = None

    @property
    def holds_zero(self) -> bool:
        """Whether the interval holds 0: a difference with such an interval is a tie."""
        return self.low <= 0.0 <= self.high

    def as_json(self) -> dict[str, float]:
        """The contract's `{"value", "low", "high"}`, and `spread` where there is one."""
        document = {"value": self.value, "low": self.low, "high": self.high}
        return document if self.spread is None else {**document, "spread": self.spread}


def column_means(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Means over users without the NaN of those who have no figure; NaN for a column without any; shape [n_columns]."""
    return _weighted_means(np.ones((1, len(values))), values).ravel()


def resampled_means(
    values: NDArray[np.float64], *, n_resamples: int = N_RESAMPLES, seed: int = 0
) -> NDArray[np.float64]:
    """Means of the columns of `values` [n_users, n_columns] under users drawn with replacement.

    Shape [n_resamples, n_columns]; the difference of two columns is the paired bootstrap of their difference. Source:
    Efron and Tibshirani 1993; for comparing systems, Sakai 2006.
    """
    rng = np.random.default_rng(seed)
    n_users = len(values)
    if not n_users:
        return np.full((n_resamples, values.shape[1]), np.nan)
    size = max(1, CELLS_PER_BATCH // n_users)
    parts = []
    for first in range(0, n_resamples, size):
        n = min(size, n_resamples - first)
        draws = rng.integers(0, n_users, (n, n_users)) + np.arange(n)[:, None] * n_users
        weights = np.bincount(draws.ravel(), minlength=n * n_users).reshape(n, n_users)
        parts.append(_weighted_means(weights.astype(np.float64), values))
    return np.concatenate(parts)


def estimate(value: float, draws: NDArray[np.float64], *, level: float = 0.95, spread: float | None = None) -> Estimate:
    """A mean with the percentile interval of its resampled twins [n_resamples]."""
    there = draws[~np.isnan(draws)]
    if not len(there):
        return Estimate(value, value, value, spread)
    low, high = np.quantile(there, [(1 - level) / 2, (1 + level) / 2])
    return Estimate(value, float(low), float(high), spread)


def estimates(values: NDArray[np.float64], draws: NDArray[np.float64], *, level: float = 0.95) -> list[Estimate]:
    """One estimate for each of `values` [n], from the columns of `draws` [n_resamples, n]."""
    return [estimate(float(one), draws[:, place], level=level) for place, one in enumerate(values)]


def paired_difference(
    a: NDArray[np.float64],
    b: NDArray[np.float64],
    *,
    n_resamples: int = N_RESAMPLES,
    seed: int = 0,
    level: float = 0.95,
) -> Estimate:
    """The mean of a - b over users with its interval; `a` and `b` have one figure per user, in the same order.

    >>> paired_difference(np.array([1.0, 1.0]), np.array([0.0, 0.0]))
    Estimate(value=1.0, low=1.0, high=1.0, spread=None)
    """
    difference = (a - b)[:, None]
    draws = resampled_means(difference, n_resamples=n_resamples, seed=seed)
    return estimate(float(column_means(difference)[0]), draws[:, 0], level=level)


def _weighted_means(weights: NDArray[np.float64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Means of columns under each row of user weights; NaN in `values` has weight 0."""
    there = ~np.isnan(values)
    sums = weights @ np.where(there, values, 0.0)
    totals = weights @ there.astype(np.float64)
    return quotient(sums, totals)
