"""One model under examination: the small worlds it is fitted on, each fit made once, and the list of checks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from types import MappingProxyType

import numpy as np

from driftline.data.catalog import Catalog
from driftline.data.events import EventLog, Histories, histories
from driftline.data.split import last_item_fold
from driftline.data.synthetic import still
from driftline.data.targets import Fold
from driftline.models.base import FittedModel, Model
from driftline.types import Scores

SEED = 7
N_ITEMS, N_TOPICS = 60, 6
N_UNSEEN = 3
"""Items at the end of the vocabulary that never occur in training."""

Load = Callable[[Path], FittedModel]


@dataclass(frozen=True, eq=False)
class Case:
    """A model, what may be expected of it, and what it was fitted on.

    `personal`: it answers by the user's history, so it must beat popularity where tastes differ and hold still where
    there is only noise. `cold`: it may know of an item without any event, from the catalog.
    """

    model: Model
    personal: bool = True
    cold: bool = False
    load: Load | None = None

    @cached_property
    def world(self) -> Fold:
        """Users with steady tastes and hardly any noise; the last items of the vocabulary are never seen."""
        return still_fold(noise=0.02)

    @property
    def log(self) -> EventLog:
        """What the model is fitted on."""
        return self.world.train

    @property
    def catalog(self) -> Catalog:
        """Titles and topics of the items."""
        return self.world.test.catalog

    @cached_property
    def fitted(self) -> FittedModel:
        """The model, fitted without validation."""
        return self.fit(self.log)

    @cached_property
    def chosen(self) -> FittedModel:
        """The model, fitted with validation."""
        return self.model.fit(self.log, catalog=self.catalog, validation=self.world.stop, seed=SEED)

    @property
    def asked(self) -> Histories:
        """A few questions of different length, an unknown user among them."""
        return small_questions(self.log)

    @cached_property
    def scores(self) -> Scores:
        """What the fitted model answers to them."""
        return self.fitted.score(self.asked)

    def fit(self, log: EventLog, *, seed: int = SEED) -> FittedModel:
        """Fit without validation."""
        return self.model.fit(log, catalog=self.catalog, seed=seed)

    def read(self, folder: Path) -> FittedModel:
        """Load what the fitted model saved."""
        load: Load = self.load or type(self.fitted).load  # type: ignore[attr-defined]  # all but a blend can
        return load(folder)


def still_fold(*, noise: float, n_users: int = 150, seed: int = SEED) -> Fold:
    """A last-item fold of a world whose tastes do not move: 60 items in 6 topics, the last three without any event."""
    dataset = still(n_users, N_ITEMS, N_TOPICS, n_events=24, noise=noise, seed=seed).dataset
    log = dataset.log.select(dataset.log.item_row < N_ITEMS - N_UNSEEN)
    return last_item_fold(replace(dataset, log=log))


def small_questions(log: EventLog) -> Histories:
    """Histories of some users at moments early and late, and of a user whom the log does not know."""
    middle = int(np.median(log.time_us))
    users = np.array([0, 1, 2, 3, 0, 1, -1], np.int32)
    at_us = np.array([log.last_us + 1] * 3 + [middle] * 3 + [log.last_us + 1], np.int64)
    return histories(log, users, at_us)


def later_events(log: EventLog, n_new: int = 2) -> EventLog:
    """Events after the log, by known and new users, of known and new items; vocabularies extend those of the log."""
    users = log.users.extended(f"new user {n}" for n in range(n_new))
    items = log.items.extended(f"new item {n}" for n in range(n_new))
    rng = np.random.default_rng(SEED)
    user_row = np.concatenate([rng.integers(0, len(users), 30), np.arange(log.n_users, len(users))])
    item_row = np.concatenate([rng.integers(0, log.n_items, 30), np.arange(len(items) - n_new, len(items))])
    time_us = log.last_us + 1 + np.arange(len(user_row)) * 60_000_000
    return EventLog.from_columns(users, items, user_row, item_row, time_us, kinds=log.kinds)


def require(condition: bool | np.bool_, expectation: str) -> None:
    """AssertionError that says what was expected, where it is not so."""
    if not condition:
        raise AssertionError(expectation)


Check = Callable[[Case, Path], None]
_checks: dict[str, Check] = {}
CHECKS: Mapping[str, Check] = MappingProxyType(_checks)
"""Every check by its name, in the order in which they run; each takes a case and an empty folder."""


def check(function: Check) -> Check:
    """Put a function on the list of checks, under its own name."""
    _checks[function.__name__] = function
    return function
