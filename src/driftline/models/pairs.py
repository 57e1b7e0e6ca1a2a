"""Pairs of items within a user's history: moments as sets, counted by sparse products."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from driftline.data.events import EventLog
from driftline.types import Rows, Times

LARGEST_MOMENT = 1_000
"""A moment of more items than this counts with the first of them: a dump of a million rows is no basket."""

DENSE_ABOVE = 0.05
"""From this share of filled cells on, a kernel is multiplied as a dense matrix."""

MOMENTS_PER_BLOCK = 100_000
"""How many moments are multiplied at once; bounds memory by the window, not by the log."""


@dataclass(frozen=True, eq=False)
class Visits:
    """Events in the order (user, time, as they came), with their weights; arrays of shape [n_events]."""

    user_row: Rows
    time_us: Times
    item_row: Rows
    weight: NDArray[np.float32]

    @classmethod
    def of(cls, log: EventLog) -> Visits:
        """The events of a log."""
        return cls(log.user_row, log.time_us, log.item_row, log.weight)

    def __len__(self) -> int:
        return len(self.user_row)

    def take(self, keep: NDArray[np.bool_] | NDArray[np.int64]) -> Visits:
        """Some of the events."""
        return Visits(self.user_row[keep], self.time_us[keep], self.item_row[keep], self.weight[keep])

    def of_users(self, user_rows: Rows) -> Visits:
        """The events of some users."""
        return self.take(np.isin(self.user_row, user_rows))

    def and_then(self, later: Visits) -> Visits:
        """Both, in order again."""
        both = Visits(*(np.concatenate([a, b]) for a, b in zip(self._columns, later._columns, strict=True)))
        return both.take(np.lexsort((both.time_us, both.user_row)))

    def tail(self, n: int) -> Visits:
        """The last `n` moments of each user."""
        moment = self.moment
        new_user = np.diff(self.user_row, prepend=-1) != 0
        last_of_user = np.flatnonzero(np.append(new_user[1:], True)) if len(self) else np.zeros(0, np.int64)
        newest = moment[last_of_user][np.cumsum(new_user) - 1] if len(self) else moment
        return self.take(newest - moment < n)

    @property
    def moment(self) -> NDArray[np.int64]:
        """A number per event that is equal for events of one user at one time; shape [n_events]."""
        new = (np.diff(self.user_row, prepend=-1) != 0) | (np.diff(self.time_us, prepend=0) != 0)
        new[:1] = True
        return np.cumsum(new) - 1

    @property
    def _columns(self) -> tuple[Any, ...]:
        return self.user_row, self.time_us, self.item_row, self.weight

    def arrays(self, name: str) -> dict[str, NDArray[Any]]:
        """The columns as plain arrays under `name.*`."""
        keys = ("user_row", "time_us", "item_row", "weight")
        return {f"{name}.{key}": column for key, column in zip(keys, self._columns, strict=True)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]], name: str) -> Visits:
        """What `arrays` took apart."""
        return cls(*(arrays[f"{name}.{key}"] for key in ("user_row", "time_us", "item_row", "weight")))


@dataclass(frozen=True, eq=False)
class Kernel:
    """Directed pair weights [n_items, n_items] float64, and what they come to between items."""

    pairs: sparse.csr_matrix
    symmetric: bool

    @cached_property
    def normalised(self) -> sparse.csr_matrix:
        """`S / √(row sum · column sum)` of `S = W + Wᵀ / 2` (or of W alone); [n_items, n_items] float32."""
        both = sparse.csr_matrix(self.pairs + self.pairs.T / 2 if self.symmetric else self.pairs)
        rows = _inverse_root(np.asarray(both.sum(axis=1)).ravel())
        columns = _inverse_root(np.asarray(both.sum(axis=0)).ravel())
        data = both.data * np.repeat(rows, np.diff(both.indptr)) * columns[both.indices]
        return sparse.csr_matrix((data.astype(np.float32), both.indices, both.indptr), shape=both.shape)

    @cached_property
    def _fastest(self) -> sparse.csr_matrix | NDArray[np.float32]:
        """The form in which it is multiplied fastest."""
        filled = self.normalised.nnz / max(self.normalised.shape[0] ** 2, 1)
        return self.normalised.toarray() if filled > DENSE_ABOVE else self.normalised

    def read(self, weights: sparse.csr_matrix) -> NDArray[np.float32]:
        """The sum of the rows of items, weighted; [n_queries, n_items]."""
        product = weights @ self._fastest
        return np.asarray(product.toarray() if sparse.issparse(product) else product)


def _inverse_root(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """`1 / √sum`, and 0 where there is nothing."""
    return np.divide(1.0, np.sqrt(np.maximum(sums, 0)), out=np.zeros_like(sums), where=sums > 0)


def decayed_pairs(visits: Visits, n_items: int, window: int, gap_decay: float) -> sparse.csr_matrix:
    """`Σ gap_decay^(gap - 1)` over pairs at most `window` moments apart; [n_items, n_items] float64.

    Pairs inside a moment count half in each order, as if it were unknown which came first. Each item of a moment of m
    weighs `1 / √m`, so a pair of two such moments weighs 1/m: a basket is not worth its square.
    """
    total = sparse.csr_matrix((n_items, n_items), dtype=np.float64)
    for block in _blocks(visits):
        sets, user = _sets(block, n_items)
        total = total + sets.T @ (_band(user, window, gap_decay) @ sets) + _within(sets)
    return sparse.csr_matrix(total)


def _sets(visits: Visits, n_items: int) -> tuple[sparse.csr_matrix, Rows]:
    """Each moment as a row of the unit-length set of its items, and its user; [n_moments, n_items]."""
    moment = visits.moment
    once = np.unique(moment * np.int64(n_items) + visits.item_row, return_index=True)[1]
    place = np.arange(len(once)) - np.searchsorted(moment[once], moment[once])
    once = once[place < LARGEST_MOMENT]
    size = np.bincount(moment[once])
    values = visits.weight[once].astype(np.float64) / np.sqrt(size[moment[once]])
    user = visits.user_row[np.flatnonzero(np.diff(moment, prepend=-1))]
    return sparse.csr_matrix((values, (moment[once], visits.item_row[once])), shape=(len(user), n_items)), user


def _band(user: Rows, window: int, gap_decay: float) -> sparse.csr_matrix:
    """`gap_decay^(gap - 1)` for a moment and those that follow it within the window; [n_moments, n_moments]."""
    n = len(user)
    gaps = [gap for gap in range(1, min(window, n - 1) + 1) if gap_decay > 0 or gap == 1]
    first = [np.flatnonzero(user[:-gap] == user[gap:]) for gap in gaps]
    values = [np.full(len(places), gap_decay ** (gap - 1)) for gap, places in zip(gaps, first, strict=True)]
    second = [places + gap for gap, places in zip(gaps, first, strict=True)]
    rows, columns = (np.concatenate([*parts, np.zeros(0, np.int64)]) for parts in (first, second))
    return sparse.csr_matrix((np.concatenate([*values, np.zeros(0)]), (rows, columns)), shape=(n, n))


def _within(sets: sparse.csr_matrix) -> sparse.csr_matrix:
    """Half of each pair of two items of one moment, in either order; an item is no pair with itself."""
    several = sets[np.diff(sets.indptr) > 1]
    both = (several.T @ several).tocoo()
    apart = both.row != both.col
    return sparse.csr_matrix((both.data[apart] / 2, (both.row[apart], both.col[apart])), shape=both.shape)


def _blocks(visits: Visits) -> Iterator[Visits]:
    """Consecutive parts of whole users."""
    if not len(visits):
        return
    moment = visits.moment
    starts = np.flatnonzero(np.diff(visits.user_row, prepend=-1))
    block = moment[starts] // MOMENTS_PER_BLOCK
    cuts = [*starts[np.flatnonzero(np.diff(block, prepend=-1))], len(visits)]
    for low, high in pairwise(cuts):
        yield visits.take(np.arange(low, high))
