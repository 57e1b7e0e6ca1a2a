"""Worlds whose users want topics by a mix that moves in a known way, or not at all."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from driftline.data.synthetic.world import (
    START_US,
    Mix,
    Truth,
    World,
    catalog_of,
    check_dials,
    dataset_of,
    draw_items,
    moments_of_users,
    topics_of_items,
)
from driftline.errors import SettingsError
from driftline.types import END_OF_TIME, US_PER_DAY, Rows, Times

_FOCUS = 0.15
"""Dirichlet concentration of a taste: most of it lies on one or two topics."""

_STRENGTHS = 0.7 ** np.arange(6) / (0.7 ** np.arange(6)).sum()
"""Shares of the interests of a user who drifts."""


def still(
    n_users: int = 200,
    n_items: int = 400,
    n_topics: int = 8,
    n_events: int = 100,
    *,
    days: float = 360.0,
    noise: float = 0.1,
    seed: int = 0,
) -> World:
    """Users whose mix of topics never moves; `n_events` events of each over `days`."""
    rng = np.random.default_rng(seed)
    tastes = _tastes(rng, n_topics, n_users)
    mix = _constant(tastes)
    return _world("still", rng, n_users, n_events, days, Truth(mix, topics_of_items(n_items, n_topics), noise))


def drifting(
    n_users: int = 200,
    n_items: int = 400,
    n_topics: int = 8,
    n_events: int = 100,
    *,
    days: float = 360.0,
    half_life_days: float = 60.0,
    noise: float = 0.1,
    seed: int = 0,
) -> World:
    """Users whose mix of topics drifts at a known rate: what it has in common with today halves in `half_life_days`.

    A user has six interests of falling strength, each in one topic. Each lives for a random time of that half-life and
    gives way to another, so that the mix moves piece by piece, and for every horizon Δ

        E[m(t + Δ) | m(t)] = 2^(-Δ/h) m(t) + (1 - 2^(-Δ/h)) / n_topics,

    a first-order autoregression: the best forecast is known. (Interests are born and die as in a Poisson process.)
    """
    check_dials(noise=noise, half_life_days=half_life_days, days=days, n_users=n_users)
    rng = np.random.default_rng(seed)
    mean_turns = days * np.log(2) / half_life_days
    n_turns = int(np.ceil(mean_turns + 6 * np.sqrt(mean_turns) + 6))
    life_us = US_PER_DAY * half_life_days / np.log(2)
    waits = rng.exponential(life_us, (n_users, len(_STRENGTHS), n_turns))
    turn_us = START_US + np.cumsum(waits, axis=2).astype(np.int64)
    topic = rng.integers(0, n_topics, (n_users, len(_STRENGTHS), n_turns + 1))

    def mix(user_rows: Rows, at_us: Times) -> NDArray[np.float64]:
        each = np.arange(len(user_rows))
        mixes = np.zeros((len(user_rows), n_topics))
        for place, strength in enumerate(_STRENGTHS):
            turn = (turn_us[user_rows, place] <= at_us[:, None]).sum(axis=1)
            mixes[each, topic[user_rows, place, turn]] += strength
        return mixes

    return _world("drifting", rng, n_users, n_events, days, Truth(mix, topics_of_items(n_items, n_topics), noise))


def changing(
    n_users: int = 200,
    n_items: int = 400,
    n_topics: int = 8,
    n_events: int = 100,
    *,
    days: float = 360.0,
    change_share: float = 1.0,
    noise: float = 0.1,
    seed: int = 0,
) -> World:
    """Users of whom a share changes taste for good, abruptly, at a moment of their own between 40 % and 60 % of `days`.

    The new taste shares no topic with the old: each lies on one half of the topics. `truth.change_us` is the moment of
    each user (`END_OF_TIME` for those who stay as they are).
    """
    check_dials(noise=noise)
    if not 0 <= change_share <= 1 or n_topics < 2:
        raise SettingsError(
            f"expected change_share from 0 to 1 and 2 or more topics, got {change_share} and {n_topics}"
        )
    rng = np.random.default_rng(seed)
    first, second = (_tastes_of_half(rng, n_topics, n_users, half) for half in (0, 1))
    swap = (rng.random(n_users) < 0.5)[:, None]
    before, after = np.where(swap, second, first), np.where(swap, first, second)
    moment = START_US + ((0.4 + 0.2 * rng.random(n_users)) * days * US_PER_DAY).astype(np.int64)
    change_us = np.where(rng.permutation(n_users) < round(change_share * n_users), moment, END_OF_TIME)

    def mix(user_rows: Rows, at_us: Times) -> NDArray[np.float64]:
        changed = (at_us >= change_us[user_rows])[:, None]
        return np.where(changed, after[user_rows], before[user_rows])

    truth = Truth(mix, topics_of_items(n_items, n_topics), noise, change_us=change_us)
    return _world("changing", rng, n_users, n_events, days, truth)


def seasonal(
    n_users: int = 200,
    n_items: int = 400,
    n_topics: int = 8,
    n_events: int = 100,
    *,
    days: float = 360.0,
    period_days: float = 90.0,
    noise: float = 0.1,
    seed: int = 0,
) -> World:
    """Users who all follow one season: topic k is at its height at phase `k / n_topics` of each period.

    `m(t) ∝ taste · exp(2 cos 2π(t / period − k / n_topics))`: everybody's own taste, bent by the time of the year.
    """
    check_dials(noise=noise, period_days=period_days)
    rng = np.random.default_rng(seed)
    tastes = 0.5 * _tastes(rng, n_topics, n_users) + 0.5 / n_topics
    height = np.arange(n_topics) / n_topics

    def mix(user_rows: Rows, at_us: Times) -> NDArray[np.float64]:
        periods = (at_us - START_US) / (US_PER_DAY * period_days)
        bent = tastes[user_rows] * np.exp(2 * np.cos(2 * np.pi * (periods[:, None] - height)))
        shares: NDArray[np.float64] = bent / bent.sum(axis=1, keepdims=True)
        return shares

    return _world("seasonal", rng, n_users, n_events, days, Truth(mix, topics_of_items(n_items, n_topics), noise))


def _world(name: str, rng: np.random.Generator, n_users: int, n_events: int, days: float, truth: Truth) -> World:
    check_dials(noise=truth.noise, n_users=n_users, n_events=n_events, days=days)
    user_row, time_us = moments_of_users(n_users, n_events, days, rng)
    item_row = draw_items(user_row, time_us, truth, rng)
    return World(dataset_of(name, n_users, user_row, item_row, time_us, catalog_of(truth.item_topic)), truth)


def _constant(tastes: NDArray[np.float64]) -> Mix:
    return lambda user_rows, _at_us: tastes[user_rows]


def _tastes(rng: np.random.Generator, n_topics: int, *shape: int) -> NDArray[np.float64]:
    """Random topic mixes, each mostly on one or two topics; shape [*shape, n_topics]."""
    tastes: NDArray[np.float64] = rng.dirichlet(np.full(n_topics, _FOCUS), shape)
    return tastes


def _tastes_of_half(rng: np.random.Generator, n_topics: int, n_users: int, half: int) -> NDArray[np.float64]:
    """Tastes on the topics of one half: those whose number is even, or odd; shape [n_users, n_topics]."""
    mixes = np.zeros((n_users, n_topics))
    own = np.arange(half, n_topics, 2)
    mixes[:, own] = _tastes(rng, len(own), n_users)
    return mixes
