"""Metrics of forecast distributions over topics: `p` [n, n_topics] with rows that sum to 1."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from driftline.metrics.ranking import quotient

Numbers = NDArray[np.float64]

SMALLEST = 1e-12
"""What a probability of zero counts as under a logarithm."""


def log_score(p: Numbers, counts: Numbers) -> Numbers:
    """-log of the probability of what came, in nats per event, of each row; lower is better; shape [n].

    `counts` [n, n_topics] is how often each topic came. NaN for a row in which nothing came.

    >>> log_score(np.array([[0.5, 0.5]]), np.array([[1.0, 3.0]])).round(4).tolist()
    [0.6931]
    """
    totals = counts.sum(axis=1)
    losses = -(counts * np.log(np.maximum(p, SMALLEST))).sum(axis=1)
    return quotient(losses, totals)


def brier_score(p: Numbers, counts: Numbers) -> Numbers:
    """Mean over the events of a row of the squared distance between `p` and the event's one-hot; [n], in [0, 2].

    Equals Σ p² - 2 Σ p q + 1 with q the shares of what came. Source: Brier 1950. NaN where nothing came.
    """
    shares = shares_of(counts)
    return np.asarray((p**2).sum(axis=1) - 2 * (p * shares).sum(axis=1) + 1, np.float64)


def js_divergence(p: Numbers, q: Numbers) -> Numbers:
    """Jensen-Shannon divergence of each two rows in nats: 0 for equal rows, log 2 for rows that share nothing; [n].

    Source: Lin 1991.
    """
    middle = (p + q) / 2
    return (_kl(p, middle) + _kl(q, middle)) / 2


def shares_of(counts: Numbers) -> Numbers:
    """Counts as shares of their row; NaN in a row of zeros; shape [n, n_topics]."""
    return quotient(counts, np.broadcast_to(counts.sum(axis=1, keepdims=True), counts.shape))


def _kl(p: Numbers, q: Numbers) -> Numbers:
    """Σ p log(p / q) with 0 log 0 = 0, where q is zero only where p is."""
    ratio = np.divide(p, q, out=np.ones_like(p), where=p > 0)
    return np.asarray((p * np.log(ratio)).sum(axis=1), np.float64)
