"""Small worlds whose best model is known, and models simple enough to be known."""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import SimpleNamespace

import numpy as np
import pytest

from driftline.data.catalog import Catalog
from driftline.data.dataset import Dataset
from driftline.data.events import EventLog
from driftline.data.vocabulary import Vocabulary

DAY = 86_400_000_000


def dataset(rows, *, n_items, **more) -> Dataset:
    """A dataset of (user, item, day) rows in file order."""
    columns = np.array(rows, np.int64).reshape(-1, 3)
    users = Vocabulary(f"u{u}" for u in range(columns[:, 0].max() + 1))
    items = Vocabulary(f"i{i}" for i in range(n_items))
    user, item = columns[:, 0].astype(np.int32), columns[:, 1].astype(np.int32)
    log = EventLog.from_columns(users, items, user, item, columns[:, 2] * DAY)
    return Dataset(log, Catalog.empty(items), name="world", **more)


def ring(*, n_users=60, n_items=40, n_events=25, noise=0.2, seed=0, **more) -> Dataset:
    """Everybody goes from item i to i + 1; a share `noise` of the steps jumps anywhere."""
    rng = np.random.default_rng(seed)
    rows = []
    for user in range(n_users):
        item = int(rng.integers(n_items))
        for day in range(n_events):
            rows.append((user, item, day))
            item = int(rng.integers(n_items)) if rng.random() < noise else (item + 1) % n_items
    return dataset(rows, n_items=n_items, **{"repeats": "allow", **more})


@dataclass(frozen=True)
class Fixed:
    """A model that gives every question the same scores; equal ones unless told otherwise."""

    scores: np.ndarray | None = None
    name = "fixed"

    def fit(self, log, *, catalog=None, validation=None, seed=0, progress=None):
        return self if self.scores is not None else replace(self, scores=np.zeros(log.n_items))

    def settled(self):
        return self

    def score(self, histories, items=None):
        return np.tile(self.scores.astype(np.float32), (len(histories), 1))


@dataclass(frozen=True)
class Counting(Fixed):
    """Popularity, by counting the training log."""

    name = "counting"

    def fit(self, log, *, catalog=None, validation=None, seed=0, progress=None):
        return replace(self, scores=log.item_counts())


@dataclass(frozen=True)
class Chance(Fixed):
    """Scores drawn once per seed, whatever the log says."""

    name = "chance"

    def fit(self, log, *, catalog=None, validation=None, seed=0, progress=None):
        return replace(self, scores=np.random.default_rng(seed).random(log.n_items))


@dataclass(frozen=True)
class Successor:
    """How often each item followed the last one of the history."""

    after: np.ndarray | None = None
    name = "successor"

    def fit(self, log, *, catalog=None, validation=None, seed=0, progress=None):
        same = np.diff(log.user_row) == 0
        after = np.zeros((log.n_items + 1, log.n_items), np.float32)
        np.add.at(after, (log.item_row[:-1][same], log.item_row[1:][same]), 1)
        return replace(self, after=after)

    def settled(self):
        return self

    def score(self, histories, items=None):
        return self.after[histories.padded_items(1)[:, 0]]


@pytest.fixture(scope="session")
def world() -> SimpleNamespace:
    """Makers of worlds and models: `dataset`, `ring`, and `Fixed`, `Counting`, `Chance`, `Successor`."""
    return SimpleNamespace(
        dataset=dataset, ring=ring, Fixed=Fixed, Counting=Counting, Chance=Chance, Successor=Successor
    )
