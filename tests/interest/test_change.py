"""A change is told when there is one, false alarms keep to their rate, and the sentence is made of the past alone."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy import sparse
from scipy.stats import poisson

from driftline.data.events import histories
from driftline.data.synthetic import changing, still
from driftline.data.synthetic.world import World
from driftline.errors import RunError
from driftline.interest.change import (
    FALSE_ALARMS,
    MONTH_EVENTS,
    ChangeModel,
    View,
    Walk,
    alarms,
)
from driftline.interest.change_fitting import _threshold, fit_change
from driftline.interest.dynamics import default_dynamics
from driftline.interest.evidence import event_weights
from driftline.interest.model import InterestModel
from driftline.interest.topics import catalog_topics
from driftline.types import END_OF_TIME, US_PER_DAY

SETTLING = 30
"""Events after a change within which most alarms must come."""


def fitted(world: World, *, order_only: bool = False) -> InterestModel:
    topics = catalog_topics(world.dataset.catalog)
    dynamics = default_dynamics(world.log, topics, order_only=order_only)
    return InterestModel(topics, dynamics, change=fit_change(world.log, topics, dynamics))


def walk_of(model: InterestModel, world: World, user: int) -> Walk:
    log, offsets = world.log.positive, world.log.positive.user_offsets
    weights = event_weights(log, model.dynamics.ratings)
    return model.change.walk(log, slice(int(offsets[user]), int(offsets[user + 1])), model.topics, weights)


def walked(model: InterestModel, world: World, user: int) -> tuple[np.ndarray, np.ndarray]:
    """A user's score after each moment, and the moments."""
    walk = walk_of(model, world, user)
    return walk.scores(), walk.times


def counted(model: InterestModel, world: World) -> tuple[int, float]:
    """All alarms of a world and the user-months that they came in."""
    walks = [walk_of(model, world, user) for user in range(world.log.n_users)]
    count = sum(int(alarms(walk.scores(), model.change.threshold).sum()) for walk in walks)
    return count, sum(walk.months(walk.scores(), order_only=model.dynamics.order_only) for walk in walks)


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_matrix])
def test_the_evidence_of_two_mixes_is_the_bayes_factor_worked_by_hand(form):
    """α = (1, 1): two of one kind are 1/3 likely, one 1/2, three 1/4; two of each 2! 2! / 5! = 1/30."""
    view = View(np.array([1.0, 1.0]), 1.0)
    found = view.evidence(form(np.array([[2.0, 0.0], [1.0, 0.0], [3.0, 0.0], [2.0, 2.0]])))
    assert found == pytest.approx(np.log([1 / 3, 1 / 2, 1 / 4, 1 / 30]))


@pytest.mark.parametrize("basket", [1, 7, 40])
def test_one_pass_over_many_users_gives_what_walking_through_each_gives(basket):
    world = changing(n_users=12, n_events=90, seed=1)
    # Baskets: events of a user are moved to the time of the first of so many.
    log = world.log
    place = np.arange(len(log)) - log.user_offsets[log.user_row]
    log = replace(log, time_us=log.time_us[np.arange(len(log)) - place % basket])
    world = World(replace(world.dataset, log=log), world.truth)
    model = fitted(world)
    for user in range(12):
        scores, times = walked(model, world, user)
        at = np.append(times[1:], times[-1] + 1)
        found = model.change_scores(histories(log, np.full(len(at), user, np.int32), at))
        np.testing.assert_allclose(found, scores, atol=1e-9)


def test_in_a_still_world_alarms_come_at_the_stated_rate():
    """Calibrated on one world, counted on another of the same make: within the 99.9 % interval of the Poisson."""
    model = fitted(still(n_users=300, seed=0))
    count, months = counted(model, still(n_users=300, seed=9))
    assert months > 2000
    low, high = poisson.interval(0.999, FALSE_ALARMS * months)
    assert low <= count <= high


def test_where_taste_changes_most_alarms_come_within_thirty_events():
    model = fitted(still(n_users=300, seed=0))
    world = changing(n_users=100, seed=4, change_share=0.5)
    delays, before = [], 0
    for user in range(100):
        scores, times = walked(model, world, user)
        raised = times[alarms(scores, model.change.threshold)]
        change = world.truth.change_us[user]
        before += int((raised < change).sum())
        if change < END_OF_TIME:
            after = raised[raised >= change]
            delays.append(int(((times >= change) & (times <= after[0])).sum()) if len(after) else 10**6)
    assert len(delays) == 50
    assert np.mean(np.array(delays) <= SETTLING) > 0.9
    assert before < 10


def test_a_model_fitted_where_users_change_still_finds_the_change():
    """Shuffling spreads a change over the whole history: a mix of two tastes, from which no false alarm comes."""
    world = changing(n_users=150, seed=2)
    model = fitted(world)
    walks = [walked(model, world, user) for user in range(150)]
    last = [times[alarms(scores, model.change.threshold)].max(initial=0) for scores, times in walks]
    assert np.mean(np.array(last) >= world.truth.change_us) > 0.8


def test_shuffled_events_of_users_who_changed_raise_no_more_than_the_stated_alarms():
    world = changing(n_users=200, seed=2)
    model = fitted(world)
    rng = np.random.default_rng(5)
    log = world.log
    order = np.lexsort((rng.random(len(log)), log.user_row))
    mixed = World(replace(world.dataset, log=replace(log, item_row=log.item_row[order])), world.truth)
    count, months = counted(model, mixed)
    assert count <= poisson.ppf(0.9995, FALSE_ALARMS * months)


