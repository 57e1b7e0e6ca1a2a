"""Behaviour as steps: the items of one moment are one set, a user's moments in order are a sequence."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from driftline.data.events import EventLog, Histories
from driftline.types import Rows

Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Steps:
    """Sequences of sets: sequence s has the steps `sequence[s]:sequence[s + 1]`, step t `item[step[t]:step[t + 1]]`.

    Step t was at `time_us[t]`. The items of a step are different and ascending, so nothing depends on the order in
    which a basket was written.
    """

    item: Ints
    step: Ints
    sequence: Ints
    time_us: Ints

    def __len__(self) -> int:
        return len(self.sequence) - 1

    @property
    def lengths(self) -> Ints:
        """How many steps each sequence has."""
        return np.diff(self.sequence)

    @property
    def sizes(self) -> Ints:
        """How many items each step has."""
        return np.diff(self.step)

    def take(self, which: Ints) -> Steps:
        """Some of the sequences, in the order given."""
        return self.parts(self.sequence[which], self.sequence[which + 1])

    def parts(self, first: Ints, last: Ints) -> Steps:
        """New sequences out of the steps `first[s]:last[s]`."""
        steps = ranges(first, last)
        items = ranges(self.step[steps], self.step[steps + 1])
        return Steps(self.item[items], offsets(self.sizes[steps]), offsets(last - first), self.time_us[steps])

    def windows(self, length: int) -> Steps:
        """Cut into parts of at most `length + 1` steps, the last step of one being the first of the next.

        A window of n steps asks n - 1 times what comes next; a sequence of a single step asks nothing and is left out.
        """
        n_windows = np.maximum(-(-(self.lengths - 1) // length), 0)
        which = np.repeat(np.arange(len(self)), n_windows)
        first = self.sequence[which] + ranges(np.zeros_like(n_windows), n_windows) * length
        return self.parts(first, np.minimum(first + length + 1, self.sequence[which + 1]))


def steps_of(sequence: Ints, moment: Ints, time_us: Ints, item: Ints, n_sequences: int) -> Steps:
    """Events as steps: `sequence` ascending, `moment` ascending within it, `item` in any order; all [n_events].

    Events of one moment have one time.
    """
    if not len(item):
        return Steps(item, np.zeros(1, np.int64), np.zeros(n_sequences + 1, np.int64), item)
    order = np.lexsort((item, moment, sequence))
    sequence, moment, item = sequence[order], moment[order], item[order]
    new_step = _changes(sequence) | _changes(moment)
    once = new_step | _changes(item)
    starts = np.flatnonzero(new_step[once])
    lengths = np.bincount(sequence[new_step], minlength=n_sequences)
    return Steps(
        item[once], np.append(starts, int(once.sum())).astype(np.int64), offsets(lengths), time_us[order[new_step]]
    )


def places(known: Rows, n_items: int) -> Ints:
    """The row of each item in a network whose row r is item `known[r]`, -1 for one that it does not know; [n_items]."""
    place = np.full(n_items, -1, np.int64)
    place[known] = np.arange(len(known))
    return place


def steps_of_log(log: EventLog, place: Ints) -> Steps:
    """One sequence per user, of the items that have a place in the network."""
    item = place[log.item_row]
    known = item >= 0
    user_row = log.user_row[known].astype(np.int64)
    return steps_of(user_row, log.moment[known], log.time_us[known], item[known], log.n_users)


def steps_of_histories(histories: Histories, place: Ints) -> Steps:
    """One sequence per history, of its positive events with known items; a moment that has none of them is no step."""
    log = histories.log
    if not len(log):
        nothing = np.zeros(0, np.int64)
        return steps_of(nothing, nothing, nothing, nothing, len(histories))
    positions, query = histories.flat()
    item_row = log.item_row[positions]
    item = np.where(item_row < len(place), place[np.minimum(item_row, len(place) - 1)], -1)
    keep = (item >= 0) & (log.weight[positions] > 0)
    there = positions[keep]
    return steps_of(query[keep], log.moment[there], log.time_us[there], item[keep], len(histories))


def ranges(first: Ints, last: Ints) -> Ints:
    """The numbers first[0]:last[0], then first[1]:last[1], … in one array."""
    lengths = last - first
    shift = np.repeat(first - offsets(lengths)[:-1], lengths)
    return np.arange(len(shift)) + shift


def offsets(sizes: Ints) -> Ints:
    """Where parts of these sizes begin, and where the last one ends; shape [n + 1]."""
    return np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)


def _changes(values: Ints) -> NDArray[np.bool_]:
    """Where a value differs from the one before it; the first always does."""
    return np.concatenate([[True], np.diff(values) != 0])
