"""Logs made of a few lines."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import pytest

from driftline.data.events import EventLog, Histories, histories
from driftline.data.vocabulary import Vocabulary
from driftline.types import US_PER_DAY

Line = tuple[int, float, int]
MakeEvents = Callable[..., EventLog]


def make_events(lines: Iterable[Line], n_users: int = 6, n_items: int = 8) -> EventLog:
    rows = np.array(list(lines), np.float64).reshape(-1, 3)
    users, items = (Vocabulary(f"{name}{n}" for n in range(count)) for name, count in (("u", n_users), ("i", n_items)))
    time_us = (rows[:, 1] * US_PER_DAY).astype(np.int64)
    return EventLog.from_columns(users, items, rows[:, 0].astype(np.int32), rows[:, 2].astype(np.int32), time_us)


def ask_everybody(log: EventLog) -> Histories:
    at_us = np.full(log.n_users, np.iinfo(np.int64).max)
    return histories(log, np.arange(log.n_users, dtype=np.int32), at_us)


@pytest.fixture(scope="session")
def events() -> MakeEvents:
    """Makes a log from lines (user, day, item)."""
    return make_events


@pytest.fixture(scope="session")
def everybody() -> Callable[[EventLog], Histories]:
    """Asks for the whole history of every user of a log."""
    return ask_everybody
