"""The truth of each synthetic world is what its events show, and its dials turn what they say."""

from __future__ import annotations

import time

import numpy as np
import pytest

from driftline.data.synthetic import START_US, World, baskets, changing, drifting, markov, pauses, seasonal, still
from driftline.errors import SettingsError
from driftline.types import END_OF_TIME, US_PER_DAY, US_PER_HOUR

WORLDS = [still, drifting, changing, seasonal, markov, baskets, pauses]


def topics_by_user(world: World) -> tuple[np.ndarray, np.ndarray]:
    """Topic and day of each event, [n_users, n_events]."""
    log = world.log
    shape = (log.n_users, -1)
    days = (log.time_us - START_US) / US_PER_DAY
    return world.truth.item_topic[log.item_row].reshape(shape), days.reshape(shape)


@pytest.mark.parametrize("make", WORLDS)
def test_same_seed_gives_the_same_world_and_another_seed_another(make):
    first, again, other = make(seed=3).log, make(seed=3).log, make(seed=4).log
    assert (first.item_row == again.item_row).all()
    assert (first.time_us == again.time_us).all()
    assert (first.item_row != other.item_row).any()


@pytest.mark.parametrize("make", WORLDS)
def test_shares_of_the_truth_sum_to_one(make):
    world = make(n_users=20)
    share = world.truth.event_share(world.log.user_row, world.log.time_us)
    assert share.shape == (len(world.log), world.truth.n_topics)
    assert np.allclose(share.sum(axis=1), 1)
    assert (share >= 0).all()


@pytest.mark.parametrize("make", [still, drifting, changing, seasonal])
@pytest.mark.parametrize("noise", [0.0, 0.4, 1.0])
def test_events_are_calibrated_to_the_truth(make, noise):
    """Summed over events, what happened in each topic is what the truth expected, within four standard errors."""
    world = make(n_users=300, noise=noise, seed=1)
    share = world.truth.event_share(world.log.user_row, world.log.time_us)
    happened = np.eye(world.truth.n_topics)[world.truth.item_topic[world.log.item_row]]
    spread = np.sqrt((share * (1 - share)).sum(axis=0)) + 1e-9
    assert (np.abs((happened - share).sum(axis=0)) < 4 * spread).all()
    # The truth must also explain each event better than the average mix does, unless all is noise.
    gain = np.log(share + 1e-12)[happened > 0].mean() - np.log(happened.mean(axis=0) + 1e-12)[happened.argmax(1)].mean()
    assert gain > 0.05 if noise < 1 else abs(gain) < 0.01


@pytest.mark.parametrize("half_life", [20.0, 60.0])
def test_true_mix_of_a_drift_halves_its_correlation_in_a_half_life(half_life):
    world = drifting(n_users=3000, n_events=1, half_life_days=half_life, seed=5)
    users = np.arange(3000, dtype=np.int32)
    now, *later = (
        world.truth.mix(users, np.full(3000, START_US + round((10 + n * half_life) * US_PER_DAY))).ravel()
        for n in (0, 1, 2)
    )
    measured = [np.corrcoef(now, then)[0, 1] for then in later]
    assert np.allclose(measured, [0.5, 0.25], atol=0.025)


def test_drift_rate_estimated_from_events_is_the_dial():
    """How often two events of a user share a topic, above chance, halves with every half-life between them."""
    world = drifting(n_users=1500, n_events=60, days=240, half_life_days=40, noise=0, seed=6)
    topic, day = topics_by_user(world)
    same = topic[:, :, None] == topic[:, None, :]
    lag = day[:, None, :] - day[:, :, None]
    chance = (np.bincount(topic.ravel()) / topic.size) @ (np.bincount(topic.ravel()) / topic.size)
    near, one, two = (same[(lag > 40 * n - 1.5) & (lag < 40 * n + 1.5) & (lag > 0)].mean() - chance for n in (0, 1, 2))
    assert one / near == pytest.approx(0.5, abs=0.05)
    assert two / near == pytest.approx(0.25, abs=0.05)


def test_best_forecast_of_a_drift_is_the_decay_toward_the_mean():
    """Regressing the later mix on the present one gives the slope that the docstring promises, at any horizon."""
    world = drifting(n_users=4000, n_events=1, half_life_days=30, seed=2)
    users = np.arange(4000, dtype=np.int32)
    now = world.truth.mix(users, np.full(4000, START_US + 50 * US_PER_DAY)) - 1 / 8
    for days in (3, 30, 75):
        later = world.truth.mix(users, np.full(4000, START_US + (50 + days) * US_PER_DAY)) - 1 / 8
        assert (now * later).sum() / (now * now).sum() == pytest.approx(0.5 ** (days / 30), abs=0.03)


def test_still_users_do_not_move():
    world = still(n_users=1500, n_events=60, noise=0, seed=7)
    topic, _ = topics_by_user(world)
    close, far = (topic[:, 1:] == topic[:, :-1]).mean(), (topic[:, 30:] == topic[:, :-30]).mean()
    assert close == pytest.approx(far, abs=0.01)


