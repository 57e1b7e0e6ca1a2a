"""The event log: what happened, in columns, sorted so that a user's history is one slice.

A history is the only way by which a model sees the past: one user's events strictly before a moment, so nothing that
it is handed can come from after the question.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from driftline.data.kinds import INTERACTION, Kind
from driftline.data.vocabulary import Vocabulary
from driftline.errors import RequestError
from driftline.types import Rows, Times

if TYPE_CHECKING:
    import polars as pl


MOST_READ = 10_000
"""Models that count every event read the last so many of a history, so that one of a million answers in time."""

EVENTS_PER_BATCH = 4_000_000
"""How many events the histories of one batch may hold as they are read."""


@dataclass(frozen=True, eq=False)
class EventLog:
    """Events sorted by (user_row, time_us, file order); all columns have shape [n_events].

    `value` is NaN where an event has none. `extra` holds the columns that the log does not know by name
    (`session_id`, context), in the same order, or None. Events of one user with the same time are one *moment*:
    a set whose inner order means nothing.
    """

    users: Vocabulary
    items: Vocabulary
    kinds: tuple[Kind, ...]
    user_row: Rows
    item_row: Rows
    time_us: Times
    kind: NDArray[np.int8]
    value: NDArray[np.float32]
    extra: pl.DataFrame | None = None

    @classmethod
    def from_columns(
        cls,
        users: Vocabulary,
        items: Vocabulary,
        user_row: Rows,
        item_row: Rows,
        time_us: Times,
        *,
        kinds: Sequence[Kind] = (Kind(INTERACTION),),
        kind: NDArray[np.int8] | None = None,
        value: NDArray[np.float32] | None = None,
        extra: pl.DataFrame | None = None,
    ) -> EventLog:
        """Sort columns that come in file order into a log; ties of time keep the file's order."""
        order = np.lexsort((time_us, user_row))
        n = len(order)
        kind = np.zeros(n, np.int8) if kind is None else kind
        value = np.full(n, np.nan, np.float32) if value is None else value
        return cls(
            users,
            items,
            tuple(kinds),
            user_row[order].astype(np.int32, copy=False),
            item_row[order].astype(np.int32, copy=False),
            time_us[order].astype(np.int64, copy=False),
            kind[order],
            value[order],
            None if extra is None else extra[order],
        )

    def __len__(self) -> int:
        return len(self.user_row)

    @property
    def n_users(self) -> int:
        """How many users the vocabulary has; some may be without events here."""
        return len(self.users)

    @property
    def n_items(self) -> int:
        """How many items the vocabulary has; some may be without events here."""
        return len(self.items)

    @cached_property
    def user_offsets(self) -> NDArray[np.int64]:
        """Events of user u are rows `user_offsets[u]:user_offsets[u + 1]`; shape [n_users + 1]."""
        return np.searchsorted(self.user_row, np.arange(self.n_users + 1)).astype(np.int64)

    @cached_property
    def moment(self) -> NDArray[np.int64]:
        """A number per event that is equal for events of one user at one time; ascending; shape [n_events]."""
        if not len(self):
            return np.zeros(0, np.int64)
        new = (np.diff(self.user_row) != 0) | (np.diff(self.time_us) != 0)
        return np.concatenate([[0], np.cumsum(new)]).astype(np.int64)

    @cached_property
    def weight(self) -> NDArray[np.float32]:
        """What each event counts for by its kind; shape [n_events]."""
        return np.array([kind.weight for kind in self.kinds], np.float32)[self.kind]

    @cached_property
    def is_target(self) -> NDArray[np.bool_]:
        """Whether a model may be asked to predict the event; shape [n_events]."""
        return np.array([kind.target and kind.positive for kind in self.kinds], bool)[self.kind]

    @cached_property
    def by_time(self) -> NDArray[np.int64]:
        """The order that sorts all events by time alone; ties keep the order of the log."""
        return np.argsort(self.time_us, kind="stable")

    @cached_property
    def firsts(self) -> NDArray[np.int64]:
        """Positions of the events that are the first of their user and item, ascending.

        Those between the ends of a history are its distinct items, however often it repeats them.
        """
        pair = self.user_row.astype(np.int64) * max(self.n_items, 1) + self.item_row
        return np.sort(np.unique(pair, return_index=True)[1]).astype(np.int64)

    @property
    def first_us(self) -> int:
        """Time of the first event."""
        return int(self.time_us.min())

    @property
    def last_us(self) -> int:
        """Time of the last event."""
        return int(self.time_us.max())

    def select(self, keep: NDArray[np.bool_] | NDArray[np.int64]) -> EventLog:
        """The events of a mask (or of ascending positions) under the same vocabularies."""
        return replace(
            self,
            user_row=self.user_row[keep],
            item_row=self.item_row[keep],
            time_us=self.time_us[keep],
            kind=self.kind[keep],
            value=self.value[keep],
            extra=None if self.extra is None else self.extra.filter(keep) if keep.dtype == bool else self.extra[keep],
        )

    def before(self, time_us: int) -> EventLog:
        """The events strictly before a moment."""
        return self.select(self.time_us < time_us)

    @cached_property
    def positive(self) -> EventLog:
        """The events that are signs of interest: what models learn from and read."""
        keep = self.weight > 0
        return self if keep.all() else self.select(keep)

    def item_counts(self) -> NDArray[np.int64]:
        """How often each item occurs; shape [n_items]."""
        return np.bincount(self.item_row, minlength=self.n_items)

    def history(self, user_id: str, before: int) -> Histories:
        """One user's events strictly before a moment; empty for a user that the log does not know."""
        return histories(self, np.array([self.users.row(user_id)], np.int32), np.array([before], np.int64))


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

    def cuts(self, size: int) -> Iterator[slice]:
        """Consecutive slices of at most `size` queries, fewer where histories are long: each fits into memory."""
        ends = np.cumsum(np.minimum(self.lengths, MOST_READ))
        first, read = 0, 0
        while first < len(self):
            within = int(np.searchsorted(ends, read + EVENTS_PER_BATCH, side="right"))
            last = min(max(within, first + 1), first + size, len(self))
            yield slice(first, last)
            first, read = last, int(ends[last - 1])

    def batches(self, size: int) -> Iterator[Histories]:
        """The parts of `cuts`."""
        for part in self.cuts(size):
            yield self.take(part)

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
    """The events of each user strictly before each moment; row -1 (or a row beyond the log) has an empty history.

    `user_rows` and `before_us` are whole numbers of one shape [n_queries]; RequestError where they are not.
    """
    user_rows, before_us = np.asarray(user_rows), np.asarray(before_us)
    whole = all(np.issubdtype(numbers.dtype, np.integer) for numbers in (user_rows, before_us))
    if not whole or user_rows.ndim != 1 or user_rows.shape != before_us.shape:
        raise RequestError(
            "expected one whole number of a user and one moment in microseconds for each query, got "
            f"{user_rows.dtype}{list(user_rows.shape)} and {before_us.dtype}{list(before_us.shape)}"
        )
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
