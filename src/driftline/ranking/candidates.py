"""Candidates: each arm is a source and proposes its best items; the union carries where each stands with each arm.

All features of an arm are 0 for an item that is not among its best n, so a batch is sparse, an arm that knows nothing
says nothing, and an arm's part in a score is exactly what would be missing without it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from driftline.data.events import Histories
from driftline.errors import InvalidScoreError
from driftline.metrics.ranks import checked, top_items
from driftline.models.base import FittedModel
from driftline.types import Scores

TOP = 100
"""How many of each arm's best items the blend looks at."""

PER_ARM = 3
"""Features of one arm: log((TOP + 1) / (rank + 1)) with rank from 0; score above the last of the best; 1 for member."""

FROM_RANKS = (1.0, 0.0, 0.0)
"""Weights of an arm that nothing is known of: its ranks alone, since scores of different arms cannot be compared."""


MOST_LIFT = 15.0
"""Where lifts are cut: e to the 15 is more than there are items, and e to the -15 as good as never."""

READ_NO_HISTORY = ("popularity", "popularity-7d")
"""Arms that say the same to everybody."""


@dataclass(frozen=True, eq=False)
class Candidates:
    """The best items of every arm for a batch of queries, query by query.

    `query` and `item` have shape [n_rows] (query ascending), `features` [n_rows, PER_ARM * n_arms], all ≥ 0.
    """

    query: NDArray[np.int64]
    item: NDArray[np.int64]
    features: NDArray[np.float32]


def arm_scores(arms: Mapping[str, FittedModel], histories: Histories) -> list[Scores]:
    """The scores of every arm over all items, checked; each [n_queries, n_items].

    Items that came after an arm was fitted are at minus infinity: it cannot propose them. Of an empty history only the
    arms speak that read none: what the others answer is a popularity of their own, and a worse one.
    """
    n_items, empty = histories.log.n_items, histories.lengths == 0
    found = []
    for name, arm in arms.items():
        scores = checked(_widened(arm.score(histories), n_items), (len(histories), n_items))
        silent = empty.any() and name not in READ_NO_HISTORY
        found.append(np.where(empty[:, None], np.float32(0), scores) if silent else scores)
    return found


def candidates_of(scores: Sequence[Scores], allowed: NDArray[np.bool_] | None) -> Candidates:
    """The union of the arms' best allowed items, with their features."""
    n_items = scores[0].shape[1]
    parts = [_arm_part(one, allowed) for one in scores]
    keys = np.unique(np.concatenate([key for key, _ in parts]))
    features = np.zeros((len(keys), PER_ARM * len(parts)), np.float32)
    for arm, (key, own) in enumerate(parts):
        features[np.searchsorted(keys, key), PER_ARM * arm : PER_ARM * (arm + 1)] = own
    return Candidates(keys // n_items, keys % n_items, features)


def lifts(scores: Sequence[Scores], allowed: NDArray[np.bool_] | None, found: Candidates) -> NDArray[np.float32]:
    """How much likelier than by chance each arm finds each candidate, also of other arms; [n_rows, n_arms].

    log(n · softmax(scores)) over the n allowed items that the arm can propose: 0 where an arm finds all alike.
    """
    return np.stack([_lift(one, allowed, found) for one in scores], axis=1)


def _lift(scores: Scores, allowed: NDArray[np.bool_] | None, found: Candidates) -> NDArray[np.float32]:
    masked = scores if allowed is None else np.where(allowed, scores, np.float32(-np.inf))
    known = np.isfinite(masked)
    top = np.max(masked, axis=1, initial=np.float32(-np.inf), where=known)
    top = np.where(known.any(axis=1), top, np.float32(0))
    mean = np.exp(masked - top[:, None]).sum(axis=1) / np.maximum(known.sum(axis=1), 1)
    chance = top + np.log(np.maximum(mean, np.float32(1e-30)))
    lift = np.clip(scores[found.query, found.item] - chance[found.query], -MOST_LIFT, MOST_LIFT)
    return np.asarray(lift, np.float32)


def _widened(scores: Scores, n_items: int) -> Scores:
    if scores.ndim != 2:  # queries by items
        raise InvalidScoreError(f"expected scores [n_queries, n_items], got shape {scores.shape}; the model is wrong")
    missing = max(n_items - scores.shape[1], 0)
    return np.pad(scores, ((0, 0), (0, missing)), constant_values=-np.inf) if missing else scores


def _arm_part(scores: Scores, allowed: NDArray[np.bool_] | None) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Keys (query * n_items + item) of an arm's best, and their features [n_keys, PER_ARM].

    The last of the best and what is tied with it are left out: which of the ties got in would be chance, and where an
    arm ranks all that is allowed, its lowest score is often that of no evidence.
    """
    n_queries, n_items = scores.shape
    masked = scores if allowed is None else np.where(allowed, scores, np.float32(-np.inf))
    best = top_items(masked, min(TOP, n_items)).astype(np.int64)
    found = best >= 0
    values = np.take_along_axis(masked, np.where(found, best, 0), axis=1)
    last = np.min(np.where(found, values, np.inf), axis=1, keepdims=True)
    keep = found & (values > last)
    ranks = np.log((TOP + 1) / (np.arange(best.shape[1]) + 1))
    query = np.broadcast_to(np.arange(n_queries)[:, None], best.shape)
    above = values[keep] - np.broadcast_to(last, best.shape)[keep]
    features = np.stack([np.broadcast_to(ranks, best.shape)[keep], above, np.ones(len(above))], axis=1)
    return query[keep] * n_items + best[keep], features.astype(np.float32)
