"""What was had before: how often and how lately each item was taken, as a count that halves with the moments.

    c_j(t) = Σ over moments s ≤ t with item j of 2^(−(t − s) / HALF_LIFE)

It is what a vector of 64 numbers cannot hold, and what a shop is asked for most. Source: Anderson et al. 2014, "The
dynamics of repeat consumption"; beside a sequence model Ren et al. 2019, "RepeatNet".
"""

from __future__ import annotations

import numpy as np
from scipy import sparse

from driftline.models.sequence.steps import Ints, Steps, offsets, ranges

HALF_LIFE = 8.0
"""In moments; chosen on the validation slice of a shop among 4, 8, 16 and no decay."""

DECAY = 2.0 ** (-1 / HALF_LIFE)

REMEMBERED = 160
"""How many moments are counted: of one that is older less than a millionth is left."""


def counts_after(steps: Steps, sequence: Ints, n_read: Ints, n_items: int) -> sparse.csr_matrix:
    """The counts after the first `n_read[q]` steps of sequence `sequence[q]`; shape [n_questions, n_items] float32."""
    first = np.maximum(n_read - REMEMBERED, 0)
    begins = steps.sequence[sequence]
    read = ranges(begins + first, begins + n_read)
    age = np.repeat(begins + n_read - 1, n_read - first) - read
    kept = np.power(np.float32(DECAY), age.astype(np.float32))
    weights = sparse.csr_matrix((kept, read, offsets(n_read - first)), shape=(len(n_read), len(steps.sizes)))
    ones = np.ones(len(steps.item), np.float32)
    items = sparse.csr_matrix((ones, steps.item, steps.step), shape=(len(steps.sizes), n_items))
    return sparse.csr_matrix(weights @ items)


def count_step(had: sparse.csr_matrix, items: Ints) -> sparse.csr_matrix:
    """The counts [1, n_items] after one more moment with these different items."""
    taken = (np.ones(len(items), np.float32), (np.zeros(len(items), np.int64), items))
    return sparse.csr_matrix(had * np.float32(DECAY) + sparse.csr_matrix(taken, shape=had.shape))
