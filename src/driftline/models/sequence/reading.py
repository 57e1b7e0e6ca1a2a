"""Which part of which history has to be run through: what several questions share is run once."""

from __future__ import annotations

import numpy as np

from driftline.data.events import Histories
from driftline.models.sequence.steps import Ints, Steps, steps_of_histories

LONGEST = 500
"""Of a longer history at least its last so many moments are read, and less than twice as many: nothing of what came
before is left in a gated state, and a user of a million events answers in time."""


def shared_steps(histories: Histories, place: Ints, longest: int | None = None) -> tuple[Steps, Ints, Ints]:
    """Sequences, and for each question the sequence and the number of its steps that come before it.

    The questions that a user is asked one after the other read the same sequence up to different steps. At least the
    last `longest` moments are read (None: LONGEST).
    """
    shortened = _shortened(histories, LONGEST if longest is None else longest)
    wholes, which = _wholes(shortened)
    steps = steps_of_histories(wholes, place)
    return steps, which, _steps_before(shortened, wholes, which, place)


def _shortened(histories: Histories, longest: int) -> Histories:
    """Histories that begin at a moment that is a multiple of `longest`, so that later questions begin there too."""
    log = histories.log
    long = np.flatnonzero(histories.lengths > longest)
    if not len(long):
        return histories
    first, last = log.moment[histories.start[long]], log.moment[histories.end[long] - 1]
    skipped = np.maximum((last - first + 1) // longest - 1, 0) * longest
    start = histories.start.copy()
    start[long] = np.maximum(start[long], np.searchsorted(log.moment, first + skipped))
    return Histories(log, start, histories.end, histories.at_us, histories.user_row)


def _wholes(histories: Histories) -> tuple[Histories, Ints]:
    """The longest history of each start, and whose it is for every question; one that ends inside a moment is alone."""
    log, start, end = histories.log, histories.start, histories.end
    after = np.minimum(end, len(log) - 1)
    inside = (end > start) & (end < len(log)) & (log.moment[after] == log.moment[end - 1]) if len(log) else end < start
    alone = np.where(inside, end, -1)
    _, first, which = np.unique(start * (len(log) + 2) + alone, return_index=True, return_inverse=True)
    longest = np.zeros(len(first), np.int64)
    np.maximum.at(longest, which, end)
    return Histories(log, start[first], longest, histories.at_us[first], histories.user_row[first]), which


def _steps_before(histories: Histories, wholes: Histories, which: Ints, place: Ints) -> Ints:
    """How many steps each question's own history has."""
    log = histories.log
    positions, _ = wholes.flat()
    if not len(positions):
        return np.zeros(len(histories), np.int64)
    item_row = log.item_row[positions]
    known = (item_row < len(place)) & (log.weight[positions] > 0)
    known[known] = place[item_row[known]] >= 0
    steps = np.zeros(len(positions) + 1, np.int64)
    group = np.flatnonzero(known)
    moment = log.moment[positions[group]]
    begins = np.concatenate([[0], np.cumsum(wholes.lengths)])
    whole = np.searchsorted(begins, group, side="right") - 1
    new = np.diff(moment, prepend=-1).astype(bool) | np.diff(whole, prepend=-1).astype(bool)
    steps[group + 1] = new
    steps = np.cumsum(steps)
    ends = begins[which] + histories.end - wholes.start[which]
    before: Ints = steps[ends] - steps[begins[which]]
    return before
