"""Item-KNN: items that the same users had, by cosine with shrinkage."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from itertools import product
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from driftline.data.catalog import Catalog
from driftline.data.events import EventLog, Histories
from driftline.data.targets import Targets
from driftline.models.choosing import AGE_DECAYS, best_of, can_choose, grid_of
from driftline.models.prior import ordered_below, popularity_share, weighted_counts
from driftline.models.reading import positive_events, read_items, user_items, with_user_items
from driftline.models.settings import check_range, check_whole
from driftline.models.storage import read_model, settings_from, sparse_arrays, sparse_from, write_model
from driftline.types import Progress, Rows, Scores


@dataclass(frozen=True)
class ItemKNN:
    """Neighbours by `users of both / (√(users of i · users of j) + shrinkage)`, summed over the history.

        score(j) = Σ over the items i of the history  age_decay^age · S[i, j]

    `neighbours` are kept for each item; `repeat_weight` is what an item counts for itself, which matters where people
    buy again. What is None is chosen on validation, or falls to the first of its grid. Source: Deshpande and Karypis
    2004; shrinkage as in Ferrari Dacrema et al. 2021.
    """

    neighbours: int | None = None
    shrinkage: float = 20.0
    age_decay: float | None = None
    repeat_weight: float | None = None
    name: ClassVar[str] = "item-knn"

    def __post_init__(self) -> None:
        check_whole("neighbours", self.neighbours, 1)
        check_range("shrinkage", self.shrinkage, 0)
        check_range("age_decay", self.age_decay, 0, 1)
        check_range("repeat_weight", self.repeat_weight, 0)

    def fit(
        self,
        log: EventLog,
        *,
        catalog: Catalog | None = None,  # noqa: ARG002  # verbs of a model are called alike
        validation: Targets | None = None,
        seed: int = 0,  # noqa: ARG002
        progress: Progress | None = None,  # noqa: ARG002
    ) -> FittedItemKNN:
        """Count users of pairs, for each choice that is open; NotEnoughDataError where there is nothing to count."""
        events = positive_events(log, self.name)
        users, counts = user_items(events), weighted_counts(events)
        if validation is not None and can_choose(validation):
            return best_of(self._candidates(users, counts), validation)
        return next(self._candidates(users, counts))

    def _candidates(self, users: sparse.csr_matrix, counts: NDArray[np.float64]) -> Iterator[FittedItemKNN]:
        """Every fitted model that the open choices allow; similarities are computed once for all ways to read them."""
        for neighbours in grid_of(self.neighbours, NEIGHBOURS):
            similarity = similarities(users, int(neighbours), self.shrinkage)
            for age_decay, repeat_weight in product(
                grid_of(self.age_decay, AGE_DECAYS), grid_of(self.repeat_weight, REPEAT_WEIGHTS)
            ):
                own = replace(self, neighbours=int(neighbours), age_decay=age_decay, repeat_weight=repeat_weight)
                yield FittedItemKNN(own, users, similarity, counts)


NEIGHBOURS = (200, 1_000)
REPEAT_WEIGHTS = (1.0, 0.2)
"""A cosine of an item with itself is 1; less where people buy again, but something else in between."""


def similarities(users: sparse.csr_matrix, neighbours: int, shrinkage: float) -> sparse.csr_matrix:
    """Cosine with shrinkage between items, the nearest of each row, without the item itself; [n_items, n_items]."""
    both = sparse.csr_matrix(users.T @ users)
    n_users = both.diagonal()
    rows = np.repeat(np.arange(both.shape[0]), np.diff(both.indptr))
    apart = rows != both.indices
    rows, columns, common = rows[apart], both.indices[apart], both.data[apart]
    cosine = common / (np.sqrt(n_users[rows] * n_users[columns]) + np.float32(shrinkage))
    return _nearest(sparse.csr_matrix((cosine.astype(np.float32), (rows, columns)), shape=both.shape), neighbours)


def _nearest(matrix: sparse.csr_matrix, n: int) -> sparse.csr_matrix:
    """The `n` largest entries of each row."""
    keep = np.ones(matrix.nnz, bool)
    for row in np.flatnonzero(np.diff(matrix.indptr) > n):
        low, high = matrix.indptr[row], matrix.indptr[row + 1]
        keep[low + np.argpartition(-matrix.data[low:high], n)[n:]] = False
    rows = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))[keep]
    return sparse.csr_matrix((matrix.data[keep], (rows, matrix.indices[keep])), shape=matrix.shape)


@dataclass(frozen=True, eq=False)
class FittedItemKNN:
    """Who had what [n_users, n_items], similarities of items [n_items, n_items], and weighted counts of items."""

    settings: ItemKNN
    users: sparse.csr_matrix
    similarity: sparse.csr_matrix
    counts: NDArray[np.float64]
    name: ClassVar[str] = ItemKNN.name

    def score(self, histories: Histories, items: Rows | None = None) -> Scores:
        """Similarity to the history, summed; items without evidence by popularity below all others."""
        age_decay, repeat_weight = self.settings.age_decay, self.settings.repeat_weight
        read = read_items(histories, len(self.counts), age_decay=1.0 if age_decay is None else age_decay)
        scores = read @ self.similarity + np.float32(repeat_weight or 0.0) * read
        scores = ordered_below(scores.toarray(), popularity_share(self.counts))
        return scores if items is None else scores[:, items]

    def update(self, events: EventLog) -> Self:
        """The similarities of everything: equal to a fit on the old events and the new."""
        users = with_user_items(self.users, events)
        counts = weighted_counts(events.positive)
        counts[: len(self.counts)] += self.counts
        similarity = similarities(users, self.settings.neighbours or NEIGHBOURS[0], self.settings.shrinkage)
        return type(self)(self.settings, users, similarity, counts)

    def settled(self) -> ItemKNN:
        """The settings with what validation chose."""
        return self.settings

    def save(self, folder: Path) -> None:
        """Write who had what, similarities, counts and header."""
        arrays = {"counts": self.counts} | sparse_arrays("users", self.users)
        write_model(folder, self.name, asdict(self.settings), arrays | sparse_arrays("similarity", self.similarity))

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote; RunError where it is damaged."""
        settings, arrays = read_model(folder, cls.name)
        own = settings_from(ItemKNN, settings, cls.name)
        return cls(own, sparse_from(arrays, "users"), sparse_from(arrays, "similarity"), arrays["counts"])
