"""The interest state: what one user wants, at several half-lives, decayed to the moment of reading.

An event on item j moves the sums at every half-life by

    s ← λ s + g_j · e_j      c ← λ c + g_j      λ = 2^(-Δt / half_life)      read: s / (c + 1)

and the pseudo-counts of its topics by its weight times their shares; never by (1 - λ): of two events at one moment both
count. Where items have no gates the event's weight stands for g, and s itself is what is read. In wall-clock time Δt is
the time since the last event; in event time it is the number of events since, where all of one moment are equally
old. One step per event gives what the batch over whole histories gives (`counts_of` and `encoding`; tests hold them
equal), what the network `timescales` carries, whose e and g these may be, and what forecasts read (`live`).

Rules. An event that is no sign of interest (weight 0) changes nothing. The same item with the same kind at the moment
of the last event is a duplicate and changes nothing, as far as the ring knows. An event before the last is late: `step`
refuses it, and `followed` replays the user's history in the order of time.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from driftline.data.events import Histories
from driftline.errors import RunError
from driftline.interest.evidence import RatingScale, event_weights
from driftline.interest.fading import Rates
from driftline.interest.topics import Topics
from driftline.types import ALWAYS, US_PER_DAY, Rows

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


EVENT_HALF_LIVES = tuple(HalfLife(events=events) for events in (4, 16, 64))
"""All that there is where only the order of events is known."""

HALF_LIVES = (*(HalfLife(days=days) for days in (1 / 24, 1, 7, 60)), *EVENT_HALF_LIVES)
"""The timescales of a state unless told otherwise: log-spaced, by the clock (an hour to two months) and in events."""


TOPIC_HALF_LIVES = (HalfLife(days=1), HalfLife(days=60))
"""Where topics are counted unless told otherwise: lately, and lastingly. More would not fit into 3 KB."""

RING, N_TOPICS = 32, 64
"""How many of the last events a state holds, and how many topics at most by name; the rest of them is `other`."""

MOST_BYTES = 3 * 1024
"""What a state may take. Where that is too little for N_TOPICS topics at every half-life, fewer have names."""

GAP_STEPS = 1024
"""Into how many steps a doubling of the time between two events is cut in the ring: a 3,000th of it is not told."""

NO_TOPIC = np.iinfo(np.uint16).max
"""What stands in a place that no topic has yet."""


class Event(NamedTuple):
    """What a state takes in: an item at a moment, what it weighs among topics, and the row of its kind."""

    time_us: int
    item_row: int
    weight: float = 1.0
    kind: int = 0


@dataclass(frozen=True, eq=False)
class Scales:
    """What states are made with: half-lives, and what every item brings.

    `vectors` [n_items, dim] float32 enter with `gates` [n_items] float32 at `half_lives`; a gate of 0 says that an item
    has no vector. Without gates (None) they enter with the event's weight, and every event makes those before it older.
    `topics` [n_items, n_topics] are counted at `topic_half_lives`, by whose last strength is known. A state made with
    some scales is read with the same alone. ValueError for arrays that do not belong together, or more topics than
    have numbers.
    """

    vectors: NDArray[np.float32]
    gates: NDArray[np.float32] | None
    topics: sparse.csr_matrix
    half_lives: tuple[HalfLife, ...] = HALF_LIVES
    topic_half_lives: tuple[HalfLife, ...] = TOPIC_HALF_LIVES

    def __post_init__(self) -> None:
        """As many vectors as gates."""
        if self.gates is not None and self.vectors.shape[:1] != self.gates.shape:
            raise ValueError(f"expected a gate per vector, got {self.gates.shape} and {self.vectors.shape}")
        if self.topics.shape[1] >= NO_TOPIC:
            raise ValueError(f"expected fewer than {NO_TOPIC:,} topics, got {self.topics.shape[1]:,}")

    @cached_property
    def entered(self) -> NDArray[np.float32]:
        """What an event on each item adds: g e ⊕ g [n_items, dim + 1]; without gates e, of an event of weight 1."""
        if self.gates is None:
            return self.vectors
        ones = np.ones((len(self.gates), 1), np.float32)
        return np.asarray(self.gates[:, None] * np.concatenate([self.vectors, ones], axis=1), np.float32)

    @cached_property
    def known(self) -> bytes:
        """Which items have a gate; bytes are looked at in a tenth of the time that arrays are."""
        return b"" if self.gates is None else (self.gates > 0).tobytes()

    @cached_property
    def n_places(self) -> int:
        """How many topics are held by name: all, or as many as there is room for; at most N_TOPICS."""
        n = min(int(self.topics.shape[1]), N_TOPICS)
        while n > 1 and self._layout(n).itemsize > MOST_BYTES:
            n -= 1
        return n

    @property
    def holds_all(self) -> bool:
        """Whether each topic has a place of its own, where it always stands; nothing is `other` then."""
        return bool(self.n_places == self.topics.shape[1])

    @cached_property
    def dtype(self) -> np.dtype[np.void]:
        """What the bytes of one user's state are."""
        return self._layout(self.n_places)

    def _layout(self, n_places: int) -> np.dtype[np.void]:
        """The same with so many topics by name."""
        holds_all = n_places == self.topics.shape[1]
        width, n_counts = self.entered.shape[1], n_places if holds_all else n_places + 1
        n_open = n_counts if any(one.events is not None for one in self.topic_half_lives) else 0
        fields: list[tuple[str, str, tuple[int, ...]]] = [
            ("time_us", "<i8", ()),
            ("first_us", "<i8", ()),
            ("version", "<u4", ()),
            ("sums", "<f4", (len(self.half_lives), width)),
            ("open", "<f4", (width,)),
            ("counts", "<f4", (len(self.topic_half_lives), n_counts)),
            ("open_counts", "<f4", (n_open,)),
            ("ring_item", "<i4", (RING,)),
            ("ring_gap", "<u2", (RING,)),
            ("topic", "<u2", (0 if holds_all else n_places,)),
            ("ring_kind", "<i1", (RING,)),
        ]
        plain = np.dtype(fields)
        return np.dtype([*fields, ("unused", "V", -plain.itemsize % 8)]) if plain.itemsize % 8 else plain

    def new(self) -> InterestState:
        """The state of somebody who has done nothing yet."""
        state = InterestState(self, np.zeros(self.dtype.itemsize, np.uint8))
        state.record["time_us"], state.record["first_us"], state.record["topic"] = ALWAYS, ALWAYS, NO_TOPIC
        return state

    def from_bytes(self, content: bytes) -> InterestState:
        """The state that `to_bytes` wrote; RunError where it was made with scales of another shape."""
        n = self.dtype.itemsize
        if len(content) != n:
            raise RunError(f"expected a state of {n} bytes, got {len(content)}; encode the history again")
        return InterestState(self, np.frombuffer(content, np.uint8).copy())

    @cached_property
    def rates(self) -> Rates:
        """How fast vectors fade."""
        return _rates(self.half_lives)

    @cached_property
    def topic_rates(self) -> Rates:
        """How fast topics fade."""
        return _rates(self.topic_half_lives)


