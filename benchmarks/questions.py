"""What peers are told and asked, as plain arrays, and what their lists are worth by our own ranks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from driftline.data.events import EventLog
from driftline.data.targets import Fold, Targets
from driftline.errors import DatasetError, InvalidScoreError
from driftline.metrics.ranking import Ranks


def export(fold: Fold, path: Path) -> None:
    """Write the training sequences and the histories of the test questions, for programs that hold no Driftline."""
    if not np.array_equal(fold.test.query, np.arange(len(fold.test.histories))):
        raise DatasetError("expected one target a question, as the last-item protocol asks; take that protocol")
    positions, query = fold.test.histories.flat()
    n_questions = len(fold.test.histories)
    np.savez(
        path,
        train_item=fold.train.item_row,
        train_offset=offsets(fold.train.user_row, fold.train.n_users),
        history_item=fold.test.histories.log.item_row[positions],
        history_offset=offsets(query, n_questions),
        n_items=fold.train.n_items,
        exclude=fold.test.repeats == "exclude",
    )


def offsets(owner: NDArray[np.integer], n: int) -> NDArray[np.int64]:
    """Where the parts of ascending owners begin, and where the last one ends; shape [n + 1].

    >>> offsets(np.array([0, 0, 2]), 3).tolist()
    [0, 2, 2, 3]
    """
    return np.concatenate([[0], np.cumsum(np.bincount(owner, minlength=n))]).astype(np.int64)


def real_targets(log: EventLog) -> int:
    """How many next-item targets one pass over a log has: the distinct items of every moment but a user's first."""
    if not len(log):
        return 0
    order = np.lexsort((log.item_row, log.moment, log.user_row))
    user, moment, item = log.user_row[order], log.moment[order], log.item_row[order]
    new_user = np.diff(user, prepend=-1) != 0
    new_moment = new_user | (np.diff(moment, prepend=-1) != 0)
    once = new_moment | (np.diff(item, prepend=-1) != 0)
    first_moment = np.maximum.accumulate(np.where(new_user, np.cumsum(new_moment), 0)) == np.cumsum(new_moment)
    return int((once & ~first_moment).sum())


def ranks_of_lists(items: NDArray[np.int32], scores: NDArray[np.float32], targets: Targets) -> Ranks:
    """The rank of each target in its list, 0 for the best, ties the mean; infinite where the list has not got it.

    `items` and `scores` [n_questions, k] are best first, -1 behind the end. Equal to `metrics.ranks.target_ranks` of
    the full scores wherever the rank, and all that it is tied with, lies within k. InvalidScoreError where a list shows
    what the protocol masks, repeats an item, or is not in order.
    """
    _check(items, scores, targets)
    listed, values = items[targets.query], scores[targets.query]
    mine = listed == targets.item_row[:, None]
    own = np.where(mine, values, -np.inf).max(axis=1, keepdims=True)
    above = ((listed >= 0) & (values > own)).sum(axis=1)
    tied = ((listed >= 0) & (values == own)).sum(axis=1)
    return np.where(mine.any(axis=1), above + (tied - 1) / 2, np.inf)


def _check(items: NDArray[np.int32], scores: NDArray[np.float32], targets: Targets) -> None:
    n_questions = len(targets.histories)
    if len(items) != n_questions or items.shape != scores.shape:
        raise InvalidScoreError(
            f"expected lists and scores for {n_questions} questions, got shapes {items.shape} and {scores.shape}"
        )
    there = items >= 0
    gaps, rises = there[:, 1:] & ~there[:, :-1], there[:, 1:] & (scores[:, 1:] > scores[:, :-1])
    if gaps.any() or rises.any() or np.isnan(scores[there]).any():
        raise InvalidScoreError("expected lists with the best first, got gaps, NaN or scores that rise")
    query, _ = np.nonzero(there)
    n_items = targets.train.n_items
    listed = query * n_items + items[there]
    if len(np.unique(listed)) < len(listed):
        raise InvalidScoreError("expected each item once in a list, got one twice")
    if targets.repeats == "exclude":
        positions, asked = targets.histories.flat()
        masked = np.isin(listed, asked * n_items + targets.histories.log.item_row[positions])
        if masked.any():
            raise InvalidScoreError(f"expected lists without what was had, got {masked.sum()} such items")
