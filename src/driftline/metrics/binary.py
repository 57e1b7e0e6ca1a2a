"""Metrics of probabilities that something happens (a click, a purchase): `p` in [0, 1], `y` 0 or 1, both [n]."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]

SMALLEST = 1e-12
"""Probabilities are kept this far from 0 and 1 under a logarithm."""


def log_loss(p: Numbers, y: Numbers) -> float:
    """Mean of -log of the probability of what happened, in nats.

    >>> round(log_loss(np.array([0.5, 0.5]), np.array([1.0, 0.0])), 4)
    0.6931
    """
    p = np.clip(p, SMALLEST, 1 - SMALLEST)
    return float(-np.mean(y * np.log(p) + (1 - y) * np.log1p(-p)))


def brier(p: Numbers, y: Numbers) -> float:
    """Mean of (p - y)²; Brier 1950.

    >>> brier(np.array([1.0, 0.5]), np.array([1.0, 0.0]))
    0.125
    """
    return float(np.mean((p - y) ** 2))


def expected_calibration_error(p: Numbers, y: Numbers, *, n_bins: int = 10) -> float:
    """Mean of |share that happened - mean probability| over equal-width bins, weighted by their sizes.

    The last bin holds 1. Source: Naeini et al. 2015.

    >>> expected_calibration_error(np.array([0.2, 0.2, 0.9, 0.9]), np.array([0.0, 0.0, 1.0, 1.0]))
    0.15
    """
    place = np.minimum((p * n_bins).astype(np.int64), n_bins - 1)
    gaps = np.bincount(place, weights=y - p, minlength=n_bins)
    return float(np.abs(gaps).sum() / len(p))


def auc(scores: Numbers, y: Numbers) -> float:
    """The chance that a positive scores above a negative, ties counting half; NaN where either is missing.

    >>> auc(np.array([0.1, 0.4, 0.4, 0.8]), np.array([0.0, 0.0, 1.0, 1.0]))
    0.875
    """
    positive = y > 0
    n_positive, n_negative = int(positive.sum()), int((~positive).sum())
    if not n_positive or not n_negative:
        return float("nan")
    _, place, counts = np.unique(scores, return_inverse=True, return_counts=True)
    mean_rank = np.cumsum(counts) - (counts - 1) / 2
    above = mean_rank[place][positive].sum() - n_positive * (n_positive + 1) / 2
    return float(above / (n_positive * n_negative))
