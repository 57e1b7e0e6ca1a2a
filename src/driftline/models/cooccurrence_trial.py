"""Trying settings of the co-occurrence kernel on validation, without rows of scores for what has no evidence."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from driftline.data.events import EventLog
from driftline.data.targets import Targets
from driftline.models.choosing import gain_of_ranks, sampled
from driftline.models.pairs import Fade, Pairing, Powers, Visits, decayed_pairs, fastest
from driftline.models.reading import Reading, read_moments
from driftline.types import Rows

QUESTIONS = 6_000
"""How many questions are asked at most: settings that differ by .001 are told apart by thousands, not by hundreds."""

FEWEST_QUESTIONS = 1_000
"""How many are asked however long the rows of the kernel are."""

CELLS = 30_000_000
"""How many cells of the kernel the questions may read in one trial."""

DENSE_CELL = 0.2
"""What reading a cell of a dense kernel takes beside one of a sparse kernel: neighbours lie side by side in memory."""

CELLS_AT_ONCE = 10_000_000
"""How many of them are held at once (80 MB)."""

EVENTS = 1_000_000
"""From a log of more events than this, trials count the pairs of an even sample of the users."""


Likeness: TypeAlias = "sparse.csr_matrix | NDArray[np.float32]"
"""A kernel, or scores, in the form that is multiplied fastest."""


class Trial:
    """The gain of settings on validation; what two trials have in common is computed once.

    Ranks are those of `metrics.ranks` where a target has evidence; a target without counts as missed, since what stands
    before it is more than a slate. Only items that occur in the log have evidence, and those may all be ranked.
    """

    def __init__(self, log: EventLog, validation: Targets, first: Pairing, reading: Reading) -> None:
        self._n_items = log.n_items
        self._now_us = log.last_us
        self._visits = _even_users(Visits.of(log), EVENTS)
        self._directed = lru_cache(maxsize=3)(self._count)
        self._pairs = lru_cache(maxsize=2)(self._combine)
        self._likeness = lru_cache(maxsize=2)(self._normalise)
        self._read = lru_cache(maxsize=2)(self._weights)
        self._asked = Questions(sampled(validation, QUESTIONS), self._n_items)
        cells = cells_read(self._read(reading), fastest(self._pairs(first)))
        if cells.sum() > CELLS:
            most = max(FEWEST_QUESTIONS, int(CELLS / cells.mean()))
            self._asked = Questions(sampled(validation, min(QUESTIONS, most)), self._n_items)
            self._read.cache_clear()

    def gain(self, pairing: Pairing, powers: Powers, reading: Reading) -> float:
        """NDCG@10 of the questions, averaged within each user, then over users."""
        likeness = self._likeness(pairing, powers)
        return self._asked.gain(self._read(reading), likeness)

    def _count(self, window: int, decay: float, gap: float | None, half_life: float | None) -> sparse.csr_matrix:
        return decayed_pairs(self._visits, self._n_items, window, decay, Fade(gap, half_life, self._now_us))

    def _combine(self, pairing: Pairing) -> sparse.csr_matrix:
        fades = (pairing.gap_half_life_days, pairing.half_life_days)
        return pairing.of(lambda decay: self._directed(pairing.window, decay, *fades))

    def _normalise(self, pairing: Pairing, powers: Powers) -> Likeness:
        return fastest(powers.of(self._pairs(pairing)))

    def _weights(self, reading: Reading) -> sparse.csr_matrix:
        return read_moments(self._asked.targets.histories, self._n_items, reading)


class Questions:
    """Targets, and the items of their histories where those may not be ranked."""

    def __init__(self, targets: Targets, n_items: int) -> None:
        self.targets = targets
        self._query, self._item = np.zeros(0, np.int64), np.zeros(0, np.int32)
        if targets.repeats == "exclude":
            positions, query = targets.histories.distinct()
            item = targets.histories.log.item_row[positions]
            self._query, self._item = query[item < n_items], item[item < n_items]

    def gain(self, weights: sparse.csr_matrix, likeness: Likeness) -> float:
        """The gain of `weights @ likeness`, a few rows at a time."""
        ranks = np.full(len(self.targets), np.inf)
        for low, high in _blocks(cells_read(weights, likeness)):
            scores = weights[low:high] @ likeness
            first, last = np.searchsorted(self.targets.query, [low, high])
            asked = self.targets.query[first:last] - low, self.targets.item_row[first:last]
            begin, end = np.searchsorted(self._query, [low, high])
            ranks[first:last] = evident_ranks(scores, asked, (self._query[begin:end] - low, self._item[begin:end]))
        return gain_of_ranks(ranks, self.targets)


Cells = tuple[NDArray[np.int64], Rows]
"""Queries, ascending, and items."""


def evident_ranks(scores: Likeness, asked: Cells, had: Cells) -> NDArray[np.float64]:
    """The mean rank of each cell asked among the positive scores of its query, without those of what was had.

    Infinite where there is no score, and for what was had. Shape [n_asked].
    """
    own, passed = _at(scores, asked), _at(scores, had)
    starts = np.searchsorted(had[0], np.arange(scores.shape[0] + 1))
    ranks = np.full(len(own), np.inf)
    for place in np.flatnonzero(own > 0):
        query, item, value = asked[0][place], asked[1][place], own[place]
        row = _row(scores, query)
        mine = slice(starts[query], starts[query + 1])
        if item in had[1][mine]:
            continue
        above = np.count_nonzero(row > value) - np.count_nonzero(passed[mine] > value)
        tied = np.count_nonzero(row == value) - np.count_nonzero(passed[mine] == value)
        ranks[place] = above + (tied - 1) / 2
    return ranks


def _row(scores: Likeness, query: np.int64) -> NDArray[np.float32]:
    """The scores of one query, at least those that are not zero."""
    if isinstance(scores, np.ndarray):
        return np.asarray(scores[query])
    return np.asarray(scores.data[scores.indptr[query] : scores.indptr[query + 1]])


def _at(scores: Likeness, cells: Cells) -> NDArray[np.float32]:
    """Scores of cells; 0 for an item that the kernel does not know; [n_cells]."""
    query, item = cells
    inside = item < scores.shape[1]
    values = np.zeros(len(query), np.float32)
    values[inside] = np.asarray(scores[query[inside], item[inside]]).ravel()
    return values


def cells_read(weights: sparse.csr_matrix, likeness: Likeness) -> NDArray[np.float64]:
    """How many cells of the kernel each query reads, those of a dense one at their own price; [n_queries]."""
    if isinstance(likeness, np.ndarray):
        return np.asarray(np.diff(weights.indptr) * (likeness.shape[1] * DENSE_CELL), np.float64)
    lengths = np.concatenate([[0], np.cumsum(np.diff(likeness.indptr)[weights.indices], dtype=np.int64)])
    return np.asarray(np.diff(lengths[weights.indptr]), np.float64)


def _blocks(cells: NDArray[np.float64]) -> Iterator[tuple[int, int]]:
    """Consecutive ranges of queries that read about `CELLS_AT_ONCE` together."""
    block = np.cumsum(cells) // CELLS_AT_ONCE
    cuts = np.flatnonzero(np.diff(block, prepend=-1, append=-1))
    yield from zip(cuts[:-1].tolist(), cuts[1:].tolist(), strict=True)


def _even_users(visits: Visits, most: int) -> Visits:
    """All visits, or where they are more than `most` those of users evenly from all."""
    if len(visits) <= most:
        return visits
    new_user = np.diff(visits.user_row, prepend=-1) != 0
    place = np.cumsum(new_user) - 1
    return visits.take((place * most) // len(visits) != ((place - 1) * most) // len(visits))
