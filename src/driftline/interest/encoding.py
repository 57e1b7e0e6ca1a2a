"""Interest states out of histories: of one user event by event, of many at once, and many on disk."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from driftline.data.events import EventLog, Histories
from driftline.errors import RunError
from driftline.interest.dynamics import half_life_json
from driftline.interest.evidence import RatingScale, event_weights
from driftline.interest.state import GAP_STEPS, NO_TOPIC, RING, Counts, Event, Evidence, HalfLife, InterestState, Scales
from driftline.interest.storage import read_part, write_part
from driftline.types import ALWAYS

Packed = NDArray[np.uint8]
"""States of many, one a row; [n_states, bytes]."""

AT_ONCE = 1_000
"""How many states are made at once: their topics are a dense array while they are sorted by strength."""


def state_of(histories: Histories, scales: Scales, ratings: RatingScale) -> InterestState:
    """The state of one user after a history, one step per event in the order of time."""
    own = histories.log.select(np.arange(histories.start[0], histories.end[0]))
    state = scales.new()
    columns = own.time_us, own.item_row, event_weights(own, ratings), own.kind
    for time_us, item, weight, kind in zip(*(column.tolist() for column in columns), strict=True):
        state = state.step(Event(time_us, item, weight, kind))
    return state


def followed(
    state: InterestState, event: Event, history: Callable[[], Histories], ratings: RatingScale
) -> InterestState:
    """The state after one more event, whenever it was: a late one replays the user's history, which has it too."""
    return state.step(event) if event.time_us >= state.time_us else state_of(history(), state.scales, ratings)


