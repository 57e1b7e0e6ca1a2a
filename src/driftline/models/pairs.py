"""Pairs of items within a user's history: moments as sets, counted by sparse products."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from driftline.data.events import EventLog
from driftline.types import US_PER_DAY, Rows, Times

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


@dataclass(frozen=True)
class Fade:
    """How pairs lose weight with wall-clock time; a half-life of None: not at all.

    `gap_half_life_days` is that of the time between the two, `half_life_days` that of the time from the later one to
    `now_us`.
    """

    gap_half_life_days: float | None = None
    half_life_days: float | None = None
    now_us: int = 0

    def since(self, time_us: Times) -> NDArray[np.float64]:
        """What is left now of something that happened at a time; the shape of `time_us`."""
        return half_left(self.now_us - time_us, self.half_life_days)

    def between(self, first_us: Times, second_us: Times) -> NDArray[np.float64]:
        """What is left of pairs; the shape of the times."""
        return half_left(second_us - first_us, self.gap_half_life_days) * self.since(second_us)


NO_FADE = Fade()


@dataclass(frozen=True)
class Pairing:
    """How pairs are counted: `S = W(gap_decay) + backward · W(backward_decay)ᵀ`, with W as in `decayed_pairs`.

    A backward decay of None is that of the gap.
    """

    window: int
    gap_decay: float
    backward: float
    backward_decay: float | None
    gap_half_life_days: float | None
    half_life_days: float | None

    def count(self, visits: Visits, n_items: int, now_us: int) -> sparse.csr_matrix:
        """S as of `now_us`; [n_items, n_items] float64."""
        fade = Fade(self.gap_half_life_days, self.half_life_days, now_us)
        return self.of(lambda decay: decayed_pairs(visits, n_items, self.window, decay, fade))

    def of(self, directed: Callable[[float], sparse.csr_matrix]) -> sparse.csr_matrix:
        """S from what gives W for a decay."""
        forward = directed(self.gap_decay)
        if not self.backward:
            return forward
        decay = self.gap_decay if self.backward_decay is None else self.backward_decay
        other = forward if decay == self.gap_decay else directed(decay)
        return sparse.csr_matrix(forward + self.backward * other.T)


@dataclass(frozen=True)
class Powers:
    """How counts become likeness: `(S / (row sum^row · column sum^column))^whole`."""

    row: float = 0.5
    column: float = 0.5
    whole: float = 1.0

    def of(self, pairs: sparse.csr_matrix) -> sparse.csr_matrix:
        """The likeness of items; [n_items, n_items] float32."""
        rows = _inverse_power(np.asarray(pairs.sum(axis=1)).ravel(), self.row)
        columns = _inverse_power(np.asarray(pairs.sum(axis=0)).ravel(), self.column)
        data = pairs.data * np.repeat(rows, np.diff(pairs.indptr)) * columns[pairs.indices]
        # The difference of two counts may leave a rounding error below zero, which has no root.
        data = data if self.whole == 1 else np.maximum(data, 0) ** self.whole
        return sparse.csr_matrix((data.astype(np.float32), pairs.indices, pairs.indptr), shape=pairs.shape)


@dataclass(frozen=True, eq=False)
class Kernel:
    """Pair weights S [n_items, n_items] float64, and what they come to between items."""

    pairs: sparse.csr_matrix
    powers: Powers

    @cached_property
    def normalised(self) -> sparse.csr_matrix:
        """The likeness of items by the powers; [n_items, n_items] float32."""
        return self.powers.of(self.pairs)

    @cached_property
    def strength(self) -> float:
        """The largest likeness of an item to another, on average over the items that have any."""
        rows = np.repeat(np.arange(self.normalised.shape[0]), np.diff(self.normalised.indptr))
        largest = np.zeros(self.normalised.shape[0], np.float32)
        np.maximum.at(largest, rows, np.where(rows == self.normalised.indices, 0, self.normalised.data))
        return float(largest[largest > 0].mean()) if (largest > 0).any() else 0.0

    @cached_property
    def _fastest(self) -> sparse.csr_matrix | NDArray[np.float32]:
        return fastest(self.normalised)

    def read(self, weights: sparse.csr_matrix) -> NDArray[np.float32]:
        """The sum of the rows of items, weighted; [n_queries, n_items]."""
        product = weights @ self._fastest
        return np.asarray(product.toarray() if sparse.issparse(product) else product)


def fastest(likeness: sparse.csr_matrix) -> sparse.csr_matrix | NDArray[np.float32]:
    """The form in which a kernel is multiplied fastest."""
    filled = likeness.nnz / max(likeness.shape[0] ** 2, 1)
    return np.asarray(likeness.toarray(), np.float32) if filled > DENSE_ABOVE else likeness


def half_left(elapsed_us: Times, half_life_days: float | None) -> NDArray[np.float64]:
    """`2^(-elapsed / half-life)`; 1 where there is no half-life."""
    if half_life_days is None:
        return np.ones(len(elapsed_us))
    return np.asarray(np.exp2(-(elapsed_us / (half_life_days * US_PER_DAY))), np.float64)


def _inverse_power(sums: NDArray[np.float64], power: float) -> NDArray[np.float64]:
    """`sum^-power`, and 0 where there is nothing."""
    there = sums > 0
    return np.where(there, np.where(there, sums, 1.0) ** -power, 0.0)


def decayed_pairs(
    visits: Visits, n_items: int, window: int, gap_decay: float, fade: Fade = NO_FADE
) -> sparse.csr_matrix:
    """`W = Σ gap_decay^(gap - 1) · fade` over pairs at most `window` moments apart; [n_items, n_items] float64.

    Pairs inside a moment count half in each order, as if it were unknown which came first. Each item of a moment of m
    weighs `1 / √m`, so a pair of two such moments weighs 1/m: a basket is not worth its square.
    """
    total = sparse.csr_matrix((n_items, n_items), dtype=np.float64)
    for block in _blocks(visits):
        sets, user, time_us = _sets(block, n_items)
        band = _band(user, time_us, window, gap_decay, fade)
        total = total + sets.T @ (band @ sets) + _within(sets, fade.since(time_us))
    return sparse.csr_matrix(total)


def _sets(visits: Visits, n_items: int) -> tuple[sparse.csr_matrix, Rows, Times]:
    """Each moment as a row of the unit-length set of its items [n_moments, n_items], its user and its time."""
    moment = visits.moment
    once = np.unique(moment * np.int64(n_items) + visits.item_row, return_index=True)[1]
    place = np.arange(len(once)) - np.searchsorted(moment[once], moment[once])
    once = once[place < LARGEST_MOMENT]
    size = np.bincount(moment[once])
    values = visits.weight[once].astype(np.float64) / np.sqrt(size[moment[once]])
    first = np.flatnonzero(np.diff(moment, prepend=-1))
    sets = sparse.csr_matrix((values, (moment[once], visits.item_row[once])), shape=(len(first), n_items))
    return sets, visits.user_row[first], visits.time_us[first]


def _band(user: Rows, time_us: Times, window: int, gap_decay: float, fade: Fade) -> sparse.csr_matrix:
    """`gap_decay^(gap - 1) · fade` for a moment and those that follow it in the window; [n_moments, n_moments]."""
    n = len(user)
    gaps = [gap for gap in range(1, min(window, n - 1) + 1) if gap_decay > 0 or gap == 1]
    first = [np.flatnonzero(user[:-gap] == user[gap:]) for gap in gaps]
    values = [np.full(len(places), float(gap_decay) ** (gap - 1)) for gap, places in zip(gaps, first, strict=True)]
    second = [places + gap for gap, places in zip(gaps, first, strict=True)]
    rows, columns = (np.concatenate([*parts, np.zeros(0, np.int64)]) for parts in (first, second))
    data = np.concatenate([*values, np.zeros(0)]) * fade.between(time_us[rows], time_us[columns])
    return sparse.csr_matrix((data, (rows, columns)), shape=(n, n))


def _within(sets: sparse.csr_matrix, left: NDArray[np.float64]) -> sparse.csr_matrix:
    """Half of each pair of two items of one moment, in either order, times what is `left` of the moment [n_moments].

    An item is no pair with itself.
    """
    some = np.flatnonzero(np.diff(sets.indptr) > 1)
    several = sets[some]
    both = (several.T @ several.multiply(left[some, None])).tocoo()
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