@dataclass(frozen=True, eq=False)
class Reading:
    """A state as it stands at a moment.

    `levels` [n_half_lives, dim] are s / (c + 1), `weights` [n_half_lives] c; without gates s, and None. `counts`
    [n_topic_half_lives, n] are of the topics `topic` [n], `other` [n_topic_half_lives] of all that have no place of
    their own.
    """

    levels: NDArray[np.float32]
    weights: NDArray[np.float32] | None
    topic: NDArray[np.uint16]
    counts: NDArray[np.float32]
    other: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class InterestState:
    """One user's state after the last event: `packed` are its bytes, which nothing changes, `record` what they are.

    `time_us` is when the last event was, `first_us` the first, `version` how many were taken in. `sums` are s ⊕ c,
    `open` the part of them that came at the last moment, which no event has aged yet; the same of `counts`, whose last
    is `other` where not all topics have a place. The ring stands at `version % RING`, and has logarithms of gaps.
    Rows of an array [n_users, bytes] are states of many.
    """

    scales: Scales
    packed: NDArray[np.uint8]

    @property
    def record(self) -> NDArray[np.void]:
        """The bytes as named arrays."""
        return np.ndarray((), self.scales.dtype, self.packed)

    @property
    def time_us(self) -> int:
        """When the last event was; ALWAYS before the first."""
        return int(self.record["time_us"])

    @property
    def version(self) -> int:
        """How many events have been taken in."""
        return int(self.record["version"])

    def step(self, event: Event) -> InterestState:
        """The state after one more event; itself, where the event changes nothing.

        The cost does not depend on how long the history is. ValueError for an event before the last.
        """
        if event.weight <= 0:
            return self
        record = self.record
        time_us, version = int(record["time_us"]), int(record["version"])
        if event.time_us < time_us:
            raise ValueError("expected an event at or after the last one; replay the history (followed)")
        same = event.time_us == time_us and version > 0
        if same and self._is_there(event, version):
            return self
        after = InterestState(self.scales, self.packed.copy())
        record, gap_us = after.record, float(event.time_us - time_us) if version else 0.0
        self._add_vector(record, event, gap_us, same=same)
        self._add_topics(record, event, gap_us, same=same)
        place = version % RING
        record["ring_item"][place], record["ring_gap"][place] = event.item_row, gap_code(gap_us)
        record["ring_kind"][place] = event.kind
        record["time_us"], record["version"] = event.time_us, version + 1
        if not version:
            record["first_us"] = event.time_us
        return after

    def read(self, at_us: int) -> Reading:
        """The state as it stands at a moment; event-time parts do not fade while nothing happens.

        ValueError for a moment before the last event.
        """
        record, scales = self.record, self.scales
        if self.version and at_us < self.time_us:
            raise ValueError(f"expected a moment not before the last event ({self.time_us}), got {at_us}; encode again")
        gap_us = float(at_us - self.time_us) if self.version else 0.0
        sums = record["sums"] * scales.rates.left(gap_us)
        counts = record["counts"] * scales.topic_rates.left(gap_us)
        gated = scales.gates is not None
        levels, weights = (sums[:, :-1] / (sums[:, -1:] + 1), sums[:, -1]) if gated else (sums, None)
        if scales.holds_all:
            every = np.arange(scales.n_places, dtype=np.uint16)
            return Reading(levels, weights, every, counts, np.zeros(len(counts), np.float32))
        there = np.flatnonzero(record["topic"] != NO_TOPIC)
        return Reading(levels, weights, record["topic"][there], counts[:, there], counts[:, -1])

    def recent(self) -> tuple[Rows, NDArray[np.int64]]:
        """Items and times of the last events, the last one first; times to a 3,000th of a gap; both [n]."""
        n = min(self.version, RING)
        places = (self.version - 1 - np.arange(n)) % RING
        gaps = np.rint(np.exp2(self.record["ring_gap"][places] / GAP_STEPS) - 1)
        ages = np.concatenate([[0.0], np.cumsum(gaps[:-1])]) if n else gaps
        return self.record["ring_item"][places], self.time_us - ages.astype(np.int64)

    def to_bytes(self) -> bytes:
        """The packed state, exactly."""
        return self.packed.tobytes()

    def _is_there(self, event: Event, version: int) -> bool:
        """Whether the ring has the event among those of the last moment."""
        items, kinds, gaps = self.record["ring_item"], self.record["ring_kind"], self.record["ring_gap"]
        for back in range(1, min(version, RING) + 1):
            place = (version - back) % RING
            if items[place] == event.item_row and kinds[place] == event.kind:
                return True
            if gaps[place] > 0:
                return False
        return False

    def _add_vector(self, record: NDArray[np.void], event: Event, gap_us: float, *, same: bool) -> None:
        """Fade the sums, and add what the item brings, where it has a vector."""
        scales, sums, open_ = self.scales, record["sums"], record["open"]
        if scales.gates is None:
            scales.rates.fade(sums, open_, gap_us, event=True, same=same)
            if event.item_row < len(scales.vectors):
                gain = event.weight * scales.vectors[event.item_row]
                sums += gain
                open_ += gain
            return
        there = event.item_row < len(scales.known) and scales.known[event.item_row] > 0
        scales.rates.fade(sums, open_, gap_us, event=there, same=same)
        if there:
            gain = scales.entered[event.item_row]
            sums += gain
            open_ += gain

    def _add_topics(self, record: NDArray[np.void], event: Event, gap_us: float, *, same: bool) -> None:
        """Fade the counts, and add the item's topics to their places."""
        topics, counts, open_ = self.scales.topics, record["counts"], record["open_counts"]
        if len(open_) or not same:
            self.scales.topic_rates.fade(counts, open_, gap_us, event=True, same=same)
        if event.item_row >= topics.shape[0]:
            return
        holds_all = self.scales.holds_all
        first, last = topics.indptr[event.item_row : event.item_row + 2].tolist()
        for topic, share in zip(topics.indices[first:last].tolist(), topics.data[first:last].tolist(), strict=True):
            gain = event.weight * share
            place = topic if holds_all else _place(record, topic, gain)
            counts[:, place] += gain
            if len(open_):
                open_[place] += gain


