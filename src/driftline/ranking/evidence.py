"""What the blend reads itself beside its arms: which items were seen to follow which, and how popular each one is.

Arms say how they rank an item. A network over arms also wants to know how much there is to go by, so it sees raw counts
of the log that the arms were fitted on. They are taken as log(1 + count), which a tenth more events hardly moves.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from driftline.data.events import EventLog, Histories
from driftline.models.pairs import Visits, decayed_pairs
from driftline.models.prior import weighted_counts
from driftline.models.reading import Reading, read_moments, resized
from driftline.models.storage import sparse_arrays, sparse_from
from driftline.types import Times

BACK = 3
"""From how many of the latest moments, each on its own, it is read what followed them directly."""

AROUND, AROUND_DECAY = 10, 0.8
"""How many of the latest moments are read together for what stood next to them, and what each older one counts."""

N_NEAR = BACK + 1
N_POPULAR = 2
N_COLUMNS = N_NEAR + N_POPULAR + 1
"""What followed each of the latest moments, what stood around them; counts of all time, of late; history's length."""

RECENT_SHARE = 0.05
"""The half-life of the recent counts, as a share of the time that the log spans."""


@dataclass(frozen=True, eq=False)
class Evidence:
    """Counts of a log: `after[i, j]` how often j came directly after i, `counts` and `recent` of each item.

    `recent` [n_items] is halved every `half_life_us` up to `as_of_us`. `tail` holds the last moment of each user, which
    the next events follow. Moments are sets: a pair of moments of m and n items weighs 1 / √(m n) (`models.pairs`).
    """

    after: sparse.csr_matrix
    counts: NDArray[np.float64]
    recent: NDArray[np.float64]
    as_of_us: int
    half_life_us: float
    tail: Visits

    @classmethod
    def of(cls, log: EventLog) -> Evidence:
        """Count a log, empty or not."""
        events = log.positive
        as_of = events.last_us if len(events) else 0
        half_life = max((as_of - events.first_us) * RECENT_SHARE, 1.0) if len(events) else 1.0
        visits = Visits.of(events)
        after = decayed_pairs(visits, events.n_items, 1, 0.0).astype(np.float32)
        recent = _faded(events, as_of, half_life)
        return cls(sparse.csr_matrix(after), weighted_counts(events), recent, as_of, half_life, visits.tail(1))

    def update(self, events: EventLog) -> Evidence:
        """The counts of the old events and of later ones, whose vocabularies extend the old."""
        new, n_items = events.positive, events.n_items
        if not len(new):
            return self
        visits, old = Visits.of(new), self.tail.of_users(new.user_row)
        added = decayed_pairs(old.and_then(visits), n_items, 1, 0.0) - decayed_pairs(old, n_items, 1, 0.0)
        after = sparse.csr_matrix((resized(self.after, (n_items, n_items)) + added).astype(np.float32))
        as_of = max(self.as_of_us, new.last_us)
        faded = np.exp2(-(as_of - self.as_of_us) / self.half_life_us) * self.recent
        return Evidence(
            after,
            _padded(self.counts, n_items) + weighted_counts(new),
            _padded(faded, n_items) + _faded(new, as_of, self.half_life_us),
            as_of,
            self.half_life_us,
            self.tail.and_then(visits).tail(1),
        )

    def columns(self, histories: Histories, query: NDArray[np.int64], item: NDArray[np.int64]) -> NDArray[np.float32]:
        """What is known of each (query, item) pair, [n_rows, N_COLUMNS]; all counts as log(1 + count)."""
        n_items = len(self.counts)
        found = np.zeros((len(query), N_COLUMNS), np.float32)
        for back in range(BACK):
            one = read_moments(_moment_back(histories, back), n_items, Reading(last=1, age_decay=1.0))
            found[:, back] = _at(one @ self.after, query, item)
        around = read_moments(histories, n_items, Reading(last=AROUND, age_decay=AROUND_DECAY))
        found[:, BACK] = _at(around @ self._both_ways, query, item)
        known, place = item < n_items, np.minimum(item, max(n_items - 1, 0))
        if n_items:
            found[:, N_NEAR] = np.where(known, self.counts[place], 0)
            found[:, N_NEAR + 1] = np.where(known, self.recent[place], 0)
        found[:, -1] = histories.lengths[query]
        return np.log1p(found)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """All of it as plain arrays under `evidence.*`."""
        return {
            **sparse_arrays("evidence.after", self.after),
            **self.tail.arrays("evidence.tail"),
            "evidence.counts": self.counts,
            "evidence.recent": self.recent,
            "evidence.as_of_us": np.array(self.as_of_us, np.int64),
            "evidence.half_life_us": np.array(self.half_life_us),
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Evidence:
        """What `arrays` took apart."""
        return cls(
            sparse_from(arrays, "evidence.after"),
            arrays["evidence.counts"],
            arrays["evidence.recent"],
            int(arrays["evidence.as_of_us"]),
            float(arrays["evidence.half_life_us"]),
            Visits.from_arrays(arrays, "evidence.tail"),
        )

    @cached_property
    def _both_ways(self) -> sparse.csr_matrix:
        """How often two items stood next to each other, whichever came first."""
        return sparse.csr_matrix(self.after + self.after.T)


def _moment_back(histories: Histories, back: int) -> Histories:
    """The same questions with one moment of each history alone: the one `back` before the last."""
    if not len(histories.log):
        return histories
    moment = histories.log.moment
    wanted = moment[np.maximum(histories.end - 1, 0)] - back
    start = np.clip(np.searchsorted(moment, wanted), histories.start, histories.end)
    end = np.clip(np.searchsorted(moment, wanted, side="right"), start, histories.end)
    return Histories(histories.log, start, end, histories.at_us, histories.user_row)


def _at(rows: sparse.csr_matrix, query: NDArray[np.int64], item: NDArray[np.int64]) -> NDArray[np.float32]:
    """The cells of a sparse matrix; 0 for an item beyond its columns."""
    dense = np.asarray(rows.toarray(), np.float32)
    if not dense.shape[1]:
        return np.zeros(len(query), np.float32)
    inside = item < dense.shape[1]
    return np.where(inside, dense[query, np.where(inside, item, 0)], np.float32(0))


def _faded(events: EventLog, as_of_us: int, half_life_us: float) -> NDArray[np.float64]:
    """Events per item, each halved with every half-life that has passed since; shape [n_items]."""
    weight = events.weight * np.exp2(-_age(events.time_us, as_of_us) / half_life_us)
    return np.bincount(events.item_row, weights=weight, minlength=events.n_items).astype(np.float64)


def _age(time_us: Times, as_of_us: int) -> NDArray[np.int64]:
    return np.maximum(as_of_us - time_us, 0)


def _padded(values: NDArray[np.float64], n: int) -> NDArray[np.float64]:
    return np.pad(values, (0, n - len(values)))
