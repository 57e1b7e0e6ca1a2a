"""Ranks of targets among all allowed items, and the slates on top: the bridge from scores to every ranking metric."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from driftline.data.events import Histories
from driftline.data.targets import Targets
from driftline.errors import InvalidScoreError
from driftline.types import Rows, Scores

CELLS_PER_BATCH = 8_000_000
"""How many scores are held at once (32 MB in float32)."""

BLOCK = 64
"""How many columns are passed over at once in search of the best."""

Score = Callable[[Histories], Scores]
"""What a fitted model's `score` does over all items."""


@dataclass(frozen=True, eq=False)
class Ranked:
    """What a model did with targets: the rank of each, shape [n_targets], and the slates, shape [n_queries, k].

    A slate holds the k best allowed items, best first, padded with -1 where fewer are allowed.
    """

    ranks: NDArray[np.float64]
    slates: Rows


def target_ranks(score: Score, targets: Targets) -> NDArray[np.float64]:
    """The rank of each target among the allowed items, 0 for the best; infinite where the target is not allowed.

    Ties get the mean of the best and the worst rank that they could have. NaN is an error. Shape [n_targets].
    """
    return rank_targets(score, targets, k=0).ranks


def rank_targets(score: Score, targets: Targets, *, k: int) -> Ranked:
    """Ranks of targets and slates of k items from one pass over the scores.

    Within a slate ties are ordered by item row; which of the items tied at its end get in is arbitrary but the same
    in every run.
    """
    ranks = np.full(len(targets), np.inf)
    slates = np.full((len(targets.histories), k), -1, np.int32)
    for queries, scores, allowed in _blocks(score, targets):
        first = int(queries[0])
        low, high = np.searchsorted(targets.query, [first, first + len(queries)])
        ranks[low:high] = _ranks(scores, allowed, targets.query[low:high] - first, targets.item_row[low:high])
        if k:
            slates[queries] = top_items(scores, k)
    return Ranked(ranks, slates)


def top_items(scores: Scores, k: int) -> Rows:
    """The k best items of each row of scores, best first, -1 in place of items at minus infinity; [n_queries, k].

    The k best stand in the k blocks of columns with the highest maxima, so the rest is passed over once; to partition
    whole rows is ten times slower where most scores are tied, as counts are.
    """
    items, values = _best_blocks(scores, k)
    first = max(items.shape[1] - k, 0)
    best = np.sort(np.argpartition(values, first, axis=1)[:, first:], axis=1)
    items, values = np.take_along_axis(items, best, axis=1), np.take_along_axis(values, best, axis=1)
    order = np.argsort(-values, axis=1, kind="stable")
    found = np.take_along_axis(values, order, axis=1) > -np.inf
    slates = np.full((len(scores), k), -1, np.int32)
    slates[:, : items.shape[1]] = np.where(found, np.take_along_axis(items, order, axis=1), -1)
    return slates


def _best_blocks(scores: Scores, k: int) -> tuple[NDArray[np.int64], Scores]:
    """Items of the k blocks of columns with the highest maxima, ascending, and their scores; [n_queries, k * BLOCK]."""
    n = scores.shape[1]
    starts = np.arange(0, n, BLOCK)
    maxima = np.maximum.reduceat(scores, starts, axis=1)
    first = max(len(starts) - k, 0)
    blocks = np.sort(np.argpartition(maxima, first, axis=1)[:, first:], axis=1)
    items = (blocks[:, :, None] * BLOCK + np.arange(BLOCK)).reshape(len(scores), -1)
    values = np.take_along_axis(scores, np.minimum(items, n - 1), axis=1)
    return items, np.where(items < n, values, np.float32(-np.inf))


def checked(scores: Scores, shape: tuple[int, int]) -> Scores:
    """The scores themselves; InvalidScoreError where they are NaN or of another shape."""
    if scores.shape != shape:
        raise InvalidScoreError(f"expected scores of shape {shape}, got {scores.shape}; the model's score is wrong")
    if np.isnan(scores).any():
        raise InvalidScoreError("expected numbers as scores, got NaN; the model has diverged or divided by zero")
    return scores


def _blocks(score: Score, targets: Targets) -> Iterator[tuple[NDArray[np.int64], Scores, NDArray[np.bool_]]]:
    """Blocks of (query numbers, scores with -inf where not allowed, what is allowed) that fit into memory."""
    n_items = targets.train.n_items
    size = max(1, CELLS_PER_BATCH // max(n_items, 1))
    for part in targets.histories.cuts(size):
        queries = np.arange(part.start, part.stop)
        scores = checked(score(targets.histories.take(queries)), (len(queries), n_items))
        allowed = targets.allowed(queries)
        yield queries, np.where(allowed, scores, np.float32(-np.inf)), allowed


def _ranks(scores: Scores, allowed: NDArray[np.bool_], query: NDArray[np.int64], item_row: Rows) -> NDArray[np.float64]:
    """Mean rank of each (query, item) in a block of masked scores.

    One vectorised comparison a target: a row of scores is far longer than the cost of the loop around it.
    """
    ranks = np.full(len(query), np.inf)
    for i, (q, item) in enumerate(zip(query, item_row, strict=True)):
        if not allowed[q, item]:
            continue
        row, own = scores[q], scores[q, item]
        tied = row == own if own > -np.inf else allowed[q] & (row == own)
        ranks[i] = np.count_nonzero(row > own) + (np.count_nonzero(tied) - 1) / 2
    return ranks
