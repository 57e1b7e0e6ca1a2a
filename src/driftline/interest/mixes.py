"""The mix of topics of everybody, as it was at a moment: what little-known users are drawn toward."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from driftline.data.events import EventLog
from driftline.interest.state import Counts, HalfLife
from driftline.interest.topics import Topics
from driftline.types import Times

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
    mixes = np.empty((len(moments), len(topics)))
    totals, done, clock = np.zeros(len(topics)), 0, int(times[0]) if len(times) else 0
    for place, end in enumerate(np.searchsorted(times, moments).tolist()):
        now = int(moments[place])
        if end > done:
            totals = totals * _remaining(half_life, now - clock)
            totals = totals + _sums(topics, items[done:end], half_life, now - times[done:end])
            done, clock = end, now
        mixes[place] = smoothed(totals * _remaining(half_life, now - clock))
    return np.asarray(mixes[back], np.float64)


def smoothed(totals: Counts) -> Counts:
    """Totals as shares, with `EVENNESS` events spread over all topics."""
    n_topics = max(totals.shape[-1], 1)
    return np.asarray((totals + EVENNESS / n_topics) / (totals.sum(axis=-1, keepdims=True) + EVENNESS), np.float64)


def whole_mix(log: EventLog, topics: Topics) -> Counts:
    """Topic shares of all positive events of a log, whenever they were; shape [n_topics]."""
    items = log.positive.item_row
    return smoothed(np.asarray(topics.of_items(items).sum(axis=0), np.float64).ravel())


def _sums(topics: Topics, items: NDArray[np.int32], half_life: HalfLife, age_us: NDArray[np.int64]) -> Counts:
    worth = half_life.remaining(age_us, age_us)
    by_item = np.bincount(items, weights=worth, minlength=topics.weights.shape[0])
    n_known = topics.weights.shape[0]
    return np.asarray(by_item[:n_known] @ topics.weights, np.float64).ravel()


def _remaining(half_life: HalfLife, age_us: int) -> float:
    age = np.array([age_us], np.int64)
    return float(half_life.remaining(age, age)[0])
