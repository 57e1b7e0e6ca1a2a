"""The mix of topics of everybody, as it was at a moment: what little-known users are drawn toward."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from driftline.data.events import EventLog
from driftline.interest.state import Counts, HalfLife
from driftline.interest.topics import Topics
from driftline.types import Rows, Times

EVENNESS = 1.0
"""How many events, spread evenly over all topics, everybody together is thought to have had before the first."""


def global_mixes(log: EventLog, topics: Topics, at_us: Times, half_life: HalfLife) -> Counts:
    """Topic shares of all positive events strictly before each moment, faded by a wall-clock half-life.

    Rows sum to 1; even shares before the first event. Each event counts alike whoever did it. No event at or after a
    moment is read for it. `at_us` in any order; shape [n_moments, n_topics].
    """
    events = log.positive
    order = events.by_time
    times, items = events.time_us[order], events.item_row[order]
    moments, back = np.unique(at_us, return_inverse=True)
    entered = _between(topics, items, times, moments, half_life)
    waits = np.diff(moments, prepend=moments[:1])
    totals = np.zeros_like(entered)
    kept = half_life.remaining(waits, waits)
    held = np.zeros(len(topics))
    for place in range(len(moments)):
        held = held * kept[place] + entered[place]
        totals[place] = held
    return np.asarray(smoothed(totals)[back], np.float64)


def smoothed(totals: Counts) -> Counts:
    """Totals as shares, with `EVENNESS` events spread over all topics."""
    n_topics = max(totals.shape[-1], 1)
    return np.asarray((totals + EVENNESS / n_topics) / (totals.sum(axis=-1, keepdims=True) + EVENNESS), np.float64)


def whole_mix(log: EventLog, topics: Topics) -> Counts:
    """Topic shares of all positive events of a log, whenever they were; shape [n_topics]."""
    items = log.positive.item_row
    return smoothed(np.asarray(topics.of_items(items).sum(axis=0), np.float64).ravel())


def _between(topics: Topics, items: Rows, times: Times, moments: Times, half_life: HalfLife) -> Counts:
    """What came from each moment's predecessor to it, faded at it; `times` and `moments` ascend; [n_moments, n_topics].

    One product for all: the items of each stretch, weighed by what is left of them, times their topics.
    """
    ends = np.searchsorted(times, moments)
    n_read = int(ends[-1]) if len(ends) else 0
    stretch = np.repeat(np.arange(len(moments)), np.diff(ends, prepend=0))
    age = moments[stretch] - times[:n_read]
    shape = (len(moments), topics.weights.shape[0])
    known = items[:n_read] < shape[1]
    cells = (half_life.remaining(age, age)[known], (stretch[known], items[:n_read][known]))
    return np.asarray((sparse.csr_matrix(cells, shape=shape) @ topics.weights).toarray(), np.float64)
