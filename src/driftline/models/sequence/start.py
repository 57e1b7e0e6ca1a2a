"""Where item vectors start: a truncated SVD of the co-occurrence of items, the latent model under the sequence model.

C[i, j] = Σ over users and gaps k ≤ WINDOW of DECAY^(k-1), for items k moments apart (within one moment: k = 1), made
symmetric and divided by sqrt(row sum × column sum); the vectors are U·√Σ, scaled to a mean norm of 1.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.linalg import svds

from driftline.data.events import EventLog

WINDOW, DECAY = 5, 0.7


def item_vectors(log: EventLog, dim: int, seed: int) -> NDArray[np.float32]:
    """Starting vectors, shape [n_items, dim]; zero for an item without events."""
    counts = _cooccurrence(log)
    scale = np.sqrt(np.asarray(counts.sum(1)).ravel())
    inverse = np.divide(1.0, scale, out=np.zeros_like(scale), where=scale > 0)
    normal = sparse.diags(inverse) @ counts @ sparse.diags(inverse)
    rank = min(dim, min(normal.shape) - 1)
    vectors = np.zeros((log.n_items, dim), np.float32)
    if rank >= 1 and normal.nnz:
        start = np.random.default_rng(seed).standard_normal(normal.shape[0])
        left, values, _ = svds(normal.astype(np.float64), k=rank, v0=start)
        order = np.argsort(-values)
        # The sign of a singular vector is arbitrary; fixing it makes two fits comparable.
        signs = np.sign(left[np.argmax(np.abs(left), axis=0), np.arange(rank)])
        vectors[:, :rank] = (left * signs * np.sqrt(np.maximum(values, 0)))[:, order]
    alive = log.item_counts() > 0
    rng = np.random.default_rng(seed)
    vectors[alive] += rng.normal(0, 1e-3, (int(alive.sum()), dim)).astype(np.float32)
    norms = np.linalg.norm(vectors[alive], axis=1)
    return vectors / max(float(norms.mean()) if len(norms) else 1.0, 1e-12)


def _cooccurrence(log: EventLog) -> sparse.csr_matrix:
    """Symmetric decayed counts of items that are at most WINDOW moments apart, through moment-by-item matrices."""
    n_moments = int(log.moment[-1]) + 1 if len(log) else 0
    moments = sparse.csr_matrix(
        (np.ones(len(log), np.float32), (log.moment, log.item_row)), shape=(n_moments, log.n_items)
    )
    moments.data[:] = 1.0 / np.sqrt(np.repeat(np.diff(moments.indptr), np.diff(moments.indptr)))
    user = np.zeros(n_moments, np.int64)
    user[log.moment] = log.user_row
    total = moments.T @ moments
    for gap in range(1, WINDOW + 1):
        same = sparse.diags((user[gap:] == user[:-gap]).astype(np.float32)) if n_moments > gap else None
        if same is None:
            break
        pairs = moments[:-gap].T @ (same @ moments[gap:])
        total = total + DECAY ** (gap - 1) * (pairs + pairs.T)
    total = sparse.csr_matrix(total)
    total.setdiag(0)
    total.eliminate_zeros()
    return total
