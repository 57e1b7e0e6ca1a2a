"""A forecast read off a state is the one read from the history: stepped, in a batch, saved, replayed, many topics."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from driftline.data.events import EventLog, Histories, histories
from driftline.data.kinds import RATING, Kind
from driftline.data.synthetic import drifting
from driftline.data.vocabulary import Vocabulary
from driftline.errors import RequestError
from driftline.interest.dynamics import Dynamics
from driftline.interest.encoding import encoded, followed, read_states, state_of, write_states
from driftline.interest.evidence import RatingScale, event_weights
from driftline.interest.experts import N_FEATURES, Expert, ladder, vector_half_lives
from driftline.interest.forecast import HorizonModel
from driftline.interest.horizons import Horizon
from driftline.interest.mixes import whole_mix
from driftline.interest.model import InterestModel, fit_interest_model
from driftline.interest.pool import Pool
from driftline.interest.signals import MOST_GROUPS
from driftline.interest.space import Space
from driftline.interest.spread import Spread
from driftline.interest.state import MOST_BYTES, Event, HalfLife, InterestState
from driftline.interest.topics import Topics
from driftline.interest.vectors import unit
from driftline.types import US_PER_DAY

N_ITEMS, N_TOPICS, DIM = 12, 6, 5
KINDS = (Kind("look"), Kind("buy", weight=2.0), Kind("hide", weight=-1.0, target=False), Kind(RATING))
WEEK, NEXT = Horizon(days=7.0), Horizon(events=20)

ROWS = st.lists(
    st.tuples(st.integers(0, 3), st.integers(0, N_ITEMS - 1), st.integers(0, 15), st.integers(0, 3)),
    min_size=1,
    max_size=80,
    unique_by=lambda row: row,
)
"""User, item, half days, kind: many at one moment, some of them no interest, each once."""


def log_of(rows: list[tuple[int, int, int, int]], n_items: int = N_ITEMS) -> EventLog:
    user, item, half_day, kind = np.array(rows, np.int64).T
    ratings = np.where(kind == 3, 1.0 + (7 * item + half_day) % 5, np.nan)
    return EventLog.from_columns(
        Vocabulary(f"u{one}" for one in range(5)),
        Vocabulary(f"i{one}" for one in range(n_items)),
        user.astype(np.int32),
        item.astype(np.int32),
        half_day * US_PER_DAY // 2,
        kinds=KINDS,
        kind=kind.astype(np.int8),
        value=ratings.astype(np.float32),
    )


def model_of(
    log: EventLog, n_topics: int = N_TOPICS, dim: int = DIM, *, order_only: bool = False, seed: int = 0
) -> InterestModel:
    """A model in which all that a forecast reads weighs something: random topics, vectors and pools."""
    rng = np.random.default_rng(seed)
    weights = np.zeros((log.n_items - 1, n_topics))  # the last item came later
    for item in range(log.n_items - 2):  # the last but one has no topic
        weights[item, rng.choice(n_topics, 2, replace=False)] = 0.7, 0.3
    names = tuple(f"t{one}" for one in range(n_topics))
    topics = Topics(names, names, sparse.csr_matrix(weights), ((),) * n_topics, Vocabulary(log.items.ids[:-1]))
    vectors = unit(rng.normal(size=(log.n_items - 1, dim)))
    vectors[0] = 0
    half_life = HalfLife(events=8) if order_only else HalfLife(days=5)
    mix = HalfLife(days=np.inf)
    dynamics = Dynamics(half_life, 4.0, 1.0, mix, whole_mix(log, topics), RatingScale(3.0, 1.2), order_only, 9.0)
    own = [Expert(one, 1.0 + place, 0.05) for place, one in enumerate(ladder(9.0, order_only=order_only))]
    everybody = [Expert()] if order_only else [Expert(), Expert(everybody=HalfLife(days=2))]
    horizons = []
    for horizon in (NEXT,) if order_only else (WEEK, NEXT):
        steps = vector_half_lives(tuple(one.half_life for one in own if one.half_life))
        n_groups, n_parts = min(n_topics, MOST_GROUPS), len(own) + len(everybody) + len(steps)
        n_residual = len(steps) * (n_groups + dim)
        pool = Pool(
            rng.normal(0, 0.2, (N_FEATURES, n_parts)),
            rng.normal(0, 0.3, (n_residual, n_groups)),
            rng.normal(0, 0.3, n_groups),
        )
        spread = Spread(2.0, 0.3, -0.2)
        horizons.append(HorizonModel(horizon, (*own, *everybody), steps, 1, pool, spread, (0.3, 0.9), {}))
    return InterestModel(topics, dynamics, Space(vectors.astype(np.float32)), tuple(horizons))


def asked_of(log: EventLog, at_us: int) -> Histories:
    n = log.n_users
    return histories(log.positive, np.arange(n, dtype=np.int32), np.full(n, at_us))


def stepped(model: InterestModel, asked: Histories) -> np.ndarray:
    own = [asked.take(slice(user, user + 1)) for user in range(len(asked))]
    return np.stack([state_of(one, model.scales, model.dynamics.ratings).packed for one in own])


def assert_same(model: InterestModel, log: EventLog, at_us: int, horizon: Horizon, packed: np.ndarray) -> None:
    asked = asked_of(log, at_us)
    found = model.outlook(log, at_us, horizon).forecasts(packed)
    exact = model.distributions(log, asked, horizon)
    np.testing.assert_allclose(found.shares, exact.shares, atol=1e-5)
    np.testing.assert_array_equal(found.n_events, exact.n_events)


@settings(max_examples=60, deadline=None)
@given(ROWS, st.integers(0, 40), st.sampled_from([WEEK, NEXT, Horizon(days=3.0)]))
def test_states_event_by_event_and_in_a_batch_forecast_what_histories_do(
    rows: list[tuple[int, int, int, int]], later: int, horizon: Horizon
) -> None:
    """Baskets, ratings, events that are no interest, items without vector or topic, a user who did nothing."""
    log = log_of(rows)
    model, at_us = model_of(log), int(log.last_us + 1 + later * US_PER_DAY // 3)
    asked = asked_of(log, at_us)
    assert_same(model, log, at_us, horizon, stepped(model, asked))
    assert_same(model, log, at_us, horizon, encoded(asked, model.scales, model.dynamics.ratings))


@settings(max_examples=30, deadline=None)
@given(ROWS)
def test_data_without_times_has_the_same_forecasts_from_states(rows: list[tuple[int, int, int, int]]) -> None:
    log = log_of(rows)
    model, at_us = model_of(log, order_only=True), int(log.last_us + US_PER_DAY)
    assert_same(model, log, at_us, NEXT, stepped(model, asked_of(log, at_us)))
    with pytest.raises(RequestError, match="next-20"):
        model.outlook(log, at_us, WEEK)


@settings(max_examples=20, deadline=None)
@given(ROWS, st.randoms(use_true_random=False))
def test_a_state_that_was_saved_moved_on_and_replayed_forecasts_the_same(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[int, int, int, int]], random
) -> None:
    """One user, the model too read from disk; events come in any order, each at its own moment."""
    rows = [(0, item, 2 * place, kind % 2) for place, (_, item, _, kind) in enumerate(rows)]
    log, folder = log_of(rows), tmp_path_factory.mktemp("run")
    model_of(log).save(folder)
    model = InterestModel.load(folder)
    arrived, state, weights = [], model.scales.new(), event_weights(log, model.dynamics.ratings)
    order = list(range(len(rows)))
    random.shuffle(order)
    for place in order:
        arrived.append(rows[place])
        so_far = log_of(arrived)
        event = Event(int(log.time_us[place]), rows[place][1], float(weights[place]), rows[place][3])
        own = asked_of(so_far, log.last_us + 1).take(slice(0, 1))
        state = followed(state, event, lambda own=own: own, RatingScale())
        write_states(folder, "states", model.scales, state.packed[None])
        state = InterestState(model.scales, read_states(folder, "states", model.scales)[0])
    found = model.outlook(log, log.last_us + 1, NEXT).forecast(state)
    exact = model.distributions(log, asked_of(log, log.last_us + 1).take(slice(0, 1)), NEXT)
    np.testing.assert_allclose(found.shares, exact.shares[0], atol=1e-5)


@pytest.mark.parametrize("n_topics", [64, 90, 300])
def test_sixty_four_topics_are_exact_and_of_more_what_is_other_is_shared_out_as_everybody_does(n_topics: int) -> None:
    """At width 64, within 3 KB; whoever had no more topics than have names is exact however many there are."""
    rng = np.random.default_rng(0)
    n_items = 400
    rows = [(user, int(rng.integers(n_items)), int(rng.integers(40)), 0) for user in (0, 1) for _ in range(300)]
    rows += [(2, int(rng.integers(n_items)), int(rng.integers(40)), 0) for _ in range(12)]
    log = log_of(sorted(set(rows)), n_items)
    model, at_us = model_of(log, n_topics, dim=64), log.last_us + 1
    scales = model.scales
    assert scales.dtype.itemsize <= MOST_BYTES
    assert scales.holds_all == (n_topics == 64)
    asked = asked_of(log, at_us)
    for packed in (stepped(model, asked), encoded(asked, scales, model.dynamics.ratings)):
        assert (packed.view(scales.dtype)["counts"] >= 0).all()
        for horizon in (WEEK, NEXT):
            found = model.outlook(log, at_us, horizon).forecasts(packed)
            exact = model.distributions(log, asked, horizon)
            few = slice(2, None) if n_topics > 64 else slice(None)
            np.testing.assert_allclose(found.shares[few], exact.shares[few], atol=1e-5)
            np.testing.assert_allclose(found.shares.sum(axis=1), 1, atol=1e-5)


def test_many_interests_among_many_topics_are_told_by_the_strongest_and_everybody() -> None:
    """A mix of the whole past over 120 topics that fall off as 1 / rank: at most 5 % of a forecast stand elsewhere."""
    rng = np.random.default_rng(0)
    falls = 1 / np.arange(1, 121)
    items = rng.choice(120, 800, p=falls / falls.sum())
    log = log_of(sorted({(place % 2, int(item), place % 400, 0) for place, item in enumerate(items)}), 122)
    model, at_us = model_of(log, 120, dim=64), log.last_us + 1
    own = sparse.csr_matrix(np.eye(121, 120))
    always = HalfLife(days=np.inf)
    plain = HorizonModel(NEXT, (Expert(always, 5.0),), (always,), 0, _leading_alone(120), Spread(), (0, 1), {})
    model = replace(model, topics=replace(model.topics, weights=own), horizons=(model.horizons[0], plain))
    asked = asked_of(log, at_us)
    exact = model.distributions(log, asked, NEXT).shares
    assert not model.scales.holds_all
    for packed in (stepped(model, asked), encoded(asked, model.scales, model.dynamics.ratings)):
        found = model.outlook(log, at_us, NEXT).forecasts(packed)
        away = np.abs(found.shares - exact).sum(axis=1) / 2
        assert away.max() > 1e-4
        assert away.max() < 0.05


def _leading_alone(n_topics: int) -> Pool:
    """What one expert says, and nothing of one vector."""
    gate = np.zeros((N_FEATURES, 2))
    gate[0, 0] = 1
    return Pool(gate, np.zeros((n_topics + 64, n_topics)), np.zeros(n_topics))


def test_bounds_are_those_of_the_forecast_from_the_history_and_blocks_change_nothing() -> None:
    world = drifting(n_users=80, n_events=60, half_life_days=30.0, seed=1)
    model, log = fit_interest_model(world.log, world.dataset.catalog), world.log
    at_us = log.last_us + 1
    asked = asked_of(log, at_us)
    packed = encoded(asked, model.scales, model.dynamics.ratings)
    for text in ("7d", "next-20"):
        outlook = model.outlook(log, at_us, Horizon.parse(text))
        many = outlook.forecasts(np.tile(packed, (7, 1)))
        for row in (0, 33, 79):
            listed = model.forecast(log, log.users.ids[row], at_us, text)["topics"][:-1]
            columns = [model.topics.column(one["topic"]) for one in listed]
            for name, array in (("share", many.shares), ("low", many.low), ("high", many.high)):
                np.testing.assert_allclose(array[row, columns], [one[name] for one in listed], atol=2e-5)
            alone = outlook.forecast(InterestState(model.scales, packed[row]))
            for whole, one in zip(many, alone, strict=True):
                np.testing.assert_allclose(whole[row + 6 * 80], one, atol=1e-6)


def test_what_cannot_be_read_off_a_state_is_refused() -> None:
    log = log_of([(0, 1, 3, 0), (1, 2, 4, 0)])
    model = model_of(log)
    outlook = model.outlook(log, int(log.last_us) + 1, WEEK)
    late = model.scales.new().step(Event(int(log.last_us) + 5, 1))
    with pytest.raises(RequestError, match="before"):
        outlook.forecast(late)
    with pytest.raises(RequestError, match="bytes"):
        outlook.forecasts(late.packed[None, :-1])
    days = replace(model, horizons=model.horizons[:1])
    with pytest.raises(RequestError, match="fitted"):
        days.outlook(log, int(log.last_us) + 1, NEXT)
    bare = replace(model, horizons=())
    packed = encoded(asked_of(log, log.last_us + 1), bare.scales, bare.dynamics.ratings)
    assert_same(bare, log, int(log.last_us) + 1, WEEK, packed)


def test_a_step_and_a_forecast_take_microseconds() -> None:
    """At ten times what is measured: other tests run beside this one."""
    rng = np.random.default_rng(0)
    log = log_of([(user, int(rng.integers(399)), int(rng.integers(40)), 0) for user in (0, 1) for _ in range(50)], 400)
    model = model_of(log, 64, dim=64)
    outlook, state = model.outlook(log, log.last_us + US_PER_DAY * 400, WEEK), model.scales.new()
    steps, asks = [], []
    for place in range(400):
        begun = time.process_time()
        state = state.step(Event(place * US_PER_DAY, place % 398))
        steps.append(time.process_time() - begun)
        begun = time.process_time()
        outlook.forecast(state)
        asks.append(time.process_time() - begun)
    assert np.median(steps[-200:]) < 300e-6
    assert np.median(asks[-200:]) < 3e-3
