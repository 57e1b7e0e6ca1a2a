"""Where items and topics lie by who takes what: the vectors that an interest state is made of."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from driftline.data.events import EventLog
from driftline.interest.state import Counts
from driftline.interest.topics import Topics
from driftline.interest.vectors import unit, use_vectors

Vectors = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Space:
    """Unit vectors of items [n_items, dim]; an item that nobody had has none, a row of zeros."""

    items: Vectors

    @classmethod
    def of(cls, log: EventLog, *, seed: int = 0) -> Space:
        """Learned from who took what in a log; see `use_vectors`."""
        return cls(use_vectors(log, seed=seed).astype(np.float32))

    @classmethod
    def empty(cls) -> Space:
        """No item has a vector."""
        return cls(np.zeros((0, 0), np.float32))

    @property
    def dim(self) -> int:
        """How long a vector is."""
        return int(self.items.shape[1])

    def of_rows(self, n_items: int) -> Counts:
        """The vectors of the first items of a log that may have more of them by now; [n_items, dim]."""
        found = np.zeros((n_items, self.dim))
        n_known = min(n_items, len(self.items))
        found[:n_known] = self.items[:n_known]
        return found

    def of_topics(self, topics: Topics, groups: sparse.csr_matrix) -> Counts:
        """The direction of each group of topics: of the mean of the vectors of its items; [n_groups, dim]."""
        weights = topics.of_items(np.arange(len(self.items), dtype=np.int32)) @ groups
        return unit(np.asarray(weights.T @ self.items, np.float64))