def gap_code(gap_us: float) -> int:
    """The time since the event before as the ring has it: 0 for none, steps of its logarithm above.

    >>> gap_code(0.0), gap_code(1.0), gap_code(3_600_000_000.0)
    (0, 1024, 32507)
    """
    return round(GAP_STEPS * math.log2(1 + gap_us))


def _rates(half_lives: tuple[HalfLife, ...]) -> Rates:
    clock = [0.0 if one.days is None else -1 / (one.days * US_PER_DAY) for one in half_lives]
    events = [0.0 if one.events is None else -1 / one.events for one in half_lives]
    return Rates(np.array(clock, np.float32)[:, None], np.array(events, np.float32)[:, None])


def _place(record: NDArray[np.void], topic: int, gain: float) -> int:
    """Where a topic is counted: its own place, a free one, that of a weaker topic, which becomes other, or other."""
    topics = record["topic"]
    own = int((topics == topic).argmax())
    if topics[own] == topic:
        return own
    free = int(topics.argmax())  # what stands in a free place is above every topic
    if topics[free] != NO_TOPIC:
        counts = record["counts"]
        lasting = counts[-1, :-1]
        free = int(lasting.argmin())
        if lasting[free] > gain:
            return len(topics)
        for held in (*counts, *([record["open_counts"]] if len(record["open_counts"]) else [])):
            held[-1] += held[free]
            held[free] = 0
    topics[free] = topic
    return free


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


def counts_of(histories: Histories, topics: Topics, half_lives: tuple[HalfLife, ...], scale: RatingScale) -> Counts:
    """Pseudo-counts of all topics for many users at their moments; shape [n_queries, n_half_lives, n_topics].

    Every row of the log counts, also what a state takes for a duplicate.
    """
    evidence = Evidence.of(histories, scale)
    return np.stack([evidence.counts(topics, one).toarray() for one in half_lives], axis=1)


def _events_since(histories: Histories, row: NDArray[np.int64], query: NDArray[np.int64]) -> NDArray[np.int64]:
    """How many events of the same history stand after the moment of each."""
    if not len(row):
        return np.zeros(0, np.int64)
    moment = histories.log.moment
    last = np.searchsorted(moment, moment[row], side="right")
    return np.asarray(np.maximum(histories.end[query] - last, 0), np.int64)
