"""The interest state: per topic pseudo-counts of one user, at several half-lives, decayed to the moment of reading.

An event of weight w on an item with topic shares v(x) moves the counts at every half-life by

    s ← λ s + w · v(x),    λ = 2^(-Δt / half_life),

never by (1 - λ) v(x): of two events at one moment both count. In wall-clock time Δt is the time since the last event;
in event time it is the number of events since, where all events of one moment are equally old. One step per event
gives what the batch over whole histories gives (`states_of`, a test holds them equal).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from driftline.data.events import Histories
from driftline.interest.evidence import RatingScale, event_weights
from driftline.interest.topics import Topics
from driftline.types import ALWAYS, US_PER_DAY

Counts = NDArray[np.float64]


class Fading(Protocol):
    """What is left of an event as it grows old."""

    def remaining(self, age_us: NDArray[np.int64], age_events: NDArray[np.int64]) -> Counts:
        """What is left of a count of that age, from 0 to 1."""
        ...


@dataclass(frozen=True)
class HalfLife:
    """How fast interest fades: by half in so many days, or in so many events; infinite: never."""

    days: float | None = None
    events: float | None = None

    def __post_init__(self) -> None:
        """One of the two, above zero."""
        length = self.days if self.days is not None else self.events
        if (self.days is None) == (self.events is None) or length is None or not length > 0:
            raise ValueError(f"expected days or events above 0, got {self}")

    @property
    def length(self) -> float:
        """The number, whatever its unit."""
        return float(self.days if self.days is not None else self.events or np.inf)

    def __str__(self) -> str:
        """Words for a table.

        >>> str(HalfLife(days=7)), str(HalfLife(events=16)), str(HalfLife(days=np.inf))
        ('7 days', '16 events', 'all history')
        """
        unit = "days" if self.days is not None else "events"
        return f"{self.length:g} {unit}" if np.isfinite(self.length) else "all history"

    def remaining(self, age_us: NDArray[np.int64], age_events: NDArray[np.int64]) -> Counts:
        """What is left of a count of that age, from 0 to 1."""
        age = age_us / US_PER_DAY if self.days is not None else age_events
        return np.asarray(np.exp2(-np.maximum(age, 0) / self.length), np.float64)


HALF_LIVES = (
    *(HalfLife(days=days) for days in (1 / 24, 1, 7, 60)),
    *(HalfLife(events=events) for events in (4, 16, 64)),
)
"""The timescales of a state unless told otherwise: log-spaced, by the clock (an hour to two months) and in events."""


@dataclass(frozen=True, eq=False)
class InterestState:
    """One user's pseudo-counts after the last event: `counts` [n_half_lives, n_topics].

    `open` [n_topics] is the part that came at the last moment, `time_us`, which no event has aged yet; `n_events` is
    how many events have been taken in.
    """

    half_lives: tuple[HalfLife, ...]
    counts: Counts
    open: Counts
    time_us: int
    n_events: int = 0

    @classmethod
    def new(cls, half_lives: tuple[HalfLife, ...], n_topics: int) -> InterestState:
        """The state of somebody who has done nothing yet."""
        return cls(half_lives, np.zeros((len(half_lives), n_topics)), np.zeros(n_topics), ALWAYS)

    def step(self, time_us: int, weight: float, topics: Counts) -> InterestState:
        """The state after one more event, not earlier than the last, on an item with topic shares [n_topics].

        The cost does not depend on how long the history is. ValueError for an event that is earlier.
        """
        if self.n_events and time_us < self.time_us:
            raise ValueError("expected an event at or after the last one; encode the history again")
        same = self.n_events > 0 and time_us == self.time_us
        counts = self.counts.copy()
        for k, half_life in enumerate(self.half_lives):
            if half_life.days is not None:
                counts[k] *= self._fading(half_life, time_us)
            else:
                # Events of one moment are a set: a later one of them ages what was before the moment, not its equals.
                young = self.open if same else np.zeros_like(self.open)
                counts[k] = (counts[k] - young) * 2.0 ** (-1 / half_life.length) + young
        gain = weight * topics
        return replace(
            self,
            counts=counts + gain,
            open=self.open + gain if same else gain,
            time_us=time_us,
            n_events=self.n_events + 1,
        )

    def read(self, at_us: int) -> Counts:
        """The counts as they stand at a moment; event-time ones do not fade while nothing happens."""
        fading = [self._fading(one, at_us) if one.days is not None else 1.0 for one in self.half_lives]
        return np.asarray(self.counts * np.array(fading)[:, None], np.float64)

    def _fading(self, half_life: HalfLife, at_us: int) -> float:
        return float(2.0 ** (-(at_us - self.time_us) / US_PER_DAY / half_life.length)) if self.n_events else 1.0


@dataclass(frozen=True, eq=False)
class Evidence:
    """All events of a batch of histories, flat: what each adds, and how old it is when the question is asked.

    Arrays have shape [sum of lengths]; `query` says whose it is, `row` where it stands in the log.
    """

    histories: Histories
    row: NDArray[np.int64]
    query: NDArray[np.int64]
    weight: Counts
    age_us: NDArray[np.int64]
    age_events: NDArray[np.int64]

    @classmethod
    def of(cls, histories: Histories, scale: RatingScale, weights: Counts | None = None) -> Evidence:
        """Weigh and age the events; `weights` [n_events] of the log may be handed in where many batches share them."""
        log = histories.log
        row, query = histories.flat()
        weights = event_weights(log, scale) if weights is None else weights
        age_us = histories.at_us[query] - log.time_us[row]
        return cls(histories, row, query, weights[row], age_us, _events_since(histories, row, query))

    def counts(self, topics: Topics, fading: Fading) -> sparse.csr_matrix:
        """Decayed pseudo-counts of each query; shape [n_queries, n_topics]."""
        items = self._items(fading)
        return sparse.csr_matrix(items @ topics.of_items(np.arange(items.shape[1], dtype=np.int32)))

    def vectors(self, of_items: Counts, fading: Fading) -> Counts:
        """Decayed sums of item vectors [n_items, dim] of each query; shape [n_queries, dim]."""
        return np.asarray(self._items(fading) @ of_items, np.float64)

    def _items(self, fading: Fading) -> sparse.csr_matrix:
        """Decayed weight of each item in each query; shape [n_queries, n_items]."""
        worth = self.weight * fading.remaining(self.age_us, self.age_events)
        ends = np.concatenate([[0], np.cumsum(self.histories.lengths)])
        shape = (len(self.histories), max(self.histories.log.n_items, 1))
        # An item may stand in a row more than once: the product adds them up, and sorting would cost more than it.
        return sparse.csr_matrix((worth, self.histories.log.item_row[self.row], ends), shape=shape)


def states_of(histories: Histories, topics: Topics, half_lives: tuple[HalfLife, ...], scale: RatingScale) -> Counts:
    """Pseudo-counts of many users at their moments: the batch twin of `InterestState`.

    Shape [n_queries, n_half_lives, n_topics].
    """
    evidence = Evidence.of(histories, scale)
    return np.stack([evidence.counts(topics, one).toarray() for one in half_lives], axis=1)


def state_of(
    histories: Histories, topics: Topics, half_lives: tuple[HalfLife, ...], scale: RatingScale
) -> InterestState:
    """The state of one user after a history, one step per event."""
    log = histories.log
    rows = np.arange(histories.start[0], histories.end[0])
    own = log.select(rows)
    weights, shares = event_weights(own, scale), topics.of_items(own.item_row)
    state = InterestState.new(half_lives, len(topics))
    for place in range(len(rows)):
        state = state.step(int(own.time_us[place]), float(weights[place]), shares[place].toarray().ravel())
    return state


def _events_since(histories: Histories, row: NDArray[np.int64], query: NDArray[np.int64]) -> NDArray[np.int64]:
    """How many events of the same history stand after the moment of each."""
    if not len(row):
        return np.zeros(0, np.int64)
    moment = histories.log.moment
    last = np.searchsorted(moment, moment[row], side="right")
    return np.asarray(np.maximum(histories.end[query] - last, 0), np.int64)
