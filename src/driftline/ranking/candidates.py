"""Candidates: each arm proposes its best items, and the union carries where each stands with each arm.

Both features of an arm are 0 for an item that is not among its best n, so a batch is sparse, an arm that knows
nothing says nothing, and an arm's part in a score is exactly what would be missing without it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from driftline.data.history import Histories
from driftline.metrics.ranks import checked, top_items
from driftline.models.base import FittedModel
from driftline.types import Scores

TOP = 100
"""How many of each arm's best items the blend looks at."""

PER_ARM = 2
"""Features of one arm: rank, value."""


@dataclass(frozen=True, eq=False)
class Candidates:
    """The best items of every arm for a batch of queries, query by query.

    `query` and `item` have shape [n_rows] (query ascending), `features` [n_rows, PER_ARM * n_arms], all ≥ 0.
    """

    query: NDArray[np.int64]
    item: NDArray[np.int64]
    features: NDArray[np.float32]


def arm_scores(arms: Mapping[str, FittedModel], histories: Histories) -> list[Scores]:
    """The scores of every arm over all items, checked; each [n_queries, n_items]."""
    shape = (len(histories), histories.log.n_items)
    return [checked(arm.score(histories), shape) for arm in arms.values()]


def candidates_of(scores: Sequence[Scores], allowed: NDArray[np.bool_] | None) -> Candidates:
    """The union of the arms' best allowed items, with their features."""
    n_items = scores[0].shape[1]
    parts = [_arm_part(one, allowed) for one in scores]
    keys = np.unique(np.concatenate([key for key, _, _ in parts]))
    features = np.zeros((len(keys), PER_ARM * len(parts)), np.float32)
    for arm, (key, rank, value) in enumerate(parts):
        place = np.searchsorted(keys, key)
        features[place, PER_ARM * arm] = rank
        features[place, PER_ARM * arm + 1] = value
    return Candidates(keys // n_items, keys % n_items, features)


def _arm_part(
    scores: Scores, allowed: NDArray[np.bool_] | None
) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.float32]]:
    """Keys (query * n_items + item) of an arm's best, log((n + 1) / (rank + 1)), and the value scaled to 0 … 1.

    Items tied with the last of the best are left out: which of them got in would be chance.
    """
    n_queries, n_items = scores.shape
    masked = scores if allowed is None else np.where(allowed, scores, np.float32(-np.inf))
    best = top_items(masked, min(TOP, n_items)).astype(np.int64)
    found = best >= 0
    values = np.take_along_axis(masked, np.where(found, best, 0), axis=1)
    first = values[:, :1]
    last = np.min(np.where(found, values, np.inf), axis=1, keepdims=True)
    whole = (
        found.sum(1, keepdims=True) < TOP
    )  # the arm ranked everything that is allowed: there is no cut to be tied with
    keep = found & ((values > last) | (whole & (first > last)))
    span = np.maximum(first - last, np.finfo(np.float32).tiny)
    scaled = np.where(keep, (values - last) / np.where(first > last, span, 1), 0)
    rank = np.log((TOP + 1) / (np.arange(best.shape[1]) + 1))[None, :]
    query = np.broadcast_to(np.arange(n_queries)[:, None], best.shape)
    ranks = np.broadcast_to(rank, best.shape)
    return query[keep] * n_items + best[keep], ranks[keep].astype(np.float32), scaled[keep].astype(np.float32)
