"""Behaviour as steps: the items of one moment are one set, a user's moments in order are a sequence."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from driftline.data.events import EventLog, Histories

Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Steps:
    """Sequences of sets: sequence s has steps `sequence[s]:sequence[s+1]`, step t items `item[step[t]:step[t+1]]`."""

    item: Ints
    step: Ints
    sequence: Ints

    @property
    def lengths(self) -> Ints:
        """Steps per sequence."""
        return np.diff(self.sequence)

    def __len__(self) -> int:
        return len(self.sequence) - 1

    def take(self, which: Ints) -> Steps:
        """Some of the sequences, in the order given."""
        steps = _ranges(self.sequence[which], self.sequence[which + 1])
        items = _ranges(self.step[steps], self.step[steps + 1])
        sizes = self.step[steps + 1] - self.step[steps]
        return Steps(self.item[items], _offsets(sizes), _offsets(self.lengths[which]))


def steps_of_histories(histories: Histories, max_length: int) -> Steps:
    """The last `max_length` moments of each history."""
    positions, query = histories.flat()
    moment = histories.log.moment[positions]
    new = np.ones(len(positions), bool)
    new[1:] = (np.diff(moment) != 0) | (np.diff(query) != 0)
    starts = np.flatnonzero(new)
    per_query = np.bincount(query[starts], minlength=len(histories))
    ends = np.cumsum(per_query)
    first = ends - np.minimum(per_query, max_length)
    bounds = np.append(starts, len(positions))
    kept = _ranges(first, ends)
    items = _ranges(bounds[kept], bounds[kept + 1])
    item = histories.log.item_row[positions[items]].astype(np.int64)
    return Steps(item, _offsets(np.diff(bounds)[kept]), _offsets(np.minimum(per_query, max_length)))


def training_steps(log: EventLog, max_length: int) -> Steps:
    """Every user's moments cut into windows of `max_length` + 1 that share their end with the next one's start.

    A window of n moments asks n - 1 times for the next one; a user with a single moment teaches nothing.
    """
    starts = np.flatnonzero(np.concatenate([[True], np.diff(log.moment) != 0])) if len(log) else np.zeros(0, np.int64)
    bounds = np.append(starts, len(log)).astype(np.int64)
    per_user = np.bincount(log.user_row[starts], minlength=log.n_users).astype(np.int64)
    user_first = np.cumsum(per_user) - per_user
    n_windows = np.maximum(-(-(per_user - 1) // max_length), 0)
    window = _ranges(np.zeros_like(n_windows), n_windows)
    user = np.repeat(np.arange(log.n_users), n_windows)
    first = user_first[user] + window * max_length
    last = np.minimum(first + max_length + 1, user_first[user] + per_user[user])
    steps = _ranges(first, last)
    items = _ranges(bounds[steps], bounds[steps + 1])
    return Steps(log.item_row[items].astype(np.int64), _offsets(np.diff(bounds)[steps]), _offsets(last - first))


def _ranges(first: Ints, last: Ints) -> Ints:
    """The numbers first[0]:last[0], first[1]:last[1], … one after the other."""
    lengths = last - first
    shift = np.repeat(first - _offsets(lengths)[:-1], lengths)
    return np.arange(int(lengths.sum()), dtype=np.int64) + shift


def _offsets(sizes: Ints) -> Ints:
    return np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
