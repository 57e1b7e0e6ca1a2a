"""The table of forecasts: who wins where it is known who must, what may be read, and what cannot be measured."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console

from driftline.data import synthetic
from driftline.errors import NotEnoughDataError, RequestError
from driftline.evaluation.forecasting import METRICS, evaluate_forecast
from driftline.evaluation.report import forecast_report
from driftline.interest.baselines import NAMES
from driftline.interest.horizons import Horizon


@pytest.fixture(scope="module")
def drifting():
    return evaluate_forecast(synthetic.drifting(n_users=240, half_life_days=40.0).dataset, Horizon(days=14.0))


def test_all_baselines_stand_beside_driftline_with_every_metric(drifting):
    document = drifting.as_json()
    assert set(document["models"]) == {*NAMES, "driftline", "order-blind"}
    for row in document["models"].values():
        assert set(row) == {*METRICS, "coverage@90", "skill"}
        assert all(one["low"] <= one["value"] <= one["high"] for one in row.values())
    assert document["versus"]["ewma"]["global"]["log_score"]["high"] < 0


def test_skill_is_zero_for_the_best_baseline_and_negative_for_the_others(drifting):
    skills = {name: drifting.models[name]["skill"].value for name in NAMES}
    assert skills[drifting.best] == pytest.approx(0)
    assert all(skill < 0 for name, skill in skills.items() if name != drifting.best)


def test_where_interest_drifts_fading_beats_the_whole_history_and_where_it_is_still_nothing_beats_it(drifting):
    assert drifting.versus["ewma"]["all-history"]["log_score"].high < 0
    still = evaluate_forecast(synthetic.still(n_users=240).dataset, Horizon(days=14.0))
    assert still.models["all-history"]["skill"].value == pytest.approx(0, abs=0.01)
    assert still.versus["persistence"]["all-history"]["log_score"].low > 0


def test_intervals_cover_what_came_about_nine_times_in_ten(drifting):
    for name in ("driftline", "ewma", "all-history"):
        assert 0.84 < drifting.models[name]["coverage@90"].value < 0.95
        assert drifting.pairs[name] > 300


def test_next_events_are_asked_of_the_users_that_taught_nothing():
    dataset = synthetic.drifting(n_users=300, half_life_days=40.0).dataset
    found = evaluate_forecast(dataset, Horizon(events=20))
    assert 100 <= found.users < 200
    assert found.data["learned_events"] < len(dataset.log)
    assert found.versus["ewma"]["global"]["log_score"].high < 0


def test_what_comes_after_an_origin_does_not_move_what_is_said_there():
    """The events of the last window are given to other items: the forecasts are scored otherwise, but are the same."""
    dataset = synthetic.drifting(n_users=240, half_life_days=40.0).dataset
    log = dataset.log
    late = log.time_us > log.last_us - 10 * 86_400_000_000
    swapped = np.where(late, (log.item_row + 7) % log.n_items, log.item_row).astype(np.int32)
    before = evaluate_forecast(dataset, Horizon(days=70.0))
    after = evaluate_forecast(replace(dataset, log=replace(log, item_row=swapped)), Horizon(days=70.0))
    assert before.origins == after.origins == 1
    assert before.weights == after.weights
    assert before.pairs == after.pairs
    assert before.models["driftline"]["log_score"] != after.models["driftline"]["log_score"]


def test_too_few_users_are_not_measured_and_their_number_is_said():
    with pytest.raises(NotEnoughDataError, match=r"at least 100 users .* got 60"):
        evaluate_forecast(synthetic.still(n_users=60).dataset, Horizon(days=14.0))


def test_a_horizon_in_time_is_refused_where_there_are_no_times():
    dataset = replace(synthetic.still(n_users=20).dataset, order_only=True)
    with pytest.raises(RequestError, match="next-20"):
        evaluate_forecast(dataset, Horizon(days=7.0))


def test_the_report_names_the_best_baseline_and_the_experts(drifting):
    said = io.StringIO()
    Console(width=80, file=said).print(forecast_report(drifting))
    text = said.getvalue()
    assert max(map(len, text.splitlines())) <= 80
    assert "best baseline" in text
    assert f"({drifting.best})" in text
    assert "everybody" in text
