"""Histories: one user's events strictly before a moment, many at once, as slices of a log.

This is the only way by which a model sees the past, so nothing that it is handed can come from after the question.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from driftline.data.events import EventLog
from driftline.types import Rows, Times


@dataclass(frozen=True, eq=False)
class Histories:
    """A batch of histories: query q is rows `start[q]:end[q]` of `log`, asked at `at_us[q]`.

    `user_row` is -1 for somebody whom the log does not know. All arrays have shape [n_queries].
    """

    log: EventLog
    start: NDArray[np.int64]
    end: NDArray[np.int64]
    at_us: Times
    user_row: Rows

    def __len__(self) -> int:
        return len(self.start)

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Number of events in each history."""
        return self.end - self.start

    def take(self, queries: NDArray[np.int64] | NDArray[np.bool_] | slice) -> Histories:
        """Some of the queries, in the order given."""
        return Histories(self.log, self.start[queries], self.end[queries], self.at_us[queries], self.user_row[queries])

    def batches(self, size: int) -> Iterator[Histories]:
        """Consecutive parts of at most `size` queries."""
        for first in range(0, len(self), size):
            yield self.take(slice(first, first + size))

    def last(self, n: int) -> Histories:
        """The same questions with only the last `n` events of each history."""
        return Histories(self.log, np.maximum(self.start, self.end - n), self.end, self.at_us, self.user_row)

    def flat(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """All events of all histories: (positions in the log, query of each), both shape [sum of lengths]."""
        lengths = self.lengths
        query = np.repeat(np.arange(len(self)), lengths)
        first = np.repeat(self.start - np.concatenate([[0], np.cumsum(lengths)[:-1]]), lengths)
        return np.arange(len(query)) + first, query

    def distinct(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """As `flat`, but each item of a history once; for whole histories, which begin with the user's first event."""
        firsts = self.log.firsts
        start, end = np.searchsorted(firsts, self.start), np.searchsorted(firsts, self.end)
        places, query = Histories(self.log, start, end, self.at_us, self.user_row).flat()
        return firsts[places], query

    def padded_items(self, n: int) -> Rows:
        """The last `n` items of each history, oldest first, right-aligned, padded with -1; shape [n_queries, n]."""
        positions = self.end[:, None] + np.arange(-n, 0)
        inside = positions >= self.start[:, None]
        if not len(self.log):
            return np.full(positions.shape, -1, np.int32)
        return np.where(inside, self.log.item_row[np.where(inside, positions, 0)], -1).astype(np.int32)


def histories(log: EventLog, user_rows: Rows, before_us: Times) -> Histories:
    """The events of each user strictly before each moment; row -1 (or a row beyond the log) has an empty history."""
    known = (user_rows >= 0) & (user_rows < log.n_users)
    safe = np.where(known, user_rows, 0)
    offsets = log.user_offsets if log.n_users else np.zeros(2, np.int64)
    start = np.where(known, offsets[safe], 0)
    end = _first_not_before(log.time_us, start, np.where(known, offsets[safe + 1], 0), before_us)
    return Histories(log, start, end, before_us.astype(np.int64), user_rows.astype(np.int32))


def histories_until(log: EventLog, positions: NDArray[np.int64]) -> Histories:
    """Everything of the same user that stands before each event in the log's order (the last-item protocol).

    Here ties of time are broken by file order: the input is every earlier row.
    """
    user = log.user_row[positions]
    return Histories(log, log.user_offsets[user], positions.astype(np.int64), log.time_us[positions], user)


def _first_not_before(
    time_us: Times, low: NDArray[np.int64], high: NDArray[np.int64], before_us: Times
) -> NDArray[np.int64]:
    """Bisect many slices of one array at once: the first place in `low:high` whose time is not before the moment."""
    low, high = low.copy(), high.copy()
    while (open_ := low < high).any():
        middle = (low + high) // 2
        earlier = open_ & (time_us[np.minimum(middle, len(time_us) - 1)] < before_us)
        low = np.where(earlier, middle + 1, low)
        high = np.where(open_ & ~earlier, middle, high)
    return low
