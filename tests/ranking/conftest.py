"""Small worlds with a known answer, and arms simple enough to be known."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from driftline.data.catalog import Catalog
from driftline.data.dataset import Dataset
from driftline.data.events import EventLog
from driftline.data.kinds import Kind
from driftline.data.vocabulary import Vocabulary
from driftline.errors import NotEnoughDataError

DAY = 86_400_000_000


def dataset(rows, *, n_items, kinds=None, titles=None, **more) -> Dataset:
    """A dataset of (user, item, day[, kind]) rows in file order."""
    columns = np.array([(*row, 0)[:4] for row in rows], np.int64).reshape(-1, 4)
    users = Vocabulary(f"u{u}" for u in range(columns[:, 0].max() + 1))
    items = Vocabulary(f"i{i}" for i in range(n_items))
    user, item = columns[:, 0].astype(np.int32), columns[:, 1].astype(np.int32)
    kinds = [Kind(name) if isinstance(name, str) else name for name in kinds or ["purchase"]]
    log = EventLog.from_columns(
        users, items, user, item, columns[:, 2] * DAY, kinds=kinds, kind=columns[:, 3].astype(np.int8)
    )
    catalog = Catalog.empty(items)
    if titles is not None:
        catalog = replace(catalog, title=np.array(titles, object), listed=np.ones(n_items, bool))
    return Dataset(log, catalog, name="world", **more)


def ring(*, n_users=60, n_items=40, n_events=25, noise=0.2, again=0.0, seed=0, **more) -> Dataset:
    """Everybody goes from item i to i + 1; a share `noise` jumps anywhere, a share `again` back to the first."""
    rng = np.random.default_rng(seed)
    rows = []
    for user in range(n_users):
        path = [int(rng.integers(n_items))]
        while len(path) < n_events:
            draw = rng.random()
            if draw < noise:
                path.append(int(rng.integers(n_items)))
            elif draw < noise + again:
                path.append(path[0])
            else:
                path.append((path[-1] + 1) % n_items)
        rows += [(user, item, day) for day, item in enumerate(path)]
    return dataset(rows, n_items=n_items, **{"repeats": "allow", **more})


@dataclass(frozen=True)
class Fixed:
    """A model that gives every question the same scores."""

    scores: np.ndarray | None = None
    name = "fixed"

    def fit(self, log, *, catalog=None, validation=None, seed=0, progress=None):
        return self if self.scores is not None else replace(self, scores=np.zeros(log.n_items))

    def settled(self):
        return self

    def score(self, histories, items=None):
        scores = np.tile(self.scores.astype(np.float32), (len(histories), 1))
        return scores if items is None else scores[:, items]

    def save(self, folder: Path):
        (folder / "fixed.json").write_text(json.dumps(self.scores.tolist()))

    @classmethod
    def load(cls, folder: Path):
        return cls(np.array(json.loads((folder / "fixed.json").read_text())))


@dataclass(frozen=True)
class Noise(Fixed):
    """Scores that differ by question and mean nothing."""

    seed: int = 0
    name = "noise"

    def fit(self, log, *, catalog=None, validation=None, seed=0, progress=None):
        return self

    def score(self, histories, items=None):
        rows = []
        for user, end in zip(histories.user_row, histories.end, strict=True):
            rows.append(np.random.default_rng([self.seed, int(user) + 1, int(end)]).random(histories.log.n_items))
        scores = np.array(rows, np.float32).reshape(len(histories), histories.log.n_items)
        return scores if items is None else scores[:, items]


@dataclass(frozen=True)
class Step:
    """Prefers the item that follows the last one of the history by `by`: right or wrong by design."""

    by: int = 1
    name = "step"

    def fit(self, log, *, catalog=None, validation=None, seed=0, progress=None):
        return self

    def settled(self):
        return self

    def save(self, folder: Path):
        (folder / "step.json").write_text(json.dumps(self.by))

    @classmethod
    def load(cls, folder: Path):
        return cls(json.loads((folder / "step.json").read_text()))

    def score(self, histories, items=None):
        n = histories.log.n_items
        last = histories.padded_items(1)[:, 0]
        distance = (np.arange(n)[None] - last[:, None] - self.by) % n
        scores = np.where(last[:, None] >= 0, -distance, 0).astype(np.float32)
        return scores if items is None else scores[:, items]


@dataclass(frozen=True)
class Watched:
    """A model that writes down every fit, and may refuse to be fitted."""

    calls: list = field(default_factory=list)
    refuses: bool = False
    chosen: bool = False
    name = "watched"

    def fit(self, log, *, catalog=None, validation=None, seed=0, progress=None):
        if self.refuses:
            raise NotEnoughDataError("expected ten events, got one")
        self.calls.append((len(log), None if validation is None else len(validation), self.chosen))
        return self

    def settled(self):
        return replace(self, chosen=True)

    def score(self, histories, items=None):
        return Step().score(histories, items)


@pytest.fixture(scope="session")
def world() -> SimpleNamespace:
    """Makers of worlds and models."""
    return SimpleNamespace(dataset=dataset, ring=ring, Fixed=Fixed, Noise=Noise, Step=Step, Watched=Watched, DAY=DAY)
