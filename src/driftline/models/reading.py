"""How the floor reads a log and histories: as sparse matrices over items, older moments counting less."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from driftline.data.events import MOST_READ, EventLog, Histories
from driftline.errors import NotEnoughDataError
from driftline.models.pairs import half_left


def positive_events(log: EventLog, name: str) -> EventLog:
    """The events that a model learns from; NotEnoughDataError where there is none."""
    events = log.positive
    if not len(events):
        raise NotEnoughDataError(
            f"expected at least one positive event to fit {name} on, got none; see driftline check"
        )
    return events


def last_moments(histories: Histories, n: int) -> Histories:
    """The same questions with only the last `n` moments of each history."""
    if not len(histories.log):
        return histories
    moment = histories.log.moment
    newest = moment[np.maximum(histories.end - 1, 0)]
    start = np.maximum(histories.start, np.searchsorted(moment, newest - n, side="right"))
    start = np.minimum(start, histories.end)
    return Histories(histories.log, start, histories.end, histories.at_us, histories.user_row)


@dataclass(frozen=True)
class Reading:
    """How many of the last moments are read, and how older ones fade: by moment, and by wall-clock time unless None."""

    last: int
    age_decay: float
    half_life_days: float | None = None


def read_moments(histories: Histories, n_items: int, reading: Reading) -> sparse.csr_matrix:
    """Σ over the last moments of `age_decay ** age` times the moment's unit vector; [n_queries, n_items] float32.

    The age of the newest moment is 0, and so are the days from which a half-life counts: how long ago the newest was
    changes no order. A moment of m items is the set of them, each with `1 / √m`; where every moment is one event this
    is the plain sum over the last events. Items beyond `n_items` are passed over.
    """
    item, query, age, elapsed_us, weight = _flat(last_moments(histories, reading.last), n_items)
    new = np.diff(query, prepend=-1).astype(bool) | np.diff(age, prepend=-1).astype(bool)
    group = np.cumsum(new) - 1
    once = np.unique(group * np.int64(n_items) + item, return_index=True)[1]
    size = np.bincount(group[once])
    values = weight[once] * np.power(reading.age_decay, age[once]) / np.sqrt(size[group[once]])
    values = values * half_left(elapsed_us[once], reading.half_life_days)
    return _matrix(values, query[once], item[once], (len(histories), n_items))


def read_items(histories: Histories, n_items: int, *, age_decay: float = 1.0) -> sparse.csr_matrix:
    """Each item of a history once, at `age_decay ** age` of its newest moment; [n_queries, n_items] float32."""
    item, query, age, _, weight = _flat(histories, n_items)
    reverse = slice(None, None, -1)
    key = (query * np.int64(n_items) + item)[reverse]
    newest = len(key) - 1 - np.unique(key, return_index=True)[1]
    values = weight[newest] * np.power(age_decay, age[newest])
    return _matrix(values, query[newest], item[newest], (len(histories), n_items))


def read_events(histories: Histories, n_items: int, *, age_decay: float = 1.0) -> sparse.csr_matrix:
    """Every event at `age_decay ** age` of its moment, summed by item; [n_queries, n_items] float32."""
    item, query, age, _, weight = _flat(histories, n_items)
    return _matrix(weight * np.power(age_decay, age), query, item, (len(histories), n_items))


def user_items(log: EventLog) -> sparse.csr_matrix:
    """Which users had which items: 1 or 0, [n_users, n_items] float32."""
    pairs = np.unique(log.user_row * np.int64(log.n_items) + log.item_row)
    user, item = np.divmod(pairs, log.n_items)
    return _matrix(np.ones(len(pairs)), user, item, (log.n_users, log.n_items))


def with_user_items(known: sparse.csr_matrix, events: EventLog) -> sparse.csr_matrix:
    """`user_items` of a log and of later events whose vocabularies extend it."""
    grown = resized(known, (events.n_users, events.n_items))
    return grown.maximum(user_items(events.positive)).tocsr()


def resized(matrix: sparse.csr_matrix, shape: tuple[int, int]) -> sparse.csr_matrix:
    """A copy with rows and columns of zeros added."""
    grown = matrix.copy()
    grown.resize(shape)
    return grown


def _flat(
    histories: Histories, n_items: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
    """Positive events of known items of all histories, ordered by query and time.

    Item, query, age in moments and in microseconds since the newest event of the history, weight.
    """
    log, histories = histories.log, histories.last(MOST_READ)
    if not len(log):
        empty = np.zeros(0, np.int64)
        return empty, empty, empty, empty, np.zeros(0, np.float32)
    positions, query = histories.flat()
    newest = histories.end[query] - 1
    age = log.moment[newest] - log.moment[positions]
    elapsed_us = log.time_us[newest] - log.time_us[positions]
    keep = (log.item_row[positions] < n_items) & (log.weight[positions] > 0)
    positions = positions[keep]
    return log.item_row[positions].astype(np.int64), query[keep], age[keep], elapsed_us[keep], log.weight[positions]


def _matrix(
    values: NDArray[np.floating], rows: NDArray[np.int64], columns: NDArray[np.int64], shape: tuple[int, int]
) -> sparse.csr_matrix:
    return sparse.csr_matrix((values.astype(np.float32), (rows, columns)), shape=shape)
