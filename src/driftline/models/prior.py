"""What a model of the floor says where it knows nothing: popularity."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from driftline.data.events import EventLog
from driftline.types import Scores

TIE = 1e-9
"""The scale of popularity where it only orders what a model has no evidence for."""


def weighted_counts(log: EventLog) -> NDArray[np.float64]:
    """The weight of all events of each item; shape [n_items]."""
    return np.bincount(log.item_row, weights=log.weight, minlength=log.n_items).astype(np.float64)


def popularity_share(counts: NDArray[np.float64]) -> NDArray[np.float32]:
    """Counts divided by the largest of them: 0 … 1; shape [n_items]."""
    largest = float(counts.max(initial=0.0))
    return (counts / (largest if largest > 0 else 1.0)).astype(np.float32)


def ordered_below(scores: Scores, share: NDArray[np.float32]) -> Scores:
    """Scores of evidence that is never negative, with the zeros replaced by popularity at the scale of `TIE`.

    So what a model has no evidence for comes after everything else, the popular first, and a user without any history
    gets the order of popularity. Items that were never seen in training stay at 0.
    """
    return np.where(scores > 0, scores, np.float32(TIE) * share)


def filled_in(scores: Scores, share: NDArray[np.float32], known: NDArray[np.bool_]) -> Scores:
    """Scores that may be negative, made whole: unseen items last, and popularity for queries of whom nothing is known.

    An item that was never seen in training has a score of 0 by accident, which would put it above all items of negative
    score; it gets the lowest score of the row instead. `known` has shape [n_queries].
    """
    lowest = scores.min(axis=1, initial=0.0, keepdims=True)
    return np.where(known[:, None], np.where(share > 0, scores, lowest), share).astype(np.float32, copy=False)