def encoded(histories: Histories, scales: Scales, ratings: RatingScale) -> Packed:
    """The states of many users after their histories: the batch twin of `InterestState.step`.

    The numbers are those of steps to the rounding of float32. Who has had more topics than there are places has the
    strongest of them all here, while steps must let go of one before they know what comes.
    """
    weights = event_weights(histories.log, ratings)
    rows = _that_count(histories.log, weights)
    start, end = np.searchsorted(rows, histories.start), np.searchsorted(rows, histories.end)
    log, weights = histories.log.select(rows), weights[rows]
    found = np.zeros((len(histories), scales.dtype.itemsize), np.uint8)
    records = found.view(scales.dtype)[:, 0]
    records["time_us"], records["first_us"], records["topic"], records["version"] = (
        ALWAYS,
        ALWAYS,
        NO_TOPIC,
        end - start,
    )
    some = np.flatnonzero(end > start)
    records["time_us"][some], records["first_us"][some] = log.time_us[end[some] - 1], log.time_us[start[some]]
    for part in np.array_split(some, -(-len(some) // AT_ONCE)) if len(some) else []:
        # As of the last event of each, where a state stands.
        own = Histories(log, start[part], end[part], records["time_us"][part], histories.user_row[part])
        made = records[part]
        _fill_vectors(made, own, scales, ratings, weights)
        _fill_topics(made, Evidence.of(own, ratings, weights), scales)
        _fill_ring(made, own)
        records[part] = made
    return found


def write_states(folder: Path, name: str, scales: Scales, packed: Packed) -> None:
    """Write states as `NAME.npz` and `NAME.json`; SaveError where that fails."""
    write_part(folder, name, _told(scales), {"packed": packed})


def read_states(folder: Path, name: str, scales: Scales) -> Packed:
    """The states that `write_states` wrote, bit for bit; RunError where they are damaged or of other scales."""
    document, arrays = read_part(folder, name)
    if document != _told(scales) or arrays["packed"].shape[1:] != (scales.dtype.itemsize,):
        raise RunError(f"expected {name} in {folder} of these half-lives and widths, got others; encode the histories")
    return arrays["packed"]


def _told(scales: Scales) -> dict[str, object]:
    return {
        "half_lives": [half_life_json(one) for one in scales.half_lives],
        "topic_half_lives": [half_life_json(one) for one in scales.topic_half_lives],
        "dim": scales.vectors.shape[1],
        "gates": scales.gates is not None,
        "n_topics": scales.topics.shape[1],
    }


def _that_count(log: EventLog, weights: Counts) -> NDArray[np.int64]:
    """Rows of signs of interest, an item of one kind once a moment; ascending."""
    rows = np.flatnonzero(weights > 0)
    columns = log.kind[rows], log.item_row[rows], log.moment[rows]
    order = np.lexsort((rows, *columns))
    again = np.zeros(len(rows), bool)
    again[order[1:]] = np.all([column[order[1:]] == column[order[:-1]] for column in columns], axis=0)
    return rows[~again]


def _fill_vectors(
    records: NDArray[np.void], own: Histories, scales: Scales, ratings: RatingScale, weights: Counts
) -> None:
    """The sums at every half-life, and the part of the last moment; where there are gates only their items count."""
    log = own.log
    known = np.flatnonzero(_has_gate(log, scales))
    start, end = np.searchsorted(known, own.start), np.searchsorted(known, own.end)
    last = log.moment[own.end - 1]
    read = Histories(log.select(known), start, end, own.at_us, own.user_row)
    evidence = Evidence.of(read, ratings, weights[known] if scales.gates is None else np.ones(len(known)))
    ends = np.concatenate([[0], np.cumsum(read.lengths)])
    items, n_items = read.log.item_row[evidence.row], len(scales.entered)
    own_weight = np.where(items < n_items, evidence.weight, 0.0)
    items = np.minimum(items, max(n_items - 1, 0))
    entered = scales.entered.astype(np.float64)

    def total(worth: Counts) -> NDArray[np.float64]:
        if not n_items:
            return np.zeros((len(own), entered.shape[1]))
        return np.asarray(sparse.csr_matrix((own_weight * worth, items, ends), shape=(len(own), n_items)) @ entered)

    for place, one in enumerate(scales.half_lives):
        records["sums"][:, place] = total(one.remaining(evidence.age_us, evidence.age_events))
    records["open"] = total((log.moment[known[evidence.row]] == last[evidence.query]).astype(np.float64))


def _has_gate(log: EventLog, scales: Scales) -> NDArray[np.bool_]:
    """Which events move vectors; shape [n_events]."""
    if scales.gates is None:
        return np.ones(len(log), bool)
    n_known = len(scales.gates)
    return np.asarray(np.append(scales.gates, 0)[np.minimum(log.item_row, n_known)] > 0, bool)


def _fill_topics(records: NDArray[np.void], evidence: Evidence, scales: Scales) -> None:
    """Counts of all topics, or of the strongest by name, those that last first, and the rest of them as other."""
    counts = np.stack([_topics(evidence, scales, one) for one in scales.topic_half_lives], axis=1)
    best = np.argsort(-counts[:, -1], axis=1, kind="stable")[:, : scales.n_places]
    if not scales.holds_all:
        records["topic"] = np.where(np.take_along_axis(counts[:, -1], best, 1) > 0, best, NO_TOPIC)

    def placed(every: Counts) -> Counts:
        if scales.holds_all:
            return every
        named = np.take_along_axis(every, best if every.ndim == 2 else best[:, None], -1)
        # By rounding the difference may be below 0 where nothing is other.
        other = np.maximum(every.sum(-1, keepdims=True) - named.sum(-1, keepdims=True), 0)
        return np.concatenate([named, other], axis=-1)

    records["counts"] = placed(counts)
    if records["open_counts"].shape[1]:
        moment = evidence.histories.log.moment
        new = moment[evidence.row] == moment[evidence.histories.end - 1][evidence.query]
        opened = _topics(replace(evidence, weight=evidence.weight * new), scales, HalfLife(events=np.inf))
        records["open_counts"] = placed(opened)


def _topics(evidence: Evidence, scales: Scales, half_life: HalfLife) -> Counts:
    """Counts of all topics, dense; [n_queries, n_topics]."""
    worth = evidence.weight * half_life.remaining(evidence.age_us, evidence.age_events)
    topics = scales.topics
    items = evidence.histories.log.item_row[evidence.row]
    ends = np.concatenate([[0], np.cumsum(evidence.histories.lengths)])
    worth = np.where(items < topics.shape[0], worth, 0.0)
    shape = (len(evidence.histories), topics.shape[0])
    counted = sparse.csr_matrix((worth, np.minimum(items, topics.shape[0] - 1), ends), shape=shape)
    return np.asarray((counted @ topics).toarray(), np.float64)


def _fill_ring(records: NDArray[np.void], own: Histories) -> None:
    """The last events of each, and how long after the one before it each came."""
    rows = own.end[:, None] + np.arange(-RING, 0)
    query, column = np.nonzero(rows >= own.start[:, None])
    row = rows[query, column]
    place = (row - own.start[query]) % RING
    gap_us = own.log.time_us[row] - own.log.time_us[np.maximum(row - 1, 0)]
    records["ring_item"][query, place] = own.log.item_row[row]
    records["ring_kind"][query, place] = own.log.kind[row]
    codes = np.rint(GAP_STEPS * np.log2(1.0 + np.maximum(gap_us, 0)))
    records["ring_gap"][query, place] = np.where(row > own.start[query], codes, 0)
