"""Item vectors from what is said of items and from who took them, for finding topics."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.linalg import LinearOperator, svds
from threadpoolctl import threadpool_limits

from driftline.data.catalog import Catalog
from driftline.data.events import EventLog
from driftline.data.words import Tfidf, unit_rows

Vectors = NDArray[np.float64]

DIM = 64
TEXT_SHARE = 0.7
"""How much of the squared length of a vector is its text, where an item has both sides."""

WORD_PRIOR = 20.0
"""Pairs of items by which the coherence of a rare word is drawn toward that of any word."""

SMALLEST = 1e-9

DENSE_CELLS = 250_000
"""Matrices up to this size are decomposed whole, in tens of milliseconds."""


def joined(text: Vectors, use: Vectors) -> Vectors:
    """Unit vectors with text beside co-use; a row of zeros where neither is known; shape [n_items, dim]."""
    return unit(np.hstack([np.sqrt(TEXT_SHARE) * text, np.sqrt(1 - TEXT_SHARE) * use]))


def text_vectors(catalog: Catalog, use: Vectors, *, seed: int = 0) -> Vectors:
    """Latent vectors of titles and texts: weighed words, then the strongest directions (Deerwester et al. 1990).

    A word weighs its TF-IDF times the root of its coherence, so that "set", "of" or a colour, which relate nothing
    that people take together, do not make groups.
    """
    if not catalog.has_text:
        return np.zeros((len(catalog.items), 0))
    model, weights = Tfidf.fit(texts_of(catalog), min_texts=2, max_share=0.25)
    worth = np.sqrt(coherence(weights, use)) * np.array([says_something(word) for word in model.words])
    return latent(unit_rows(sparse.csr_matrix(weights @ sparse.diags(worth))), seed=seed)


def texts_of(catalog: Catalog) -> NDArray[np.object_]:
    """Title and text of each item as one; shape [n_items]."""
    return np.asarray(catalog.title + " " + catalog.text, object)


def says_something(word: str) -> bool:
    """Whether a word can name anything: not a number, nor a single letter of an alphabet.

    >>> [says_something(word) for word in ("candle", "12", "s", "茶")]
    [True, False, False, True]
    """
    return not word.isdigit() and (len(word) > 1 or ord(word) > 0x2E80)


def coherence(words: sparse.csr_matrix, use: Vectors) -> NDArray[np.float64]:
    """How alike items of each word are in use: the mean cosine of two of them, drawn toward that of all words.

    `words` [n_items, n_words] counts or weighs words in texts, `use` [n_items, dim] are unit vectors; shape [n_words],
    at least a small number. All equal where nothing is known of use.
    """
    has = sparse.csr_matrix((np.ones(words.nnz), words.indices, words.indptr), shape=words.shape)
    if not use.shape[1] or not words.nnz:
        return np.ones(words.shape[1])
    count = np.asarray((has.T @ (use != 0).any(axis=1).astype(np.float64)), np.float64)
    pairs = count * (count - 1)
    alike = ((has.T @ use) ** 2).sum(axis=1) - has.T @ (use**2).sum(axis=1)
    overall = max(float(alike.sum()) / max(float(pairs.sum()), 1.0), SMALLEST)
    mean = (alike + WORD_PRIOR * overall) / (pairs + WORD_PRIOR)
    return np.asarray(np.clip(mean, 0.05 * overall, None), np.float64)


def use_vectors(log: EventLog, *, seed: int = 0) -> Vectors:
    """Latent vectors of items by who took them, less how popular an item and how busy a user is.

    The matrix of users and items, each cell once, divided by the roots of its row and column sums: its singular
    vectors are those of correspondence analysis (Benzécri 1973). The trivial one is subtracted, not skipped by
    its rank: where people fall into groups that share no item, several are as strong, and their order is chance.
    """
    events = log.positive
    if not len(events):
        return np.zeros((log.n_items, 0))
    cells = (np.ones(len(events)), (events.item_row, events.user_row))
    matrix = sparse.csr_matrix(cells, shape=(log.n_items, log.n_users))
    matrix.data[:] = 1.0
    rows, columns = (np.maximum(np.asarray(matrix.sum(axis=axis)).ravel(), 1) for axis in (1, 0))
    scaled = sparse.diags(rows**-0.5) @ matrix @ sparse.diags(columns**-0.5)
    norm = np.sqrt(matrix.nnz)
    return latent(sparse.csr_matrix(scaled), without=(rows**0.5 / norm, columns**0.5 / norm), seed=seed)


def latent(matrix: sparse.csr_matrix, *, without: tuple[Vectors, Vectors] | None = None, seed: int = 0) -> Vectors:
    """Unit rows in the space of the strongest `DIM` singular vectors; [n_rows, ≤ DIM].

    `without` is a singular pair of strength 1, vectors [n_rows] and [n_columns]; it is taken out first.
    """
    columns = np.flatnonzero(np.bincount(matrix.indices, minlength=matrix.shape[1]))
    used = matrix[:, columns].astype(np.float64)
    k = min(DIM, min(used.shape) - 1 - (without is not None))
    if k < 1:
        return unit(used.toarray()) if used.shape[1] else np.zeros((matrix.shape[0], 0))
    pair = None if without is None else (without[0], without[1][columns])
    with threadpool_limits(1, "blas"):  # an iteration's products are small: two threads mostly wait for each other
        left, strength = _strongest(used, pair, k, seed)
    order = np.argsort(-strength)
    return unit(left[:, order] * strength[order])


def _strongest(
    matrix: sparse.csr_matrix, without: tuple[Vectors, Vectors] | None, k: int, seed: int
) -> tuple[Vectors, Vectors]:
    """The k strongest left singular vectors and their strengths; none where nothing is left of the matrix.

    Small matrices are decomposed whole: exact, and at ease with the zeros and equals that an iteration stumbles over.
    """
    if np.prod(matrix.shape, dtype=np.int64) <= DENSE_CELLS:
        dense = matrix.toarray() - (0 if without is None else np.outer(*without))
        left, strength, _ = np.linalg.svd(dense, full_matrices=False)
        return left[:, :k], strength[:k]
    if without is None:
        left, strength, _ = svds(matrix, k=k, random_state=seed)
        return left, strength
    # The pair is a singular pair of strength 1, so taking it out takes 1 from the squared length of the matrix.
    if (matrix.data**2).sum() - 1 <= SMALLEST:
        return np.zeros((matrix.shape[0], 0)), np.zeros(0)
    left, strength, _ = svds(_less(matrix, *without), k=k, random_state=seed)
    return left, strength


def _less(matrix: sparse.csr_matrix, left: Vectors, right: Vectors) -> LinearOperator:
    """The matrix minus left · rightᵀ, which is never written out."""
    transposed = sparse.csr_matrix(matrix.T)
    return LinearOperator(
        matrix.shape,
        matvec=lambda x: matrix @ x.ravel() - left * (right @ x.ravel()),
        rmatvec=lambda y: transposed @ y.ravel() - right * (left @ y.ravel()),
        dtype=np.float64,
    )


def unit(vectors: Vectors) -> Vectors:
    """Each row divided by its length; rows of (nearly) zeros become zeros."""
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.where(length > SMALLEST, vectors / np.maximum(length, SMALLEST), 0.0)
