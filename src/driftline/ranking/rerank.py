"""Rerank: a slate whose items are less alike, at a stated price in score."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from driftline.data.catalog import Catalog
from driftline.data.words import Tfidf, unit_rows
from driftline.errors import RequestError
from driftline.types import Rows

POOL = 5
"""A slate of k is chosen among the 5 k best."""


def diversified(
    ranked: Rows, scores: NDArray[np.float32], vectors: sparse.csr_matrix, k: int, strength: float
) -> NDArray[np.int64]:
    """Places in `ranked` of k items, chosen one after the other by maximal marginal relevance.

        argmax over the rest of (1 - strength) · score(i) - strength · max over the chosen of cosine(i, j)

    `ranked` [n] holds items best first and `scores` [n] theirs, scaled here to 0 … 1; `vectors` [n_items, dim] say what
    items are. Strength 0 changes nothing. Source: Carbonell and Goldstein 1998, "The use of MMR".
    """
    if not 0 <= strength <= 1:
        raise RequestError(f"expected diversity between 0 and 1, got {strength}")
    if strength == 0 or len(ranked) <= 1:
        return np.arange(min(k, len(ranked)))
    span = float(scores.max() - scores.min()) or 1.0
    relevance = (scores - scores.min()) / span
    units = unit_rows(sparse.csr_matrix(vectors[ranked], dtype=np.float64))
    alike = np.asarray((units @ units.T).toarray())
    chosen, nearest = [0], alike[0].copy()
    while len(chosen) < min(k, len(ranked)):
        worth = (1 - strength) * relevance - strength * nearest
        worth[chosen] = -np.inf
        chosen.append(int(np.argmax(worth)))
        nearest = np.maximum(nearest, alike[chosen[-1]])
    return np.array(chosen)


def item_vectors(catalog: Catalog, rows: Rows | None = None) -> sparse.csr_matrix:
    """What an item is, from its topics and the words of its title and text; rows of unit parts.

    [n_items, dim], or [len(rows), dim] of some items, whose words are then weighed among these alone.
    """
    rows = np.arange(len(catalog.items), dtype=np.int32) if rows is None else rows
    titles, texts = catalog.title[rows], catalog.text[rows]
    words = Tfidf.fit(np.array([f"{title} {text}" for title, text in zip(titles, texts, strict=True)], object))[1]
    topics = unit_rows(sparse.csr_matrix(catalog.topics[rows], dtype=np.float32))
    return sparse.csr_matrix(sparse.hstack([topics, words]))
