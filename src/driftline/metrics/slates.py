"""What is said of slates beside their accuracy: how much of the catalog they show, how rare, and how unlike within.

A slate is a row of item rows, best first, padded with -1.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from driftline.data.words import unit_rows
from driftline.metrics.ranking import Values, means_by, quotient
from driftline.types import Rows

PAIRS_PER_BATCH = 50_000
"""How many pairs of items are compared at once."""


def coverage(slates: Rows, n_candidates: int) -> float:
    """The share of the candidates that is on at least one slate.

    >>> coverage(np.array([[0, 1], [1, 2]]), 6)
    0.5
    """
    return len(np.unique(slates[slates >= 0])) / n_candidates if n_candidates else 0.0


def novelty(slates: Rows, item_counts: NDArray[np.int64]) -> Values:
    """Mean self-information of each slate's items, in bits: -log2 of the item's share of training events.

    Counts are raised by one, so that an item without events has a finite figure. NaN for an empty slate; shape
    [n_slates]. Source: Zhou et al. 2010, "Solving the apparent diversity-accuracy dilemma" (there shares of users).
    """
    shares = (item_counts + 1) / (item_counts.sum() + len(item_counts))
    there = slates >= 0
    bits = np.where(there, -np.log2(shares)[np.where(there, slates, 0)], np.nan)
    return _row_means(bits)


def diversity(slates: Rows, vectors: sparse.csr_matrix) -> Values:
    """Mean distance 1 - cosine over the pairs of each slate; vectors [n_items, dim] say what an item is.

    Pairs with an item whose vector is zero are left out: nothing is known of them. NaN for a slate without a pair;
    shape [n_slates]. Source: Ziegler et al. 2005 (intra-list similarity).
    """
    known = np.diff(vectors.indptr) > 0
    left, right = np.triu_indices(slates.shape[1], 1)
    slate = np.repeat(np.arange(len(slates)), len(left))
    a, b = slates[:, left].ravel(), slates[:, right].ravel()
    use = (a >= 0) & (b >= 0) & known[a] & known[b]
    return means_by(1.0 - _cosines(vectors, a[use], b[use]), slate[use], len(slates))


def _cosines(vectors: sparse.csr_matrix, a: Rows, b: Rows) -> Values:
    """Cosine of each pair of items. Popular pairs stand on many slates, so each pair is computed once."""
    n = vectors.shape[0]
    pairs, place = np.unique(np.minimum(a, b).astype(np.int64) * n + np.maximum(a, b), return_inverse=True)
    units = unit_rows(vectors.astype(np.float64))
    found = np.empty(len(pairs))
    for first in range(0, len(pairs), PAIRS_PER_BATCH):
        part = pairs[first : first + PAIRS_PER_BATCH]
        product = units[part // n].multiply(units[part % n])
        found[first : first + len(part)] = np.asarray(product.sum(axis=1)).ravel()
    return found[place]


def _row_means(values: Values) -> Values:
    """Means of rows without their NaN; NaN for a row that has nothing else."""
    there = ~np.isnan(values)
    counts = there.sum(axis=1)
    sums = np.where(there, values, 0.0).sum(axis=1)
    return quotient(sums, counts)
