"""Ranking metrics, from the rank of each target (0 for the best) alone.

The rank of a tie is the mean of the best and the worst that it could be, so ranks may be halves. A metric is a
function of that one number: a target at 9.5 counts as within 10. This is not the expectation over random orders of the
tie, which would pay .5 there; with the mean rank a model that scores everything alike earns nothing at all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Ranks = NDArray[np.float64]
"""Ranks of targets, 0 for the best, infinite for a miss by rule; shape [n_targets]."""
Values = NDArray[np.float64]
"""A number per target, query or user."""


def hit(ranks: Ranks, k: int) -> Values:
    """HR@k of each target: 1 where its rank is below k, else 0.

    >>> hit(np.array([0.0, 9.5, 10.0, np.inf]), 10).tolist()
    [1.0, 1.0, 0.0, 0.0]
    """
    return (ranks < k).astype(np.float64)


def ndcg(ranks: Ranks, k: int) -> Values:
    """NDCG@k of each target as the only relevant item: 1 / log2(rank + 2) where its rank is below k, else 0.

    >>> ndcg(np.array([0.0, 2.0, 10.0]), 10).tolist()
    [1.0, 0.5, 0.0]
    """
    return np.where(ranks < k, 1.0 / np.log2(ranks + 2.0), 0.0)


def reciprocal_rank(ranks: Ranks, k: int) -> Values:
    """MRR@k of each target: 1 / (rank + 1) where its rank is below k, else 0.

    >>> reciprocal_rank(np.array([0.0, 3.0, 20.0]), 20).tolist()
    [1.0, 0.25, 0.0]
    """
    return np.where(ranks < k, 1.0 / (ranks + 1.0), 0.0)


def recall(ranks: Ranks, query: NDArray[np.int64], k: int) -> Values:
    """Recall@k of each query: the share of its targets that are within k; shape [max(query) + 1].

    >>> recall(np.array([0.0, 30.0, 3.0]), np.array([0, 0, 1]), 10).tolist()
    [0.5, 1.0]
    """
    return means_by(hit(ranks, k), query, int(query.max()) + 1 if len(query) else 0)


def means_by(values: Values, group: NDArray[np.int64], n_groups: int) -> Values:
    """The mean of each group's values, NaN (left out) not counted; NaN for a group without any; shape [n_groups].

    >>> means_by(np.array([1.0, 0.0, 1.0]), np.array([0, 0, 2]), 3).tolist()
    [0.5, nan, 1.0]
    """
    there = ~np.isnan(values)
    sums = np.bincount(group[there], weights=values[there], minlength=n_groups)
    counts = np.bincount(group[there], minlength=n_groups)
    return quotient(sums, counts)


def quotient(above: NDArray[Any], below: NDArray[Any]) -> Values:
    """`above / below`, and NaN where `below` is not above zero: a mean over nothing."""
    return np.divide(above, below, out=np.full(np.shape(above), np.nan), where=below > 0)  # type: ignore[no-any-return]


RANK_METRICS: Mapping[str, Callable[[Ranks], Values]] = {
    "hr@10": lambda ranks: hit(ranks, 10),
    "hr@20": lambda ranks: hit(ranks, 20),
    "ndcg@10": lambda ranks: ndcg(ranks, 10),
    "mrr@20": lambda ranks: reciprocal_rank(ranks, 20),
}
"""The metrics that every next-item table has, by their names in JSON."""
