"""What one event says of its user's interests: its kind's weight, and for a rating how it compares with their own."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from driftline.data.events import EventLog
from driftline.data.kinds import RATING

_FIXED_POINT = float(1 << 20)
"""Ratings are summed as whole numbers of this fraction: exactly, so a sum never depends on what other rows hold."""

PRIOR_RATINGS = 3
"""How many ratings at the overall mean a user is thought to have given before the first."""


@dataclass(frozen=True)
class RatingScale:
    """Overall mean and spread of ratings, learned at fit; `spread` 0 says that there is nothing to compare."""

    mean: float = 0.0
    spread: float = 0.0

    @classmethod
    def fit(cls, log: EventLog) -> RatingScale:
        """Mean and standard deviation of the log's ratings."""
        values = log.value[is_rating(log)].astype(np.float64)
        return cls(float(values.mean()), float(values.std())) if len(values) else cls()

    def factor(self, ratings: NDArray[np.float64], own_mean: NDArray[np.float64]) -> NDArray[np.float64]:
        """What a rating multiplies its event's weight by: `2 / (1 + exp(-(rating - own mean) / spread))`, in (0, 2).

        A rating at the user's own mean counts as a plain event does, one far below it nearly nothing.
        """
        if self.spread <= 0:
            return np.ones(len(ratings))
        return 2 / (1 + np.exp(-np.clip((ratings - own_mean) / self.spread, -30, 30)))


def is_rating(log: EventLog) -> NDArray[np.bool_]:
    """Which events are ratings with a finite value; shape [n_events]."""
    of_kind = np.array([kind.name == RATING for kind in log.kinds], bool)
    return of_kind[log.kind] & np.isfinite(log.value)


def event_weights(log: EventLog, scale: RatingScale) -> NDArray[np.float64]:
    """How much each event adds to the interests of its user; shape [n_events].

    The weight of its kind, nothing for kinds that are not positive; a rating's is multiplied by `scale.factor` of its
    distance from the mean of what the same user rated strictly before that moment. It depends on no later event.
    """
    weights = np.maximum(log.weight.astype(np.float64), 0.0)
    ratings = is_rating(log) & (weights > 0)
    if scale.spread > 0 and ratings.any():
        rows = np.flatnonzero(ratings)
        weights[rows] *= scale.factor(log.value[rows].astype(np.float64), own_means(log, ratings, scale)[rows])
    return weights


def own_means(log: EventLog, ratings: NDArray[np.bool_], scale: RatingScale) -> NDArray[np.float64]:
    """Mean of the user's ratings strictly before each event's moment, drawn to the overall one; shape [n_events]."""
    value = np.where(ratings, np.nan_to_num(log.value.astype(np.float64)), 0.0)
    fixed = np.rint(np.clip(value, -1e9, 1e9) * _FIXED_POINT).astype(np.int64)
    sums = np.concatenate([[0], np.cumsum(fixed)])
    counts = np.concatenate([[0], np.cumsum(ratings)])
    start = log.user_offsets[log.user_row]
    first = np.searchsorted(log.moment, np.arange(log.moment[-1] + 1))[log.moment]
    before = (sums[first] - sums[start]) / _FIXED_POINT
    seen = counts[first] - counts[start]
    return np.asarray((before + PRIOR_RATINGS * scale.mean) / (seen + PRIOR_RATINGS), np.float64)
