"""What every synthetic world is made of: items with one topic each, users with a mix of topics that is known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from driftline.data.catalog import Catalog
from driftline.data.dataset import Dataset, ReadReport
from driftline.data.events import EventLog
from driftline.data.vocabulary import Vocabulary
from driftline.errors import SettingsError
from driftline.types import ALWAYS, US_PER_DAY, Rows, Times, parse_time

START_US = parse_time("2020-01-01")
"""When every synthetic world begins."""

Mix = Callable[[Rows, Times], NDArray[np.float64]]
"""Topic shares that users want at moments: `mix(user_rows, at_us)`, both [n], gives [n, n_topics]; rows sum to 1."""

_CHUNK = 1 << 18


@dataclass(frozen=True, eq=False)
class Truth:
    """The answer of a world.

    `mix` is what users want; `item_topic` [n_items] the topic of each item; `noise` the share of events that are drawn
    from all items alike; `change_us` [n_users] when a user changes for good, where the world is one of changes;
    `successor` what follows, where the world is one of sequences (see there).
    """

    mix: Mix
    item_topic: NDArray[np.int32]
    noise: float
    change_us: Times | None = None
    successor: NDArray[np.int32] | None = None

    @property
    def n_topics(self) -> int:
        """How many topics there are."""
        return int(self.item_topic.max()) + 1

    def event_share(self, user_rows: Rows, at_us: Times) -> NDArray[np.float64]:
        """The chance of each topic in an event at a moment, noise included; shape [n, n_topics]."""
        anything = np.bincount(self.item_topic) / len(self.item_topic)
        return (1 - self.noise) * self.mix(user_rows, at_us) + self.noise * anything


@dataclass(frozen=True, eq=False)
class World:
    """A dataset and the truth that it was drawn from."""

    dataset: Dataset
    truth: Truth

    @property
    def log(self) -> EventLog:
        """The events."""
        return self.dataset.log


def check_dials(*, noise: float, **counts: float) -> None:
    """SettingsError where noise is not a share or a count is below one."""
    if not 0 <= noise <= 1:
        raise SettingsError(f"expected noise from 0 (none) to 1 (nothing else), got {noise}")
    for name, count in counts.items():
        if not count > 0:
            raise SettingsError(f"expected {name} above 0, got {count}")


def topics_of_items(n_items: int, n_topics: int) -> NDArray[np.int32]:
    """One topic per item, in turn, so that topics are of equal size; SettingsError for fewer items than topics."""
    if n_items < n_topics:
        raise SettingsError(f"expected at least one item per topic, got {n_items} items for {n_topics} topics")
    return (np.arange(n_items) % n_topics).astype(np.int32)


def moments_of_users(n_users: int, n_events: int, days: float, rng: np.random.Generator) -> tuple[Rows, Times]:
    """`n_events` moments for each user, at random over `days`, in order; both of shape [n_users · n_events]."""
    spread = np.sort(rng.integers(0, round(days * US_PER_DAY), (n_users, n_events)), axis=1)
    return np.repeat(np.arange(n_users, dtype=np.int32), n_events), START_US + spread.ravel()


def draw_items(user_row: Rows, time_us: Times, truth: Truth, rng: np.random.Generator) -> Rows:
    """An item per event: any item with chance `noise`, else one of a topic drawn from the user's mix at that moment."""
    parts = []
    for first in range(0, len(user_row), _CHUNK):
        part = slice(first, first + _CHUNK)
        below = np.cumsum(truth.mix(user_row[part], time_us[part]), axis=1)
        draw = rng.random(len(below))[:, None] * below[:, -1:]
        parts.append((below[:, :-1] <= draw).sum(axis=1))
    topic = np.concatenate(parts)
    sizes = np.bincount(truth.item_topic)
    item = topic + truth.n_topics * rng.integers(0, sizes[topic])
    return with_noise(item.astype(np.int32), len(truth.item_topic), truth.noise, rng)


def with_noise(items: Rows, n_items: int, noise: float, rng: np.random.Generator) -> Rows:
    """Items of which a share `noise`, at random, is replaced by any item."""
    anything = rng.integers(0, n_items, items.shape, dtype=np.int32)
    return np.where(rng.random(items.shape) < noise, anything, items)


def catalog_of(item_topic: NDArray[np.int32]) -> Catalog:
    """Items `i0`, `i1` …, each titled by its topic, always available."""
    n = len(item_topic)
    names = tuple(f"topic {topic:03d}" for topic in range(int(item_topic.max()) + 1))
    cells = (np.ones(n, np.float32), (np.arange(n), item_topic))
    return Catalog(
        Vocabulary(f"i{row}" for row in range(n)),
        np.array([f"{names[topic]}, number {row}" for row, topic in enumerate(item_topic)], dtype=object),
        np.full(n, "", object),
        names,
        sparse.csr_matrix(cells, shape=(n, len(names))),
        np.ones(n, bool),
        np.full(n, ALWAYS, np.int64),
    )


def dataset_of(name: str, n_users: int, user_row: Rows, item_row: Rows, time_us: Times, catalog: Catalog) -> Dataset:
    """A dataset of plain interactions in which repeats are the norm."""
    users = Vocabulary(f"u{row}" for row in range(n_users))
    log = EventLog.from_columns(users, catalog.items, user_row, item_row, time_us)
    return Dataset(log, catalog, name=name, repeats="allow", report=ReadReport(len(log), len(log), "us"))
