"""Items ahead: chances by hand, their order, by when they come, and what may not come at all."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from driftline.data.events import histories
from driftline.errors import RequestError, RunError
from driftline.interest.horizons import Horizon
from driftline.ranking.blend import with_weights
from driftline.ranking.candidates import FROM_RANKS
from driftline.ranking.expected import Expected, ItemsAhead, chance_of, half_gone, pace_features, smoothed

WEEK = Horizon(days=7.0)


def answers(world, log_rows, *, repeats="allow", fitted=()):
    """Items ahead of a world whose only arm is sure that the next item comes next."""
    data = world.dataset(log_rows, n_items=5)
    blend = with_weights({"step": world.Step()}, np.array([FROM_RANKS]), data.log, exclude_history=repeats == "exclude")
    return ItemsAhead(data.log, data.catalog, blend, repeats, fitted)


def test_one_or_more_of_a_negative_binomial_count():
    """Mean 1 and shape 1 is geometric: none in half of all cases; a large shape is Poisson; mean 0 never comes."""
    np.testing.assert_allclose(chance_of(np.array([1.0, 3.0, 0.0]), 1.0), [1 / 2, 3 / 4, 0])
    np.testing.assert_allclose(chance_of(np.array([1.0]), 1e9), 1 - np.exp(-1), rtol=1e-6)


def test_half_of_a_likely_item_s_chance_has_gone_before_half_of_the_window():
    np.testing.assert_allclose(half_gone(np.array([1e-6, 0.75])), [0.5, np.log(0.625) / np.log(0.25)], rtol=1e-5)


def test_shares_are_a_softmax_of_candidates_and_a_tail_of_popularity():
    """Odds 2 : 1 at sharpness 1 of nine tenths, and a tenth by popularity 1 : 1 : 2; nothing for what may not come."""
    model = Expected(WEEK, sharpness=1.0, tail=0.1)
    scores = np.array([1 + np.log(2), 1.0, -0.5])
    np.testing.assert_allclose(model.shares(scores, np.array([1.0, 1, 2])), [0.6 + 0.025, 0.3 + 0.025, 0.05])
    np.testing.assert_allclose(model.shares(np.array([-1.0, -1, -np.inf]), np.array([1.0, 1, 0])), [0.5, 0.5, 0])


def test_a_longer_window_is_reached_at_the_same_hazard(world):
    """A chance of one half in a week is three quarters in two, and the events that are expected in all double."""
    model = Expected(WEEK, comes=(0.0,) * 5, events=(np.log(4.0), 0, 0, 0, 0))
    past = histories(world.dataset([(0, 0, 1)], n_items=1).log, np.array([0], np.int32), np.array([9 * world.DAY]))
    (once,), (events,) = model.window(past, WEEK)
    (twice,), (more,) = model.window(past, Horizon(days=14.0))
    assert (once, events, twice) == pytest.approx((0.5, 4.0, 0.75))
    assert twice * more == pytest.approx(2 * once * events)
    assert model.window(past, Horizon(days=1.0), 14.0)[0] == pytest.approx(0.75)
    assert model.window(past, Horizon(events=3)) == (pytest.approx(1.0), pytest.approx(3.0))


def test_a_pace_is_read_of_visits_events_and_silence(world):
    """Three events at two moments, the first 20 days ago and the last 10."""
    log = world.dataset([(0, 0, 0), (0, 1, 10), (0, 2, 10)], n_items=3).log
    past = histories(log, np.array([0, -1], np.int32), np.array([20, 20]) * world.DAY)
    known, unknown = pace_features(past, 5.0)
    np.testing.assert_allclose(known, [1, np.log(3), np.log(4 / 3), np.log(1.5), np.log(1.5)])
    np.testing.assert_allclose(unknown, [1, 0, 0, 0, 0])


def test_what_may_come_stands_in_order_with_an_interval_and_a_time_inside_the_window(world):
    at = 6 * world.DAY
    found = answers(world, [(0, 0, 1), (0, 1, 3), (1, 2, 2), (1, 4, 2)]).ask("u0", at_us=at, horizon=WEEK, k=3)
    assert found.items[0].item_id == "i2"
    chances = [one.chance for one in found.items]
    assert chances == sorted(chances, reverse=True)
    assert all(one.low <= one.chance <= one.high <= found.any_event < 1 for one in found.items)
    assert all(at < one.by_us < at + 7 * world.DAY and one.by_event is None for one in found.items)


def test_in_a_horizon_of_events_items_come_by_an_event(world):
    found = answers(world, [(0, 0, 1), (0, 1, 3)]).ask("u0", at_us=6 * world.DAY, horizon=Horizon(events=4))
    assert found.any_event == 1
    assert {one.by_us for one in found.items} == {None}
    assert all(1 <= one.by_event <= 2 for one in found.items)
    assert found.items[0].as_json()["by"] is None


def test_what_was_had_does_not_come_again_where_repeats_are_the_exception(world):
    rows = [(0, 0, 1), (0, 1, 3), (1, 4, 2)]
    again = answers(world, rows).ask("u0", at_us=6 * world.DAY, horizon=WEEK)
    once = answers(world, rows, repeats="exclude").ask("u0", at_us=6 * world.DAY, horizon=WEEK)
    assert {"i0", "i1"} <= {one.item_id for one in again.items}
    assert not {"i0", "i1"} & {one.item_id for one in once.items}


def test_of_somebody_without_a_past_it_is_what_everybody_has(world):
    found = answers(world, [(0, 3, 1), (1, 3, 2), (1, 4, 2), (2, 0, 9)]).ask("u2", at_us=6 * world.DAY, horizon=WEEK)
    assert [one.item_id for one in found.items][:1] == ["i3"]


def test_the_closest_fitted_horizon_answers(world):
    """A horizon of events that was never fitted still takes the sharpness of what was."""
    busy = Expected(WEEK, comes=(9.0, 0, 0, 0, 0), sharpness=30.0, tail=0.0)
    asked = answers(world, [(0, 0, 1), (0, 1, 3)], fitted=[busy])
    assert asked.ask("u0", at_us=6 * world.DAY, horizon=Horizon(days=9.0)).any_event > 0.999
    events = asked.ask("u0", at_us=6 * world.DAY, horizon=Horizon(events=4))
    assert (events.any_event, events.items[0].chance) == (1, pytest.approx(0.8, abs=0.01))


@pytest.mark.parametrize("k", [0, -1, 1001])
def test_a_count_out_of_range_is_refused(world, k):
    with pytest.raises(RequestError, match="expected k between 1 and 1000"):
        answers(world, [(0, 0, 1)]).ask("u0", at_us=6 * world.DAY, horizon=WEEK, k=k)


def test_what_was_learned_is_json_and_back_and_damage_is_told():
    model = Expected(WEEK, level=0.3, power=0.8, n_windows=7)
    assert Expected.from_json(model.as_json()) == model
    whole = model.as_json()
    for damage in ({"comes": [1.0]}, {"horizon": "soon"}, {"shape": 0.0}, {"level": None, "tail": 2.0}, {"more": 1}):
        with pytest.raises(RunError, match="items ahead"):
            Expected.from_json({**whole, **damage})


def test_nothing_that_was_counted_is_impossible_and_what_came_after_the_fit_is():
    assert smoothed(np.array([2.0, 0.0]), 3).tolist() == [2.5, 0.5, 0.0]
    assert replace(Expected(WEEK), tail=1.0).shares(np.array([3.0, 1.0]), np.array([0.0, 2.0])).tolist() == [0, 1]
