"""A pool is taken where it foretells what users do that it does not know, and left where it does not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from driftline.data.events import EventLog
from driftline.data.synthetic import drifting, still
from driftline.interest.dynamics import default_dynamics
from driftline.interest.fitting import fit_dynamics
from driftline.interest.forecast_fitting import Halves, fit_horizon
from driftline.interest.horizons import Horizon
from driftline.interest.learned import find_topics
from driftline.interest.state import HalfLife


def permuted(log: EventLog, seed: int = 0) -> EventLog:
    """Each user's items over that user's own times, in another order."""
    rng = np.random.default_rng(seed)
    order = np.lexsort((rng.random(len(log)), log.user_row))
    return replace(log, item_row=log.item_row[order])


def held_back(log: EventLog, world, horizon: Horizon, *, blind: bool = False) -> float:
    topics = find_topics(log, world.dataset.catalog)
    model = fit_horizon(log, topics, fit_dynamics(log, topics), horizon, blind=blind)
    assert model is not None
    return model.held_back


def test_one_expert_leads_where_taste_is_still_and_there_is_nothing_to_pool():
    world = still(n_users=300, n_events=120, seed=1)
    assert held_back(world.log, world, Horizon(events=20)) < 0.02


def test_the_blind_twin_reads_the_same_whatever_the_order_was():
    """What it is made of are counts: items in another order over the same times make the same pool of them."""
    world = drifting(n_users=150, n_events=80, half_life_days=30.0)
    topics = find_topics(world.log, world.dataset.catalog)
    dynamics = default_dynamics(world.log, topics)
    model = fit_horizon(world.log, topics, dynamics, Horizon(events=20), blind=True)
    assert model is not None
    assert {one.half_life for one in model.experts} == {HalfLife(days=np.inf), None}
    assert model.vectors == (HalfLife(days=np.inf),)


@pytest.mark.slow
def test_order_is_worth_something_where_interest_drifts_and_nothing_when_it_is_destroyed():
    """The falsifier of order: the forecast beats its order-blind twin on the real order, and less on a permuted one."""
    from driftline.evaluation.forecasting import evaluate_forecast

    world = drifting(n_users=300, n_events=120, half_life_days=20.0, seed=3)
    gains = []
    for log in (world.log, permuted(world.log)):
        found = evaluate_forecast(replace(world.dataset, log=log), Horizon(events=20))
        gains.append(found.versus["order-blind"]["driftline"]["log_score"])
    assert gains[0].low > 0
    assert gains[0].value > 3 * abs(gains[1].value)
    assert gains[1].low < 0.005


def test_halves_are_not_those_of_an_evaluation_and_know_nothing_of_each_other():
    world = still(n_users=120, n_events=40)
    halves = Halves.of(world.log)
    assert 0.3 < halves.first.mean() < 0.7
    assert halves.space.items.shape[0] == world.log.n_items
    changed = np.where(halves.first[world.log.user_row], world.log.item_row, 0).astype(np.int32)
    again = Halves.of(replace(world.log, item_row=changed))
    np.testing.assert_array_equal(halves.space.items, again.space.items)
    assert (halves.whole.items != again.whole.items).any()
