"""Forecasts win where there is something to win, do not lose to a single half-life, and know their doubt."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import betabinom

from driftline.data.catalog import Catalog
from driftline.data.synthetic import drifting, still
from driftline.errors import RequestError, RunError
from driftline.interest.fitting import Questions, fit_dynamics
from driftline.interest.forecast import Forecast
from driftline.interest.forecast_fitting import fit_horizon
from driftline.interest.horizons import Horizon, ask, ask_at
from driftline.interest.model import InterestModel, fit_interest_model
from driftline.interest.reading import Past
from driftline.interest.space import Space
from driftline.interest.spread import Spread
from driftline.interest.topics import catalog_topics
from driftline.metrics.distributions import log_score
from driftline.types import US_PER_DAY


@pytest.fixture(scope="module")
def world():
    return drifting(n_users=150, n_events=120, half_life_days=60.0, seed=2)


@pytest.fixture(scope="module")
def model(world) -> InterestModel:
    return fit_interest_model(world.log, world.dataset.catalog)


@pytest.mark.parametrize("horizon", ["7d", "28d", "next-20", "12h", "next-3", "90d"])
@pytest.mark.parametrize("user", ["u0", "nobody"])
def test_shares_sum_to_one_with_other_and_lie_in_their_intervals(world, model, horizon, user):
    document = model.forecast(world.log, user, world.log.last_us + 1, horizon)
    assert {"user_id", "at", "horizon", "topics"} <= set(document)
    assert json.loads(json.dumps(document, allow_nan=False)) == document
    assert sum(one["share"] for one in document["topics"]) == pytest.approx(1, abs=1e-4)
    assert document["topics"][-1]["topic"] == "other"
    assert all(0 <= one["low"] <= one["share"] <= one["high"] <= 1 for one in document["topics"])
    assert sum(document["weights"].values()) == pytest.approx(1, abs=1e-4)
    assert document["horizon"] == str(Horizon.parse(horizon))


def test_beyond_twenty_topics_the_rest_is_other():
    world = still(n_users=40, n_topics=30, n_items=90)
    document = fit_interest_model(world.log, world.dataset.catalog).forecast(
        world.log, "u1", world.log.last_us + 1, "7d"
    )
    assert len(document["topics"]) == 21
    assert document["topics"][-1]["share"] > 0
    assert sum(one["share"] for one in document["topics"]) == pytest.approx(1, abs=1e-4)


def test_a_forecast_reads_nothing_at_or_after_its_moment(world, model):
    at = int(np.quantile(world.log.time_us, 0.7))
    later = world.log.time_us >= at
    item = np.where(later, world.log.item_row[::-1], world.log.item_row)
    changed = replace(world.log, item_row=item)
    for horizon in ("7d", "next-20"):
        answers = [
            json.dumps(model.forecast(log, "u3", at, horizon)) for log in (world.log, changed, world.log.before(at))
        ]
        assert answers[0] == answers[1] == answers[2]


def losses(world, days: float, at_us: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, Questions]:
    """Fit before a moment; nats per event of each user after it: the forecast, its main half-life alone, everybody."""
    past, topics = world.log.before(at_us), catalog_topics(world.dataset.catalog)
    dynamics = fit_dynamics(past, topics)
    fitted = fit_horizon(past, topics, dynamics, Horizon(days=days))
    assert fitted is not None
    found = InterestModel(topics, dynamics, Space.of(past), (fitted,))
    asked = ask_at(world.log, topics, np.array([at_us]), round(days * US_PER_DAY))
    scores = {name: np.zeros(len(asked.histories)) for name in ("mixture", "main", "everybody")}
    for query, user in enumerate(asked.histories.user_row):
        past_of = Past.of(world.log, str(world.log.users[user]), at_us)
        prior = dynamics.priors(world.log, topics, np.array([at_us]))[0]
        assert fitted.lead.half_life is not None
        counts = past_of.counts(topics, dynamics, fitted.lead.half_life)
        came = np.bincount(asked.topic[asked.query == query], asked.count[asked.query == query], len(topics))[None]
        shares = found.distribution(world.log, past_of, Horizon(days=days))[0].shares
        scores["mixture"][query] = log_score(shares[None], came)[0]
        scores["main"][query] = log_score(fitted.lead.shares(counts, counts.sum(), prior)[None], came)[0]
        scores["everybody"][query] = log_score(prior[None], came)[0]
    return scores["mixture"], scores["main"], scores["everybody"], asked


@pytest.mark.slow
def test_on_unseen_weeks_of_a_drift_it_beats_the_mix_of_everybody_and_does_not_lose_to_one_half_life(world):
    mixture, main, everybody, _ = losses(world, 14.0, world.log.last_us - 14 * US_PER_DAY)
    assert (everybody - mixture).mean() > 0.1
    worse = mixture - main
    assert worse.mean() < 2 * worse.std() / np.sqrt(len(worse)) + 0.003


@pytest.mark.slow
def test_in_a_world_that_never_moves_the_forecast_is_close_to_the_truth():
    world = still(n_users=150, n_events=150, seed=4)
    at = world.log.last_us - 28 * US_PER_DAY
    mixture, _, _, asked = losses(world, 28.0, at)
    truth = world.truth.event_share(asked.histories.user_row, np.full(len(asked.histories), at))
    came = np.zeros_like(truth)
    came[asked.query, asked.topic] = asked.count
    assert (mixture - log_score(truth, came)).mean() < 0.04


@pytest.mark.slow
def test_intervals_hold_what_comes_as_often_as_they_say(world):
    """Randomised PIT of counts in the last 28 days, over pairs with share ≥ .05: 84-96 % inside the central 90 %."""
    at = world.log.last_us - 28 * US_PER_DAY
    past, topics = world.log.before(at), catalog_topics(world.dataset.catalog)
    model = fit_interest_model(past, world.dataset.catalog)
    asked = ask_at(world.log, topics, np.array([at]), 28 * US_PER_DAY)
    rng, pit = np.random.default_rng(0), []
    for query, user in enumerate(asked.histories.user_row):
        found, _ = model.distribution(world.log, Past.of(world.log, str(world.log.users[user]), at), Horizon(days=28))
        came = np.bincount(asked.topic[asked.query == query], asked.count[asked.query == query], len(topics))
        for topic in np.flatnonzero(found.shares >= 0.05):
            share = found.shares[topic]
            strength = float(found.spread.at(found.n_known, share))
            law = betabinom(int(came.sum()), strength * share, strength * (1 - share))
            pit.append(law.cdf(came[topic]) - rng.random() * law.pmf(came[topic]))
    inside = np.mean([(0.05 <= one <= 0.95) for one in pit])
    assert len(pit) > 500
    assert 0.84 <= inside <= 0.96


def test_an_interval_is_of_the_share_among_the_events_that_are_expected():
    """One event is of the topic or not; of many, the share lies about its mean; all there is is certain."""
    one = Forecast(np.array([0.4, 0.6]), Spread(np.log(50), 0, 0), 9.0, 1, {})
    assert one.interval(np.array([0])) == (0.4, 0.0, 1.0)
    many = Forecast(np.array([0.4, 0.6]), Spread(12, 0, 0), 9.0, 10_000, {})
    share, low, high = many.interval(np.array([0]))
    assert 0.38 < low < share < high < 0.42
    assert many.interval(np.array([0, 1])) == (1.0, 1.0, 1.0)
    assert many.interval(np.array([], np.int64)) == (0.0, 0.0, 0.0)
    assert many.interval(np.array([0]), level=0.5)[1] > low


def test_more_is_expected_of_a_longer_time(world, model):
    at = world.log.last_us + 1
    busy, short = (model.forecast(world.log, "u0", at, one)["expected_events"] for one in ("28d", "7d"))
    assert busy > short >= 1
    assert model.forecast(world.log, "u0", at, "next-20")["expected_events"] == 20


def test_questions_of_a_horizon_are_what_came_within_it(log_of, topics_of):
    log = log_of([("u", "a", 0), ("u", "b", 10), ("u", "a", 12), ("u", "a", 18), ("v", "b", 11), ("w", "a", 1)])
    topics = topics_of(log.items, {"a": "a", "b": "b"})
    asked = ask_at(log, topics, np.array([10 * US_PER_DAY]), 8 * US_PER_DAY)
    assert asked.histories.user_row.tolist() == [0]
    assert asked.histories.lengths.tolist() == [1]
    assert list(zip(asked.topic.tolist(), asked.count.tolist(), strict=True)) == [(0, 1.0), (1, 1.0)]


def test_next_events_are_asked_at_whole_moments_and_never_beyond_the_end(log_of, topics_of):
    """Baskets of three: an origin after 4 events moves to the basket that begins with the seventh."""
    rows = [("u", "ab"[place % 2], place // 3) for place in range(12)]
    log = log_of(rows)
    asked = ask(log, topics_of(log.items, {"a": "a", "b": "b"}), Horizon(events=4))
    assert asked.histories.lengths.tolist() == [6]
    assert asked.totals.tolist() == [4]


@pytest.mark.parametrize("text", ["soon", "7", "next-0", "next-", "0d", "-7d", "next-9999999"])
def test_a_horizon_that_is_none_is_refused(text):
    with pytest.raises(RequestError, match="expected a horizon"):
        Horizon.parse(text)


def test_data_without_times_is_forecast_in_events_alone(world):
    model = fit_interest_model(world.log, world.dataset.catalog, order_only=True)
    assert [str(one.horizon) for one in model.horizons] == ["next-20"]
    document = model.forecast(world.log, "u0", world.log.last_us + 1, "next-10")
    assert document["expected_events"] == 10
    assert document["fitted"] == "next-20"
    with pytest.raises(RequestError, match="next-20"):
        model.forecast(world.log, "u0", world.log.last_us + 1, "7d")


def test_a_saved_model_answers_the_same_in_every_byte(world, model, tmp_path: Path):
    model.save(tmp_path)
    again = InterestModel.load(tmp_path)
    at = world.log.last_us + 1
    for user in ("u0", "nobody"):
        assert json.dumps(again.interests(world.log, user, at)) == json.dumps(model.interests(world.log, user, at))
        for horizon in ("28d", "next-20"):
            ours, theirs = (one.forecast(world.log, user, at, horizon) for one in (model, again))
            assert json.dumps(ours) == json.dumps(theirs)


@pytest.mark.parametrize("damage", ["cut", "gone", "other format", "no key"])
def test_a_damaged_model_is_refused_in_one_line(model, tmp_path: Path, damage):
    model.save(tmp_path)
    path = tmp_path / "interest.json"
    text = path.read_text()
    document = json.loads(text)
    if damage == "cut":
        path.write_text(text[: len(text) // 2])
    elif damage == "gone":
        path.unlink()
    else:
        document |= {"format": 99} if damage == "other format" else {}
        document["document"].pop("horizons" if damage == "no key" else "nothing", None)
        path.write_text(json.dumps(document))
    with pytest.raises(RunError, match="fit again") as error:
        InterestModel.load(tmp_path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("order_only", [False, True])
def test_one_user_one_item_one_event_goes_all_the_way(log_of, tmp_path: Path, order_only):
    log = log_of([("u", "a", 1)])
    model = fit_interest_model(log, Catalog.empty(log.items), order_only=order_only)
    model.save(tmp_path)
    model = InterestModel.load(tmp_path)
    document = model.interests(log, "u", log.last_us + 1)
    assert [(one["strength"], one["evidence"]) for one in document["topics"]] == [(1.0, ["a"])]
    forecast = model.forecast(log, "u", log.last_us + 1, "next-20" if order_only else "7d")
    assert [one["share"] for one in forecast["topics"]] == [1.0, 0.0]
    assert forecast["fitted"] is None


@pytest.mark.slow
def test_a_refit_keeps_names_of_topics():
    world = still(n_users=80, n_events=60)
    empty = Catalog.empty(world.log.items)
    old = fit_interest_model(world.log.before(int(np.quantile(world.log.time_us, 0.9))), empty)
    new = fit_interest_model(world.log, empty, previous=old.topics, seed=9)
    assert len(set(new.topics.names) & set(old.topics.names)) >= 0.8 * len(old.topics)
