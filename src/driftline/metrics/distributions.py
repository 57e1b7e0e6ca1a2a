"""Metrics of forecast distributions over topics: `p` [n, n_topics] with rows that sum to 1."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaln, gammaln

from driftline.metrics.ranking import quotient

Numbers = NDArray[np.float64]

SMALLEST = 1e-12
"""What a probability of zero counts as under a logarithm."""

SMALLEST_SHARE = 0.05
"""Of the mean, for a pair of row and topic to be judged: most topics are true zeros, which anybody covers."""


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


def topic_ndcg(p: Numbers, counts: Numbers, k: int = 10) -> Numbers:
    """NDCG@k of the topics ranked by `p`, gains the shares that came; ties go to the earlier topic; shape [n].

    Source: the node affinity task of Huang et al. 2023, Temporal Graph Benchmark.
    """
    came = shares_of(counts)
    discount = 1 / np.log2(np.arange(min(k, came.shape[1])) + 2)
    order = np.argsort(-p, axis=1, kind="stable")[:, :k]
    best = -np.sort(-came, axis=1)[:, :k]
    return np.asarray((np.take_along_axis(came, order, 1) @ discount) / (best @ discount), np.float64)


def randomised_pit(
    p: Numbers, counts: Numbers, concentration: Numbers, rng: np.random.Generator
) -> tuple[NDArray[np.int64], Numbers]:
    """Where the count that came lies in its forecast, F(n - 1) + u · P(n), for pairs of share ≥ SMALLEST_SHARE.

    Counts are beta-binomial of `concentration` [n_queries] or [n_queries, n_topics] (infinite: binomial) given how many
    events came. Returns the query of each pair and its value: uniform on [0, 1] where the
    forecast is right. Source: Czado, Gneiting and Held 2009.
    """
    query, topic = np.nonzero((p >= SMALLEST_SHARE) & (counts.sum(axis=1, keepdims=True) > 0))
    n, total = counts[query, topic].astype(np.int64), counts.sum(axis=1)[query]
    mean, strength = np.minimum(p[query, topic], 1 - 1e-9), np.minimum(_per_pair(concentration, query, topic), 1e9)
    a, b = strength * mean, strength * (1 - mean)
    pair = np.repeat(np.arange(len(n)), n)
    below = np.arange(len(pair)) - np.repeat(np.cumsum(n) - n, n)
    fewer = np.bincount(pair, beta_binomial(below, total[pair], a[pair], b[pair]), minlength=len(n))
    return query, np.asarray(np.minimum(fewer + rng.random(len(n)) * beta_binomial(n, total, a, b), 1.0), np.float64)


def _per_pair(values: Numbers, query: NDArray[np.int64], topic: NDArray[np.int64]) -> Numbers:
    return values[query] if values.ndim == 1 else values[query, topic]


def beta_binomial(n: NDArray[np.int64], total: Numbers, a: Numbers, b: Numbers) -> Numbers:
    """The chance of n of `total`, C(total, n) · B(n + a, total - n + b) / B(a, b); all of one shape."""
    ways = gammaln(total + 1) - gammaln(n + 1) - gammaln(total - n + 1)
    return np.asarray(np.exp(ways + betaln(n + a, total - n + b) - betaln(a, b)), np.float64)


def shares_of(counts: Numbers) -> Numbers:
    """Counts as shares of their row; NaN in a row of zeros; shape [n, n_topics]."""
    return quotient(counts, np.broadcast_to(counts.sum(axis=1, keepdims=True), counts.shape))


def _kl(p: Numbers, q: Numbers) -> Numbers:
    """Σ p log(p / q) with 0 log 0 = 0, where q is zero only where p is."""
    ratio = np.divide(p, q, out=np.ones_like(p), where=p > 0)
    return np.asarray((p * np.log(ratio)).sum(axis=1), np.float64)
