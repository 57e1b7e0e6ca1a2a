"""Ranks of targets among all allowed items: the bridge between scores and every ranking metric."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from driftline.data.history import Histories
from driftline.data.targets import Targets
from driftline.errors import InvalidScoreError
from driftline.types import Scores

CELLS_PER_BATCH = 8_000_000
"""How many scores are held at once (32 MB in float32)."""


def target_ranks(score: Callable[[Histories], Scores], targets: Targets) -> NDArray[np.float64]:
    """The rank of each target among the allowed items, 0 for the best; infinite where the target is not allowed.

    Ties get the mean of the best and the worst rank that they could have. NaN is an error. Shape [n_targets].
    """
    ranks = np.full(len(targets), np.inf)
    n_items = targets.train.n_items
    size = max(1, CELLS_PER_BATCH // max(n_items, 1))
    for first in range(0, len(targets.histories), size):
        queries = np.arange(first, min(first + size, len(targets.histories)))
        low, high = np.searchsorted(targets.query, [first, first + size])
        if low == high:
            continue
        scores = checked(score(targets.histories.take(queries)), (len(queries), n_items))
        scores = np.where(targets.allowed(queries), scores, -np.inf)
        ranks[low:high] = _ranks(scores, targets.query[low:high] - first, targets.item_row[low:high])
    return ranks


def checked(scores: Scores, shape: tuple[int, int]) -> Scores:
    """The scores themselves; InvalidScoreError where they are NaN or of another shape."""
    if scores.shape != shape:
        raise InvalidScoreError(f"expected scores of shape {shape}, got {scores.shape}; the model's score is wrong")
    if np.isnan(scores).any():
        raise InvalidScoreError("expected numbers as scores, got NaN; the model has diverged or divided by zero")
    return scores


def _ranks(scores: Scores, query: NDArray[np.int64], item_row: NDArray[np.int32]) -> NDArray[np.float64]:
    """Mean rank of each (query, item) in a block of masked scores; masked items are -inf."""
    ranks = np.empty(len(query))
    for i, (q, item) in enumerate(zip(query, item_row, strict=True)):
        own = scores[q, item]
        above = np.count_nonzero(scores[q] > own)
        tied = np.count_nonzero(scores[q] == own) - 1
        ranks[i] = np.inf if own == -np.inf else above + tied / 2
    return ranks