def test_without_times_a_month_is_so_many_events():
    world = still(n_users=200, seed=3)
    model = fitted(world, order_only=True)
    count, months = counted(model, world)
    known = sum(int(np.isfinite(walked(model, world, user)[0]).sum()) for user in range(200))
    assert months == pytest.approx(known / MONTH_EVENTS)
    low, high = poisson.interval(0.999, FALSE_ALARMS * months)
    assert low <= count <= high


def test_the_threshold_is_the_lowest_that_keeps_to_what_is_allowed():
    """Rises 0→3, 1→5, 2→4: at 3 two pass, at 4 one, at 2.5 three."""
    rises = np.array([[0.0, 3.0], [1.0, 5.0], [2.0, 4.0]])
    assert _threshold(rises, 2) == 3.0
    assert _threshold(rises, 1) == 4.0
    assert _threshold(rises, 0.5) == np.inf


@pytest.fixture(scope="module")
def turned() -> tuple[InterestModel, World]:
    world = changing(n_users=120, seed=6)
    return fitted(world), world


def test_the_sentence_tells_since_when_from_what_to_what_and_by_which_events(turned):
    model, world = turned
    told = 0
    for user in range(30):
        change, name = int(world.truth.change_us[user]), str(world.log.users[user])
        at = change + 80 * US_PER_DAY
        found = model.interests(world.log, name, at)["change"]
        if not found["changed"]:
            continue
        told += 1
        mixes = [world.truth.mix(np.array([user]), np.array([when]))[0] for when in (change - 1, change)]
        assert mixes[1][model.topics.column(found["to"][0]["topic"])] > 0.1
        assert mixes[0][model.topics.column(found["from"][0]["topic"])] > 0.1
        own = world.log.history(name, before=at)
        items = {world.log.items[int(row)] for row in world.log.item_row[own.start[0] : own.end[0]]}
        assert set(found["evidence"]) <= items
        assert f"from {found['from'][0]['name']}" in found["sentence"]
        assert f"it began with {found['evidence'][0]}" in found["sentence"]
    assert told >= 20


def test_a_change_is_dated_near_the_day_it_came(turned):
    from driftline.types import parse_time

    model, world = turned
    errors = []
    for user in range(60):
        change = int(world.truth.change_us[user])
        found = model.interests(world.log, str(world.log.users[user]), change + 100 * US_PER_DAY)["change"]
        if found["changed"]:
            errors.append(abs(parse_time(found["since"]) - change) / US_PER_DAY)
    assert np.median(errors) < 10


def test_nothing_at_or_after_the_moment_is_read(turned):
    model, world = turned
    log = world.log
    at = int(np.quantile(log.time_us, 0.7))
    later = log.time_us >= at
    item = log.item_row.copy()
    item[later] = np.random.default_rng(0).integers(0, log.n_items, later.sum())
    for user in ("u0", "u5", "u40"):
        answers = [
            json.dumps(model.interests(one, user, at)["change"], allow_nan=False)
            for one in (log, replace(log, item_row=item), log.before(at))
        ]
        assert answers[0] == answers[1] == answers[2]


@pytest.mark.parametrize(("events", "words"), [(0, "0 events"), (1, "1 event,"), (15, "15 events")])
def test_too_short_a_history_is_said_plainly(turned, events, words):
    model, world = turned
    log = world.log.select(np.arange(world.log.user_offsets[0], world.log.user_offsets[0] + events))
    found = model.interests(log, "u0", END_OF_TIME - 1)["change"]
    assert (found["score"], found["changed"], found["since"], found["to"]) == (None, False, None, [])
    assert words in found["sentence"]


def test_without_times_the_sentence_counts_events(turned):
    _, world = turned
    model = fitted(world, order_only=True)
    found = [
        model.interests(world.log, f"u{user}", int(world.truth.change_us[user]) + 60 * US_PER_DAY) for user in range(20)
    ]
    changed = [one["change"] for one in found if one["change"]["changed"]]
    assert changed
    for one in changed:
        assert one["since"] is None
        assert one["sentence"].startswith(f"In your last {one['events']} events you have turned from ")


def test_it_is_saved_and_older_runs_still_load(turned, tmp_path):
    model, world = turned
    model.save(tmp_path / "new")
    again = InterestModel.load(tmp_path / "new")
    at = int(world.truth.change_us[0]) + 80 * US_PER_DAY
    assert again.interests(world.log, "u0", at) == model.interests(world.log, "u0", at)
    replace(model, change=None).save(tmp_path / "old")
    old = InterestModel.load(tmp_path / "old")
    assert old.change is None
    assert "fit again" in old.interests(world.log, "u0", at)["change"]["sentence"]
    with pytest.raises(RunError, match="calibration of change"):
        ChangeModel.from_json({"threshold": 1.0}, {})


def test_too_few_histories_to_calibrate_are_said_and_never_alarm():
    world = changing(n_users=3, n_events=60)
    model = fitted(world)
    assert model.change.threshold == np.inf
    found = model.interests(world.log, "u0", END_OF_TIME - 1)["change"]
    assert found["threshold"] is None
    assert not found["changed"]
    assert "too few" in found["sentence"]
    assert found["score"] is not None
