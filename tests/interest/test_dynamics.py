"""The half-life that is chosen follows how fast a world moves, and the intervals hold what they say."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from driftline.data.events import histories
from driftline.data.kinds import Kind
from driftline.data.synthetic import World, drifting, still
from driftline.interest import fitting
from driftline.interest.dynamics import Dynamics, default_dynamics
from driftline.interest.fitting import fit_dynamics, multinomial_likelihood, questions, within_budget
from driftline.interest.reading import beta_intervals
from driftline.interest.state import HalfLife, counts_of
from driftline.interest.topics import Topics, catalog_topics
from driftline.types import US_PER_DAY


def fitted(world: World, **keywords) -> tuple[Topics, Dynamics]:
    topics = catalog_topics(world.dataset.catalog)
    return topics, fit_dynamics(world.log, topics, **keywords)


@pytest.mark.slow
def test_the_faster_the_world_drifts_the_shorter_the_half_life():
    """Drift by half in 10, 60 and 300 days, and none: each choice is longer than the one before."""
    days = (10.0, 60.0, 300.0)
    worlds = [*(drifting(n_users=100, half_life_days=one, seed=1) for one in days), still(n_users=100, seed=1)]
    chosen = [fitted(world)[1].half_life.length for world in worlds]
    assert chosen[0] <= 14
    assert chosen[3] >= 240
    assert chosen == sorted(set(chosen))


def test_in_event_time_a_drift_asks_for_few_events_and_a_still_world_for_many():
    moving, resting = (fitted(world, order_only=True)[1] for world in (drifting(half_life_days=10.0), still()))
    assert moving.half_life.events is not None
    assert moving.half_life.length <= 8
    assert resting.half_life.length >= 64


def test_what_was_tried_is_recorded_and_the_best_of_it_is_taken():
    _, dynamics = fitted(drifting(n_users=60))
    scores = {str(one.half_life): one.log_score for one in dynamics.tried}
    assert len(scores) > 5
    assert "all history" in scores
    assert min(scores, key=lambda name: scores[name]) == str(dynamics.half_life)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1])
def test_ninety_percent_intervals_of_strength_hold_the_truth_of_a_still_world_nine_times_in_ten(seed):
    """Over users and topics whose strength is at least .05; 200 users, about 560 pairs."""
    world = still(n_users=200, seed=seed)
    topics, dynamics = fitted(world, seed=seed)
    users = np.arange(world.log.n_users, dtype=np.int32)
    moments = np.full(len(users), world.log.last_us + 1)
    counts = counts_of(histories(world.log, users, moments), topics, (dynamics.half_life,), dynamics.ratings)[:, 0]
    alpha = dynamics.posterior(counts, dynamics.priors(world.log, topics, moments))
    strength, low, high = beta_intervals(alpha, alpha.sum(axis=1, keepdims=True))
    truth = world.truth.event_share(users, moments)
    inside = ((low <= truth) & (truth <= high))[strength >= 0.05]
    assert 0.86 <= inside.mean() <= 0.95


def test_events_that_come_in_bundles_are_worth_less(log_of, topics_of):
    """Each visit is eight lines of one topic: eight such lines must not count as eight opinions."""
    rng = np.random.default_rng(0)
    names = [f"i{place}" for place in range(6)]
    bundled, single = [], []
    for user in range(120):
        taste = rng.dirichlet(np.full(6, 0.5))
        for day in range(0, 60, 3):
            topic = rng.choice(6, p=taste)
            bundled += [(f"u{user}", f"i{topic}", day)] * 8
            single.append((f"u{user}", f"i{topic}", day))
    worth = []
    for rows in (bundled, single):
        log = log_of(rows, items=names)
        worth.append(fit_dynamics(log, topics_of(log.items, {name: name for name in names})).evidence_worth)
    assert worth[0] <= 0.35 < 0.7 <= worth[1]


def test_the_likelihood_is_that_of_a_polya_urn(log_of, topics_of):
    """Two of a, one of b after a prior of (1, 2): P(a, a, b) = 1/3 · 2/4 · 2/5."""
    log = log_of([("u", "a", 0), ("u", "a", 1), ("u", "a", 2), ("u", "b", 3)])
    topics = topics_of(log.items, {"a": "a", "b": "b"})
    asked = questions(
        histories(log, np.zeros(1, np.int32), np.array([US_PER_DAY])), topics, np.array([1]), np.array([4]), seed=0
    )
    assert asked.count.tolist() == [2, 1]
    found = multinomial_likelihood(asked, np.array([1 / 3, 2 / 3]), np.array([3.0]))
    assert found == pytest.approx(np.log(1 / 3 * 2 / 4 * 2 / 5))


@pytest.mark.parametrize("order_only", [False, True])
def test_one_event_gets_defaults(log_of, topics_of, order_only):
    log = log_of([("u", "a", 1)])
    dynamics = fit_dynamics(log, topics_of(log.items, {"a": "x"}), order_only=order_only)
    assert (dynamics.half_life.events is not None) == order_only
    assert dynamics.tried == ()


def test_no_event_and_no_positive_event_get_defaults(log_of, topics_of):
    log = log_of([("u", "a", 1, "hide")], (Kind("hide", weight=-1.0, target=False),))
    assert fit_dynamics(log, topics_of(log.items, {"a": "x"})).tried == ()


def test_a_half_life_has_one_unit_and_a_length():
    for wrong in ({}, {"days": 1.0, "events": 1.0}, {"days": 0.0}, {"events": -1.0}):
        with pytest.raises(ValueError, match="above 0"):
            HalfLife(**wrong)


def test_when_the_order_of_events_is_destroyed_a_long_memory_is_best():
    """The same drifting users with each one's items shuffled over their times: nothing recent is left to prefer."""
    world = drifting(n_users=80, half_life_days=30.0, seed=3)
    rng = np.random.default_rng(0)
    order = np.lexsort((rng.random(len(world.log)), world.log.user_row))
    shuffled = replace(world.log, item_row=world.log.item_row[order])
    topics = catalog_topics(world.dataset.catalog)
    kept, destroyed = (fit_dynamics(log, topics).half_life.length for log in (world.log, shuffled))
    assert kept <= 30
    assert destroyed >= 120


@pytest.mark.parametrize(("events", "short"), [(4.0, 1.0), (32.0, 4.0), (64.0, 8.0), (256.0, 8.0), (np.inf, 8.0)])
def test_short_term_is_an_eighth_of_the_half_life_of_at_most_64_events_and_one_at_least(
    log_of, topics_of, events, short
):
    log = log_of([("u", "a", 1)])
    plain = default_dynamics(log, topics_of(log.items, {"a": "x"}), order_only=True)
    assert replace(plain, half_life=HalfLife(events=events)).short == HalfLife(events=short)


def test_questions_are_as_many_as_can_be_read_in_moments(monkeypatch):
    """Ten histories of four events and eleven to be read: two fit, in the order in which they stand."""
    monkeypatch.setattr(fitting, "MOST_EVENTS_READ", 11)
    chosen = within_budget(np.arange(10, 20), np.full(10, 4), seed=0)
    assert len(chosen) == 2
    assert 10 <= chosen[0] < chosen[1] < 20
    assert within_budget(np.array([7]), np.array([99]), seed=0).tolist() == [7], "one is asked, however long"
