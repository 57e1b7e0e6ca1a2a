"""What the weights of experts and the number of coming events are read from, by numbers worked by hand."""

from __future__ import annotations

import json

import numpy as np
import pytest

from driftline.data.events import histories
from driftline.data.synthetic import drifting, still
from driftline.interest.dynamics import default_dynamics
from driftline.interest.experts import Expert, gate_features, history_age_days, idle_us, promised_events
from driftline.interest.forecast import HorizonModel
from driftline.interest.forecast_fitting import fit_horizon
from driftline.interest.horizons import Horizon
from driftline.interest.learned import find_topics
from driftline.interest.state import HalfLife
from driftline.types import US_PER_DAY


def test_the_gate_sees_how_much_there_is_how_long_ago_it_was_and_what_departs():
    """e² - 1 events and e - 1 scales of silence are where both features are 0; nothing and none are -2 and -1."""
    idle = np.array([0, 30 * np.expm1(1.0), 30 * np.expm1(2.0)]) * US_PER_DAY
    found = gate_features(np.array([0.0, np.expm1(2.0), 0.0]), idle, 30.0, np.array([0.0, 0.7, 0.5]))
    np.testing.assert_allclose(found, [[1, -2, -1, 0, 0], [1, 0, 0, 0.7, 0], [1, -2, 1, 0.5, -1]], atol=1e-12)


def test_idle_is_the_time_since_the_last_event_and_age_that_since_the_first(log_of):
    log = log_of([("u", "a", 1), ("u", "a", 4), ("u", "a", 9), ("v", "a", 2)])
    asked = histories(log, np.array([0, 1, 1], np.int32), np.array([6, 6, 1]) * US_PER_DAY)
    assert (idle_us(asked, order_only=False) / US_PER_DAY).tolist() == [2, 4, 0]
    assert history_age_days(asked).tolist() == [5, 4, 0]
    assert idle_us(asked, order_only=True).tolist() == [0, 0, 0]


@pytest.mark.parametrize("age", [2.0, 10.0, 1000.0])
def test_one_event_a_day_promises_one_a_day_however_young_the_history(age):
    """At one a day for `age` days the faded events are the integral of 2^(-t / 10) from 0 to `age`."""
    faded = np.array([10 / np.log(2) * (1 - 2 ** (-age / 10))])
    found = promised_events(faded, HalfLife(days=10.0), np.array([age]), Horizon(days=7.0))
    assert found[0] == pytest.approx(7)


def test_without_fading_the_rate_is_over_the_whole_history_and_over_a_day_at_least():
    """Twelve events in 24 days are half a day's; three in an hour count as three a day."""
    found = promised_events(np.array([12.0, 3.0]), HalfLife(days=np.inf), np.array([24.0, 1 / 24]), Horizon(days=2.0))
    assert found.tolist() == [1, 6]


def test_an_expert_is_drawn_to_everybody_by_its_strength_and_always_by_what_is_common():
    """3 of 4 events, 4 more of everybody's at a half each: 5/8; then a fifth of everybody's: 5/8 · .8 + .5 · .2."""
    expert = Expert(HalfLife(days=10.0), prior_strength=4.0, common=0.2)
    shares = expert.shares(np.array([[3.0, 1.0]]), np.array([[4.0]]), np.array([[0.5, 0.5]]))
    np.testing.assert_allclose(shares, [[0.6, 0.4]])
    nobody = expert.shares(np.zeros((1, 2)), np.zeros((1, 1)), np.array([[0.9, 0.1]]))
    np.testing.assert_allclose(nobody, [[0.9, 0.1]])


def test_where_interest_moves_on_a_part_is_always_everybodys_and_where_it_is_still_none_is():
    """In a drifting world E[m(t + d)] = 2^(-d/h) m(t) + (1 - 2^(-d/h)) / n: no length of history makes up for that."""
    for make, drawn in ((drifting, True), (still, False)):
        dataset = make(n_users=150, n_events=150).dataset
        topics = find_topics(dataset.log, dataset.catalog)
        model = fit_horizon(dataset.log, topics, default_dynamics(dataset.log, topics), Horizon(days=28.0))
        assert model is not None
        assert (model.lead.common > 0) is drawn
        assert HorizonModel.from_json(json.loads(json.dumps(model.as_json())), model.pool).experts == model.experts
