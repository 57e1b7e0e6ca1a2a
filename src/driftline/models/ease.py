"""EASE: the best linear map from a history to itself with a zero diagonal, in closed form."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from itertools import product
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.linalg import lapack

from driftline.data.catalog import Catalog
from driftline.data.events import EventLog, Histories
from driftline.data.targets import Targets
from driftline.errors import SettingsError
from driftline.models.choosing import AGE_DECAYS, best_of, can_choose, grid_of
from driftline.models.prior import filled_in, popularity_share, weighted_counts
from driftline.models.reading import positive_events, read_items, user_items, with_user_items
from driftline.models.settings import check_range
from driftline.models.storage import read_model, settings_from, sparse_arrays, sparse_from, write_model
from driftline.types import Progress, Rows, Scores

MOST_ITEMS = 20_000
"""The map is a dense matrix: 1.6 GB at this size, and minutes to invert."""

CHOOSE_L2_UP_TO = 5_000
"""With more items than this, one inversion takes so long that `l2` keeps its default."""

L2 = (300.0, 3_000.0)
REPEAT_WEIGHTS = (0.0, 0.2)


@dataclass(frozen=True)
class EASE:
    """`B = argmin ‖X − X B‖² + l2 ‖B‖²` with `diag B = 0`, X binary users by items; score = history · B.

    The solution is `B[i, j] = −P[i, j] / P[j, j]` with `P = (XᵀX + l2)⁻¹`. `repeat_weight` adds what an item counts for
    itself, which the zero diagonal leaves out and a shop needs; `age_decay` reads older moments as less. What is None
    is chosen on validation, or falls to l2 = 300, a plain history and no repeats, as published. At most 20,000 items.
    Source: Steck 2019, "Embarrassingly shallow autoencoders for sparse data", eq. 8.
    """

    l2: float | None = None
    age_decay: float | None = None
    repeat_weight: float | None = None
    name: ClassVar[str] = "ease"

    def __post_init__(self) -> None:
        check_range("l2", self.l2, 1e-3)
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
    ) -> FittedEASE:
        """Solve, for each l2 that is open; SettingsError over 20,000 items, NotEnoughDataError without events."""
        events = positive_events(log, self.name)
        users, counts = user_items(events), weighted_counts(events)
        if validation is not None and can_choose(validation):
            return best_of(self._candidates(users, counts), validation)
        return next(self._candidates(users, counts))

    def _candidates(self, users: sparse.csr_matrix, counts: NDArray[np.float64]) -> Iterator[FittedEASE]:
        """Every fitted model that the open choices allow; each map is solved once for all ways to read it."""
        few = np.count_nonzero(counts) <= CHOOSE_L2_UP_TO
        for l2 in grid_of(self.l2, L2 if few else L2[:1]):
            weights = solved(users, l2)
            for age_decay, repeat_weight in product(
                grid_of(self.age_decay, AGE_DECAYS), grid_of(self.repeat_weight, REPEAT_WEIGHTS)
            ):
                own = replace(self, l2=l2, age_decay=age_decay, repeat_weight=repeat_weight)
                yield FittedEASE(own, users, weights, counts)


def solved(users: sparse.csr_matrix, l2: float) -> NDArray[np.float32]:
    """The map between the items that anybody had; shape [n_seen, n_seen]. Cholesky: half the work of an inverse."""
    seen = seen_items(users)
    if len(seen) > MOST_ITEMS:
        raise SettingsError(
            f"expected at most {MOST_ITEMS:,} items for ease, got {len(seen):,}; use item-knn or cooccurrence instead"
        )
    part = users[:, seen]
    gram = np.asfortranarray((part.T @ part).toarray(), np.float32)
    gram[np.diag_indices_from(gram)] += np.float32(l2)
    factor, failed = lapack.spotrf(gram, lower=1, overwrite_a=1)
    if failed:
        raise SettingsError(f"expected an l2 that makes the problem solvable in float32, got {l2:g}; use 1 or more")
    half, _ = lapack.spotri(factor, lower=1, overwrite_c=1)
    inverse = np.tril(half) + np.tril(half, -1).T
    weights = inverse / -np.diag(inverse)
    weights[np.diag_indices_from(weights)] = 0.0
    return np.ascontiguousarray(weights, np.float32)


def seen_items(users: sparse.csr_matrix) -> NDArray[np.int64]:
    """Rows of the items that anybody had."""
    return np.flatnonzero(np.bincount(users.indices, minlength=users.shape[1]))


@dataclass(frozen=True, eq=False)
class FittedEASE:
    """Who had what [n_users, n_items], the map between seen items, and weighted counts of items."""

    settings: EASE
    users: sparse.csr_matrix
    weights: NDArray[np.float32]
    counts: NDArray[np.float64]
    name: ClassVar[str] = EASE.name

    def score(self, histories: Histories, items: Rows | None = None) -> Scores:
        """History times map; items never seen in training last, and popularity where there is no history."""
        age_decay, repeat_weight = self.settings.age_decay, self.settings.repeat_weight
        seen = seen_items(self.users)
        read = read_items(histories, len(self.counts), age_decay=1.0 if age_decay is None else age_decay)
        known = read[:, seen]
        scores = np.zeros(read.shape, np.float32)
        scores[:, seen] = known @ self.weights + np.float32(repeat_weight or 0.0) * known.toarray()
        scores = filled_in(scores, popularity_share(self.counts), np.diff(known.indptr) > 0)
        return scores if items is None else scores[:, items]

    def update(self, events: EventLog) -> Self:
        """Solved again from the Gram matrix of everything: equal to a fit on the old events and the new."""
        users = with_user_items(self.users, events)
        counts = weighted_counts(events.positive)
        counts[: len(self.counts)] += self.counts
        return type(self)(self.settings, users, solved(users, self.settings.l2 or L2[0]), counts)

    def settled(self) -> EASE:
        """The settings with what validation chose."""
        return self.settings

    def save(self, folder: Path) -> None:
        """Write who had what, the map, counts and header."""
        arrays = sparse_arrays("users", self.users) | {"counts": self.counts, "weights": self.weights}
        write_model(folder, self.name, asdict(self.settings), arrays)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote; RunError where it is damaged."""
        settings, arrays = read_model(folder, cls.name)
        own = settings_from(EASE, settings, cls.name)
        return cls(own, sparse_from(arrays, "users"), arrays["weights"], arrays["counts"])
