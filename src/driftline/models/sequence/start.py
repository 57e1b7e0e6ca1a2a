"""Where item vectors start: the latent model under the sequence model.

S = D^(-1/2) · C · D^(-1/2), where C[i, j] = Σ DECAY^(gap - 1) over pairs of items of a user at most WINDOW moments
apart, in either order; the vectors are U·√Λ of its largest eigenvalues, scaled to a mean norm of 1.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from driftline.models.pairs import Visits, decayed_pairs

Vectors = NDArray[np.float32]

WINDOW, DECAY = 10, 0.8
ITERATIONS, SPARE = 6, 16
"""Of the subspace iteration: enough for vectors to begin with, not to the last digit."""

NOISE = 0.1
"""The share of random numbers in the start, so that items alike in the log can part."""


def random_vectors(n_items: int, dim: int, rng: np.random.Generator) -> Vectors:
    """Directions at random, of norm about 1; shape [n_items, dim]."""
    return rng.normal(0, dim**-0.5, (n_items, dim)).astype(np.float32)


def latent_vectors(visits: Visits, n_items: int, dim: int, rng: np.random.Generator) -> Vectors:
    """Vectors whose inner products follow co-occurrence; shape [n_items, dim], rows of norm 1 on average."""
    values, vectors = _largest(_similarity(visits, n_items), min(dim, n_items), rng)
    found = vectors * np.sqrt(np.maximum(values, 0))
    norm = float(np.linalg.norm(found, axis=1).mean())
    start = NOISE * random_vectors(n_items, dim, rng)
    if norm > 0:
        start[:, : found.shape[1]] += (found / norm).astype(np.float32)
    return start


def _similarity(visits: Visits, n_items: int) -> sparse.csr_matrix:
    pairs = decayed_pairs(visits, n_items, WINDOW, DECAY)
    both = sparse.csr_matrix(pairs + pairs.T)
    degree = np.asarray(both.sum(axis=1)).ravel()
    root = sparse.diags_array(np.divide(1.0, np.sqrt(degree), out=np.zeros_like(degree), where=degree > 0))
    return sparse.csr_matrix(root @ both @ root)


def _largest(
    matrix: sparse.csr_matrix, k: int, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The k largest eigenvalues of a symmetric matrix whose eigenvalues are in -1 … 1, and their vectors [n, k].

    Subspace iteration on `S + I`, whose largest are those of S however negative the others are. The sign of a vector
    is arbitrary; it is fixed so that the same log gives the same start. Source: Halko et al. 2011, algorithm 4.4.
    """
    n = matrix.shape[0]
    basis = np.linalg.qr(rng.standard_normal((n, min(k + SPARE, n))))[0]
    for _ in range(ITERATIONS):
        basis = np.linalg.qr(basis + matrix @ basis)[0]
    values, inner = np.linalg.eigh(basis.T @ (matrix @ basis))
    vectors = (basis @ inner)[:, ::-1][:, :k]
    signs = np.sign(vectors[np.abs(vectors).argmax(axis=0), np.arange(k)])
    return values[::-1][:k], vectors * signs
