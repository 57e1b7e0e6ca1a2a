"""Worlds in which what comes next follows from what came last: by item, by basket, or by the pause between."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from driftline.data import columns
from driftline.data.synthetic.world import (
    START_US,
    Truth,
    World,
    catalog_of,
    check_dials,
    dataset_of,
    topics_of_items,
    with_noise,
)
from driftline.errors import SettingsError
from driftline.types import US_PER_DAY, US_PER_HOUR, US_PER_MINUTE, Rows, Times


def markov(
    n_users: int = 200, n_items: int = 50, n_events: int = 50, *, order: int = 1, noise: float = 0.1, seed: int = 0
) -> World:
    """Users whose next item follows from the last one (`order=1`) or from the last two (`order=2`).

    `truth.successor` is the table: `successor[last]`, a permutation, or `successor[last but one, last]`, a Latin
    square: all items, and all pairs in a row, are equally frequent, and nothing but the order tells. With chance
    `noise` an event is any item instead, and the walk goes on from there. The best possible hit rate at 1 is
    `1 - noise + noise / n_items`. One event an hour; every item is its own topic.
    """
    check_dials(noise=noise, n_users=n_users, n_items=n_items, n_events=n_events)
    if order not in (1, 2):
        raise SettingsError(f"expected order 1 or 2, got {order}")
    rng = np.random.default_rng(seed)
    successor = _latin_square(n_items, rng)[: n_items if order == 2 else 1]
    walk = np.empty((n_users, n_events), np.int32)
    walk[:, :2] = rng.integers(0, n_items, (n_users, 2))[:, :n_events]
    for step in range(order, n_events):
        table_row = walk[:, step - 2] if order == 2 else np.zeros(n_users, np.int32)
        walk[:, step] = with_noise(successor[table_row, walk[:, step - 1]], n_items, noise, rng)
    truth = Truth(
        lambda user_rows, _at_us: np.full((len(user_rows), n_items), 1 / n_items),
        topics_of_items(n_items, n_items),
        noise,
        successor=successor if order == 2 else successor[0],
    )
    user_row, time_us = _hours(n_users, n_events, rng)
    return World(dataset_of("markov", n_users, user_row, walk.ravel(), time_us, catalog_of(truth.item_topic)), truth)


def baskets(
    n_users: int = 200,
    n_items: int = 60,
    n_topics: int = 6,
    n_visits: int = 12,
    *,
    basket_size: int = 3,
    noise: float = 0.1,
    seed: int = 0,
) -> World:
    """Shoppers who buy a basket from one topic at each visit, and from its successor at the next.

    Items of a visit share their time and `session_id`; their order in the file is random and means nothing.
    `truth.successor` [n_topics] is a permutation in one cycle. With chance `noise` an item is any item instead.
    """
    check_dials(noise=noise, n_users=n_users, n_visits=n_visits, basket_size=basket_size)
    rng = np.random.default_rng(seed)
    item_topic = topics_of_items(n_items, n_topics)
    cycle = rng.permutation(n_topics).astype(np.int32)
    successor = np.empty(n_topics, np.int32)
    successor[cycle] = np.roll(cycle, -1)
    place = rng.integers(0, n_topics, n_users)[:, None] + np.arange(n_visits)
    topic = cycle[place % n_topics]
    item_row = with_noise(_baskets_of(topic, item_topic, basket_size, rng), n_items, noise, rng)
    start = START_US + rng.integers(0, 7 * US_PER_DAY, n_users)
    visit_us = start[:, None] + np.arange(n_visits) * 7 * US_PER_DAY
    user_row = np.repeat(np.arange(n_users, dtype=np.int32), n_visits * basket_size)

    def mix(user_rows: Rows, at_us: Times) -> NDArray[np.float64]:
        """All of it on the topic of the visit that is at hand or comes next."""
        visit = np.ceil(np.clip((at_us - start[user_rows]) / (7 * US_PER_DAY), 0, None)).astype(np.int64)
        shares: NDArray[np.float64] = np.eye(n_topics)[cycle[(place[user_rows, 0] + visit) % n_topics]]
        return shares

    truth = Truth(mix, item_topic, noise, successor=successor)
    times = np.repeat(visit_us.ravel(), basket_size)
    dataset = dataset_of("baskets", n_users, user_row, item_row.ravel(), times, catalog_of(item_topic))
    visits = pl.Series(columns.SESSION_ID, np.repeat(np.arange(n_users * n_visits), basket_size)).cast(pl.String)
    return World(replace(dataset, log=replace(dataset.log, extra=visits.to_frame())), truth)


def pauses(n_users: int = 200, n_items: int = 30, n_events: int = 40, *, noise: float = 0.1, seed: int = 0) -> World:
    """Users whose next item follows from the last one and from how long they were away: one table for each.

    Half of the gaps, by a fair coin, are ten minutes and half two days; `truth.successor[0, last]` follows a short one,
    `truth.successor[1, last]` a long one. With chance `noise` an event is any item instead. The best possible hit rate
    at 1 is `1 - noise + noise / n_items`, and about half of that without seeing the gaps. Every item is its own topic.
    """
    check_dials(noise=noise, n_users=n_users, n_items=n_items, n_events=n_events)
    rng = np.random.default_rng(seed)
    successor = _latin_square(n_items, rng)[:2]
    long = rng.integers(0, 2, (n_users, n_events))
    walk = rng.integers(0, n_items, (n_users, n_events)).astype(np.int32)
    for step in range(1, n_events):
        walk[:, step] = with_noise(successor[long[:, step], walk[:, step - 1]], n_items, noise, rng)
    gaps = np.where(long, 2 * US_PER_DAY, 10 * US_PER_MINUTE)
    gaps[:, 0] = rng.integers(0, US_PER_DAY, n_users)
    truth = Truth(
        lambda user_rows, _at_us: np.full((len(user_rows), n_items), 1 / n_items),
        topics_of_items(n_items, n_items),
        noise,
        successor=successor,
    )
    user_row, time_us = np.repeat(np.arange(n_users, dtype=np.int32), n_events), START_US + np.cumsum(gaps, axis=1)
    catalog = catalog_of(truth.item_topic)
    return World(dataset_of("pauses", n_users, user_row, walk.ravel(), time_us.ravel(), catalog), truth)


def _latin_square(n: int, rng: np.random.Generator) -> Rows:
    """A random table in which every row and every column has each number once; shape [n, n]."""
    rows, columns_, names = (rng.permutation(n) for _ in range(3))
    square: Rows = names[(rows[:, None] + columns_) % n].astype(np.int32)
    return square


def _hours(n_users: int, n_events: int, rng: np.random.Generator) -> tuple[Rows, Times]:
    start = START_US + rng.integers(0, US_PER_DAY, n_users)
    times = start[:, None] + np.arange(n_events) * US_PER_HOUR
    return np.repeat(np.arange(n_users, dtype=np.int32), n_events), times.ravel()


def _baskets_of(topic: Rows, item_topic: Rows, size: int, rng: np.random.Generator) -> Rows:
    """Different items of each visit's topic; shape [n_users, n_visits, size]."""
    n_topics = int(item_topic.max()) + 1
    n_own = len(item_topic) // n_topics
    if size > n_own:
        raise SettingsError(f"expected baskets of at most {n_own} items (items of a topic), got {size}")
    draw = rng.random((*topic.shape, n_own)).argsort(axis=-1)[..., :size]
    return (topic[..., None] + n_topics * draw).astype(np.int32)
