"""New events are learned from where the model stands, with old ones rehearsed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from driftline.data.events import EventLog, histories
from driftline.data.synthetic import markov
from driftline.models.base import FittedModel
from driftline.models.sequence import GRU, FittedGRU, SequenceFit
from driftline.types import END_OF_TIME, US_PER_HOUR

NEW = [f"new {n}" for n in range(3)]


def events_of(log: EventLog, user_ids: list[str], item_ids: list[str]) -> EventLog:
    """Later events, one an hour, under vocabularies that extend those of the log."""
    users, items = log.users.extended(user_ids), log.items.extended(item_ids)
    time_us = log.last_us + np.arange(1, len(item_ids) + 1) * US_PER_HOUR
    return EventLog.from_columns(users, items, users.rows(user_ids), items.rows(item_ids), time_us)


@pytest.fixture(scope="module")
def log() -> EventLog:
    return markov(100, 20, 20, noise=0.0, seed=0).log


@pytest.fixture(scope="module", params=["allow", "exclude"])
def fitted(log: EventLog, request: pytest.FixtureRequest) -> SequenceFit:
    """With and without counts of what was had."""
    model = GRU(dim=16, epochs=16, batch=256, learning_rate=0.02, dropout=0.1, repeats=request.param)
    return model.fit(log, seed=0)


def follows(fitted: FittedModel, log: EventLog, last: str) -> np.ndarray:
    """Scores after a single event."""
    one = events_of(log, ["somebody"], [last])
    return fitted.score(histories(one, np.array([one.users.row("somebody")], np.int32), np.array([END_OF_TIME])))[0]


@pytest.fixture(scope="module")
def later(log: EventLog) -> EventLog:
    """Forty people, some new, who have `new 1` after `new 0` and `new 2` after it."""
    users = [f"{'u' if n % 2 else 'fresh'}{n}" for n in range(40) for _ in NEW]
    return events_of(log, users, NEW * 40)


@pytest.fixture(scope="module")
def after(fitted: SequenceFit, later: EventLog) -> SequenceFit:
    return fitted.update(later)


def test_new_items_enter_and_what_follows_them_is_learned(after: SequenceFit, later: EventLog) -> None:
    for first, then in (("new 0", "new 1"), ("new 1", "new 2")):
        scores = follows(after, later, first)
        assert np.isfinite(scores).all()
        assert (scores > scores[later.items.row(then)]).sum() < 4


def test_what_was_known_is_not_forgotten(
    fitted: SequenceFit, after: SequenceFit, log: EventLog, later: EventLog
) -> None:
    """In a world without noise one item follows another always: what was told rightly still is."""
    inside = log.user_row[1:] == log.user_row[:-1]
    truth = np.zeros(log.n_items, np.int64)
    truth[log.item_row[:-1][inside]] = log.item_row[1:][inside]
    right = [
        np.array([follows(model, rows, item)[: log.n_items].argmax() for item in log.items]) == truth
        for model, rows in ((fitted, log), (after, later))
    ]
    assert right[0].mean() >= (0.8 if fitted.settled().repeats == "allow" else 1)  # type: ignore[attr-defined]
    assert right[1][right[0]].mean() > 0.9
    assert right[1].mean() >= right[0].mean()


def test_an_update_gives_the_same_twice_and_can_be_saved(
    fitted: SequenceFit, after: SequenceFit, later: EventLog, tmp_path: Path
) -> None:
    scores = follows(after, later, "new 0")
    np.testing.assert_array_equal(follows(fitted.update(later), later, "new 0"), scores)
    after.save(tmp_path)
    np.testing.assert_array_equal(follows(FittedGRU.load(tmp_path), later, "new 0"), scores)


def test_an_item_that_came_with_no_events_stays_last(fitted: SequenceFit, log: EventLog) -> None:
    items = log.items.extended(["unseen", "seen"])
    events = EventLog.from_columns(
        log.users,
        items,
        np.zeros(2, np.int64),
        np.array([3, items.row("seen")]),
        log.last_us + np.arange(1, 3),
    )
    scores = follows(fitted.update(events), events, log.items[0])
    assert scores[items.row("unseen")] == scores.min()
    assert (scores == scores.min()).sum() == 1


def test_an_update_without_events_changes_nothing(fitted: SequenceFit, log: EventLog) -> None:
    after = fitted.update(events_of(log, [], []))
    np.testing.assert_array_equal(follows(after, log, log.items[0]), follows(fitted, log, log.items[0]))
