"""What is said of a user has the contract's shape, is true of worlds that are known, and is made of the past alone."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from driftline.data.kinds import Kind
from driftline.data.synthetic import drifting, still
from driftline.data.vocabulary import Vocabulary
from driftline.errors import UnknownUserError
from driftline.interest.dynamics import Dynamics
from driftline.interest.evidence import RatingScale
from driftline.interest.fitting import fit_dynamics
from driftline.interest.mixes import whole_mix
from driftline.interest.reading import beta_intervals, interest_series, interests, require_user
from driftline.interest.state import HalfLife
from driftline.interest.topics import catalog_topics
from driftline.types import US_PER_DAY

ITEMS = {"tea": "drink", "cup": "drink", "spade": "garden", "seed": "garden", "star": "christmas"}


def dynamics_for(log, topics, **keywords) -> Dynamics:
    plain = Dynamics(HalfLife(days=60), 2.0, 1.0, HalfLife(days=np.inf), whole_mix(log, topics), span_days=100.0)
    return replace(plain, **keywords)


def told(rows, day, log_of, topics_of, user="u", **keywords):
    log = log_of(rows, items=list(ITEMS))
    topics = topics_of(log.items, ITEMS)
    return interests(log, topics, dynamics_for(log, topics, **keywords), user, round(day * US_PER_DAY))


def of(document, name):
    return next(one for one in document["topics"] if one["name"] == name)


def test_shape_is_the_contracts_and_numbers_are_json(log_of, topics_of):
    document = told([("u", "tea", 1), ("u", "spade", 2), ("v", "star", 3)], 10, log_of, topics_of)
    assert json.loads(json.dumps(document, allow_nan=False)) == document
    assert {"user_id", "at", "n_events", "topics", "short_term", "long_term"} <= set(document)
    assert document["at"] == "1970-01-11T00:00:00Z"
    for one in document["topics"]:
        assert {"topic", "name", "strength", "low", "high", "trend", "lifecycle", "evidence"} <= set(one)
        assert 0 <= one["low"] <= one["strength"] <= one["high"] <= 1
    assert {one["name"] for one in document["topics"]} == {"drink", "garden"}
    assert sum(one["strength"] for one in document["topics"]) + document["other"] == pytest.approx(1, abs=1e-5)


def test_strength_and_interval_are_those_of_the_dirichlet_worked_by_hand(log_of, topics_of):
    """Three drinks of half-life 60 days read 60 days later: 1.5; two prior events of which 3.33 / 4 are drinks."""
    from scipy.stats import beta

    document = told([("u", "tea", 0)] * 3, 60, log_of, topics_of)
    drink = of(document, "drink")
    alpha = 1.5 + 2 * (3 + 1 / 3) / 4
    assert drink["strength"] == pytest.approx(alpha / 3.5, abs=1e-5)
    assert drink["low"] == pytest.approx(beta(alpha, 3.5 - alpha).ppf(0.05), abs=1e-5)
    assert drink["high"] == pytest.approx(beta(alpha, 3.5 - alpha).ppf(0.95), abs=1e-5)


@pytest.mark.parametrize("make", [drifting, still])
def test_nothing_at_or_after_the_moment_is_read(make):
    """All later rows are changed, of everybody, ratings and kinds too: the answer is the same, byte for byte."""
    world = make(n_users=30, n_events=60)
    rng = np.random.default_rng(0)
    kinds = (Kind("rating"), Kind("hide", weight=-1.0, target=False))
    log = replace(world.log, kinds=kinds, value=rng.integers(1, 6, len(world.log)).astype(np.float32))
    topics = catalog_topics(world.dataset.catalog)
    dynamics = replace(fit_dynamics(log, topics), ratings=RatingScale(3, 1.4))
    at = int(np.quantile(log.time_us, 0.6))
    later = log.time_us >= at
    item, kind, value = log.item_row.copy(), log.kind.copy(), log.value.copy()
    item[later] = rng.integers(0, log.n_items, later.sum())
    kind[later] = rng.integers(0, 2, later.sum())
    value[later] = rng.integers(-50, 50, later.sum())
    changed = replace(log, item_row=item, kind=kind, value=value)
    without = log.before(at)
    for user in ("u0", "u7", "u29"):
        answers = [json.dumps(interests(one, topics, dynamics, user, at)) for one in (log, changed, without)]
        assert answers[0] == answers[1] == answers[2]


def test_an_empty_history_is_told_what_everybody_wants(log_of, topics_of):
    rows = [("v", "tea", 1)] * 8 + [("v", "spade", 2), ("u", "star", 50)]
    for user in ("u", "somebody new"):
        document = told(rows, 10, log_of, topics_of, user=user)
        assert document["n_events"] == 0
        assert document["topics"][0]["name"] == "drink"
        assert of(document, "drink")["strength"] == pytest.approx((8 + 1 / 3) / 10, abs=1e-5)
        assert all(one["evidence"] == [] and one["lifecycle"] == "unknown" for one in document["topics"])
        assert of(document, "drink")["high"] - of(document, "drink")["low"] > 0.5


def test_evidence_is_up_to_three_of_the_users_own_items_that_carry_the_topic(log_of, topics_of):
    rows = [("u", "tea", 1), ("u", "tea", 2), ("u", "cup", 3), ("u", "spade", 4), ("v", "seed", 2), ("u", "seed", 60)]
    document = told(rows, 50, log_of, topics_of)
    assert of(document, "drink")["evidence"] == ["tea", "cup"]
    assert of(document, "garden")["evidence"] == ["spade"]


def test_all_kept_events_are_counted_and_only_signs_of_interest_are_read(log_of, topics_of):
    kinds = (Kind("buy"), Kind("return", weight=0.0, target=False))
    log = log_of([("u", "tea", 1, "buy"), ("u", "spade", 2, "return"), ("u", "tea", 99, "buy")], kinds, list(ITEMS))
    topics = topics_of(log.items, ITEMS)
    document = interests(log, topics, dynamics_for(log, topics), "u", 10 * US_PER_DAY)
    assert document["n_events"] == 2
    assert [one["name"] for one in document["topics"]] == ["drink"]


def test_events_of_items_without_a_topic_are_left_out_and_their_share_is_said(log_of, topics_of):
    log = log_of(
        [("u", "tea", 1), ("u", "mystery", 2), ("u", "mystery", 3), ("u", "cup", 3)], items=[*ITEMS, "mystery"]
    )
    topics = topics_of(log.items, ITEMS)
    document = interests(log, topics, dynamics_for(log, topics), "u", 10 * US_PER_DAY)
    assert document["without_topic"] == 0.5
    assert [one["name"] for one in document["topics"]] == ["drink"]


def test_a_rising_topic_is_emerging_a_falling_one_fading_and_an_even_one_stable(log_of, topics_of):
    """Tea gives way to the spade over 80 days, while every third visit is a star throughout."""
    rng = np.random.default_rng(0)
    rows = []
    for day in range(80):
        turning = "spade" if rng.random() < day / 80 else "tea"
        rows.append(("u", "star" if day % 3 == 0 else turning, day))
    document = told(rows, 80, log_of, topics_of)
    assert (of(document, "garden")["lifecycle"], of(document, "drink")["lifecycle"]) == ("emerging", "fading")
    assert of(document, "christmas")["lifecycle"] == "stable"
    assert of(document, "garden")["trend"] > 0 > of(document, "drink")["trend"]
    assert of(document, "christmas")["trend"] == 0
    # Two thirds of the visits turn from tea to spade in 80 days: 30 / 80 · 2 / 3 in 30.
    assert of(document, "garden")["trend"] == pytest.approx(0.25, abs=0.08)


def test_few_moments_state_no_direction_however_many_events_they_hold(log_of, topics_of):
    rows = [("u", "tea", 1)] * 20 + [("u", "spade", 2)] * 20 + [("u", "spade", 3)] * 20
    assert {one["lifecycle"] for one in told(rows, 4, log_of, topics_of)["topics"]} == {"unknown"}


def test_in_a_still_world_few_topics_are_said_to_move():
    world = still(n_users=60, seed=3)
    topics = catalog_topics(world.dataset.catalog)
    dynamics = fit_dynamics(world.log, topics)
    at = world.log.last_us + 1
    words = [
        one["lifecycle"]
        for user in world.log.users
        for one in interests(world.log, topics, dynamics, str(user), at)["topics"]
        if one["strength"] > 0.03
    ]
    assert np.mean([word in ("emerging", "fading") for word in words]) < 0.08
    assert np.mean([word == "stable" for word in words]) > 0.85


def test_a_topic_left_behind_and_a_user_long_away_are_dormant(log_of, topics_of):
    rows = [("u", "tea", day) for day in range(20)] + [("u", "spade", day) for day in range(20, 90)]
    document = told(rows, 91, log_of, topics_of, half_life=HalfLife(days=30))
    assert of(document, "drink")["lifecycle"] == "dormant"
    assert of(document, "garden")["lifecycle"] != "dormant"
    away = told(rows, 600, log_of, topics_of)
    assert {one["lifecycle"] for one in away["topics"]} == {"dormant"}


def christmas_buyer(first_year, second_year):
    """Tea every third day of two years; stars on the days of each year that are given."""
    rows = [("u", "tea", day) for day in range(0, 720, 3)]
    return rows + [("u", "star", day) for day in first_year] + [("u", "star", 365 + day) for day in second_year]


def test_seasonal_needs_last_years_same_season(log_of, topics_of):
    """Stars each December: seasonal on day 715. Stars in this December alone, or all year round, are not."""
    december = range(320, 355, 3)
    both = told(christmas_buyer(december, range(320, 350, 3)), 715, log_of, topics_of)
    assert of(both, "christmas")["lifecycle"] == "seasonal"
    assert of(both, "drink")["lifecycle"] != "seasonal"
    now_alone = told(christmas_buyer([], range(320, 350, 3)), 715, log_of, topics_of)
    assert of(now_alone, "christmas")["lifecycle"] == "emerging"
    always = told(christmas_buyer(range(1, 360, 4), range(1, 350, 4)), 715, log_of, topics_of)
    assert of(always, "christmas")["lifecycle"] != "seasonal"


def test_within_a_year_nothing_is_seasonal(log_of, topics_of):
    rows = [("u", "tea", day) for day in range(0, 360, 3)] + [("u", "star", day) for day in range(320, 355, 2)]
    assert of(told(rows, 356, log_of, topics_of), "christmas")["lifecycle"] == "emerging"


def test_short_term_forgets_faster_than_long_term(log_of, topics_of):
    rows = [("u", "tea", day) for day in range(80)] + [("u", "spade", day) for day in range(80, 90)]
    document = told(rows, 91, log_of, topics_of)
    assert document["short_term"][0]["name"] == "garden"
    assert document["long_term"][0]["name"] == "drink"
    assert document["half_lives"] == {"topics": "60 days", "short_term": "7.5 days", "long_term": "all history"}


def test_a_series_says_at_each_moment_what_the_reading_of_that_moment_says(log_of, topics_of):
    rng = np.random.default_rng(2)
    rows = [("uv"[rng.integers(2)], list(ITEMS)[rng.integers(5)], float(rng.integers(90))) for _ in range(120)]
    log = log_of(rows, items=list(ITEMS))
    topics = topics_of(log.items, ITEMS)
    dynamics = dynamics_for(log, topics, mix_half_life=HalfLife(days=28))
    moments = np.array([95, 40, 60]) * US_PER_DAY
    strength, low, high = interest_series(log, topics, dynamics, "u", moments)
    for place, at in enumerate(moments):
        for one in interests(log, topics, dynamics, "u", int(at))["topics"]:
            column = topics.column(one["topic"])
            got = [values[place, column] for values in (strength, low, high)]
            assert got == pytest.approx([one["strength"], one["low"], one["high"]], abs=2e-6)


def test_order_only_data_is_read_in_events(log_of, topics_of):
    """Days mean nothing: the same events a thousand times slower give the same strengths and words."""
    rows = [("u", "tea", day) for day in range(30)] + [("u", "spade", day) for day in range(30, 60)]
    keywords = {"half_life": HalfLife(events=16), "order_only": True}
    quick = told(rows, 61, log_of, topics_of, **keywords)
    slow = told([(user, item, 1000 * day) for user, item, day in rows], 99_000, log_of, topics_of, **keywords)
    assert quick["topics"] == slow["topics"]
    assert of(quick, "garden")["strength"] > 0.7
    assert {one["lifecycle"] for one in quick["topics"]} <= {"emerging", "fading", "dormant", "stable"}


def test_intervals_of_a_lone_topic_and_of_tiny_shares_hold_their_mean():
    mean, low, high = beta_intervals(np.array([3.0]), 3.0)
    assert (mean.item(), low.item(), high.item()) == (1, 1, 1)
    mean, low, high = beta_intervals(np.array([1e-4, 2.0]), 2.0001)
    assert (low <= mean).all()
    assert (mean <= high).all()


def test_an_unknown_user_is_one_line(log_of):
    with pytest.raises(UnknownUserError, match=r"expected a user of this run .*'nobody'"):
        require_user(log_of([("u", "a", 1)]), "nobody")
    assert require_user(log_of([("u", "a", 1)]), "u") is None


def test_ids_are_text_with_quotes_and_pictures(log_of, topics_of):
    log = log_of([('u "1" 🌱', "tea", 1)], items=list(ITEMS))
    topics = topics_of(Vocabulary(ITEMS), ITEMS)
    document = interests(log, topics, dynamics_for(log, topics), 'u "1" 🌱', 2 * US_PER_DAY)
    assert document["user_id"] == 'u "1" 🌱'
    assert document["n_events"] == 1