def test_tastes_change_at_the_moment_that_the_truth_names_and_for_the_share_that_was_asked():
    world = changing(change_share=0.25, noise=0, seed=8)
    topic, day = topics_by_user(world)
    moment = (world.truth.change_us - START_US) / US_PER_DAY
    changed = world.truth.change_us < END_OF_TIME
    assert changed.sum() == 50
    assert ((moment[changed] > 0.4 * 360) & (moment[changed] < 0.6 * 360)).all()
    for user in range(200):
        before = set(topic[user][day[user] < moment[user]] % 2)
        after = set(topic[user][day[user] >= moment[user]] % 2)
        assert len(before) == 1
        assert after == ({1 - next(iter(before))} if changed[user] else set())


def test_a_season_has_the_period_that_was_asked():
    world = seasonal(n_users=400, n_events=200, days=360, period_days=45, noise=0.2, seed=9)
    topic, day = topics_by_user(world)
    daily = np.histogram(day[topic == 2], bins=360, range=(0, 360))[0]
    power = np.abs(np.fft.rfft(daily - daily.mean()))
    assert 360 / power.argmax() == 45
    # Topic 2 of 8 is at its height at a quarter of the period.
    folded = np.histogram(day[topic == 2] % 45, bins=9, range=(0, 45))[0]
    assert folded.argmax() == 2


@pytest.mark.parametrize("make", [still, drifting, changing, seasonal, markov, baskets, pauses])
def test_pure_noise_has_no_structure(make):
    """At noise 1 events that follow each other share a topic as often as chance has it."""
    world = make(n_users=1000, noise=1.0, seed=10)
    topic, _ = topics_by_user(world)
    n = world.truth.n_topics
    expected, pairs = 1 / n, topic[:, 1:].size
    spread = np.sqrt(expected * (1 - expected) / pairs)
    assert abs((topic[:, 1:] == topic[:, :-1]).mean() - expected) < 5 * spread + 0.002
    if world.truth.successor is not None and make is markov:
        assert (world.truth.successor[topic[:, :-1]] == topic[:, 1:]).mean() == pytest.approx(expected, abs=0.01)


@pytest.mark.parametrize("noise", [0.0, 0.3, 0.8])
def test_next_item_of_a_walk_follows_the_table_as_often_as_the_dial_says(noise):
    world = markov(n_users=1000, n_items=20, noise=noise, seed=11)
    item = world.log.item_row.reshape(1000, -1)
    follows = (world.truth.successor[item[:, :-1]] == item[:, 1:]).mean()
    assert follows == pytest.approx(1 - noise + noise / 20, abs=0.01)


def test_a_walk_of_order_two_cannot_be_told_from_the_last_item_alone():
    world = markov(n_users=2000, n_items=10, order=2, noise=0, seed=12)
    item = world.log.item_row.reshape(2000, -1)
    assert (world.truth.successor[item[:, :-2], item[:, 1:-1]] == item[:, 2:]).all()
    pairs = np.zeros((10, 10))
    np.add.at(pairs, (item[:, 1:-1].ravel(), item[:, 2:].ravel()), 1)
    best_by_last = pairs.max(axis=1).sum() / pairs.sum()
    assert best_by_last < 0.15


@pytest.mark.parametrize("noise", [0.0, 0.5])
def test_what_follows_a_pause_depends_on_how_long_it_was(noise):
    world = pauses(n_users=1000, n_items=20, noise=noise, seed=14)
    item, time_us = (column.reshape(1000, -1) for column in (world.log.item_row, world.log.time_us))
    long = (np.diff(time_us) > US_PER_HOUR).astype(int)
    assert long.mean() == pytest.approx(0.5, abs=0.01)
    follows = [(world.truth.successor[gap, item[:, :-1]] == item[:, 1:]).mean() for gap in (long, 1 - long)]
    assert follows == pytest.approx([1 - noise + noise / 20, noise / 20], abs=0.01)


def test_a_basket_is_one_moment_of_different_items_and_the_next_is_of_the_topic_that_follows():
    world = baskets(noise=0, basket_size=4, seed=13)
    log = world.log
    item = log.item_row.reshape(200, 12, 4)
    topic = world.truth.item_topic[item]
    assert (np.diff(log.time_us.reshape(200, 12, 4), axis=2) == 0).all()
    assert len(np.unique(log.moment)) == 200 * 12
    assert (topic == topic[:, :, :1]).all()
    assert (np.diff(np.sort(item, axis=2), axis=2) > 0).all()
    assert (world.truth.successor[topic[:, :-1, 0]] == topic[:, 1:, 0]).all()
    share = world.truth.mix(log.user_row, log.time_us)
    assert (share.argmax(axis=1) == world.truth.item_topic[log.item_row]).all()
    assert (log.extra["session_id"].n_unique()) == 200 * 12


@pytest.mark.parametrize(
    "ask",
    [
        lambda: still(noise=1.5),
        lambda: drifting(half_life_days=0),
        lambda: still(n_items=3, n_topics=8),
        lambda: still(n_users=0),
        lambda: changing(change_share=2),
        lambda: markov(order=3),
        lambda: pauses(noise=-0.1),
        lambda: baskets(n_items=6, n_topics=6, basket_size=2),
    ],
)
def test_dials_out_of_range_are_refused_in_one_line(ask):
    with pytest.raises(SettingsError, match=r"^expected .*, got"):
        ask()


def test_a_hundred_thousand_events_are_drawn_in_moments():
    start = time.process_time()
    world = drifting(n_users=1000, n_items=2000, n_topics=20, n_events=100)
    assert len(world.log) == 100_000
    assert time.process_time() - start < 2
