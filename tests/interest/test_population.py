"""Topics that rise and fall and flows between them: exact by hand, found when planted, quiet when nobody moves."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy import sparse

from driftline.data.synthetic import changing, seasonal, still
from driftline.errors import RequestError
from driftline.interest.population import Z, flows, population, shares_by, shifts
from driftline.interest.topics import catalog_topics
from driftline.types import US_PER_DAY


def told(world, **keywords):
    return population(world.log, catalog_topics(world.dataset.catalog), world.log.last_us + 1, **keywords)


def test_shares_of_a_group_are_topic_weights_over_all_of_them():
    world = still(n_users=20, n_items=6, n_topics=3, n_events=10)
    topics = catalog_topics(world.dataset.catalog)
    group = np.where(np.arange(len(world.log)) < 50, 0, 2)
    shares = shares_by(topics, world.log, group, 3)
    first = np.bincount(world.truth.item_topic[world.log.item_row[:50]], minlength=3) / 50
    np.testing.assert_allclose(shares[0], first)
    assert np.isnan(shares[1]).all()
    np.testing.assert_allclose(shares[2].sum(), 1)


def test_the_interval_of_a_shift_is_that_of_a_ratio_written_out():
    """Against the linear part of each user, formed one by one, and against users drawn again."""
    rng = np.random.default_rng(0)
    before, after = (rng.poisson(rng.gamma(1, 2, (300, 1)) * [1.0, 2.0, 3.0]).astype(float) for _ in range(2))
    found = shifts(sparse.csr_matrix(before), sparse.csr_matrix(after))
    p, q = before.sum(0) / before.sum(), after.sum(0) / after.sum()
    parts = (after - after.sum(1)[:, None] * q) / after.sum() - (before - before.sum(1)[:, None] * p) / before.sum()
    there = int(((before + after).sum(1) > 0).sum())
    error = Z * np.sqrt((parts**2).sum(0) * there / (there - 1))
    np.testing.assert_allclose(found.high - found.change, error, rtol=1e-9)
    np.testing.assert_allclose(found.change, q - p)
    draws = []
    for _ in range(400):
        some = rng.integers(0, 300, 300)
        draws.append(after[some].sum(0) / after[some].sum() - before[some].sum(0) / before[some].sum())
    np.testing.assert_allclose(np.std(draws, axis=0), error / Z, rtol=0.15)


def test_flows_share_out_what_was_lost_over_what_was_gained_and_take_off_what_moved_back():
    """One user moves half from 0, a quarter each to 1 and 2; the other moves back half from 1 to 0."""
    before = sparse.csr_matrix([[1.0, 0.0, 0.0], [0.0, 4.0, 0.0]])
    after = sparse.csr_matrix([[2.0, 1.0, 1.0], [1.0, 1.0, 0.0]])
    found = flows(before, after)
    np.testing.assert_allclose(found.net[0], [0, (0.25 - 0.5) / 2, 0.125])
    np.testing.assert_allclose(found.net, -found.net.T)
    # 0 → 1 was .25 of one user and -.5 of the other: standard error .75 / 2.
    assert found.error[0, 1] == pytest.approx(0.375)


def test_where_nobody_moves_hardly_anything_is_claimed():
    """Of thirty worlds of still users five in a hundred may list a flow, of eight topics five in a hundred may move."""
    found = [told(still(n_users=100, n_items=80, n_topics=8, n_events=60, seed=seed)) for seed in range(30)]
    steady = [one["direction"] == "steady" for document in found for one in document["topics"]]
    assert np.mean(steady) > 0.9
    assert sum(bool(document["flows"]) for document in found) <= 4


def test_a_planted_flow_is_found_with_its_direction():
    """Everybody leaves topic 0 for topic 1 in the last quarter; nobody else moves."""
    world = still(n_users=100, n_items=80, n_topics=4, n_events=80, noise=0.5)
    log, item_topic = world.log, world.truth.item_topic
    late = log.time_us >= log.last_us + 1 - round(0.25 * (log.last_us + 1 - log.first_us))
    item = log.item_row.copy()
    leaves = late & (item_topic[item] == 0)
    item[leaves] = np.flatnonzero(item_topic == 1)[0]
    found = told(replace(world, dataset=replace(world.dataset, log=replace(log, item_row=item))))
    names = catalog_topics(world.dataset.catalog).ids
    assert (found["flows"][0]["from"], found["flows"][0]["to"]) == (names[0], names[1])
    assert found["flows"][0]["low"] > 0
    directions = {one["topic"]: one["direction"] for one in found["topics"]}
    assert (directions[names[0]], directions[names[1]]) == ("falling", "rising")


def test_a_season_that_all_follow_is_found_and_gone_when_dates_are_permuted():
    world = seasonal(n_users=100, n_items=80, n_topics=4, n_events=80, days=360, period_days=360)
    names = catalog_topics(world.dataset.catalog).ids
    found = {one["topic"]: one["direction"] for one in told(world)["topics"]}
    assert (found[names[0]], found[names[2]]) == ("rising", "falling")  # the last quarter leads from half up to phase 0
    assert told(world)["flows"]
    log, claims = world.log, 0
    for seed in range(20):
        mixed = np.lexsort((np.random.default_rng(seed).random(len(log)), log.user_row))
        shuffled = replace(world, dataset=replace(world.dataset, log=replace(log, item_row=log.item_row[mixed])))
        claims += bool(told(shuffled)["flows"])
    assert claims <= 4  # one in twenty by design


def test_nothing_at_or_after_the_moment_is_read_and_numbers_are_json():
    world = changing(n_users=60)
    log, topics = world.log, catalog_topics(world.dataset.catalog)
    at = int(np.quantile(log.time_us, 0.7))
    item = log.item_row.copy()
    item[log.time_us >= at] = 0
    answers = [
        json.dumps(population(one, topics, at, window_us=60 * US_PER_DAY), allow_nan=False)
        for one in (log, replace(log, item_row=item), log.before(at))
    ]
    assert answers[0] == answers[1] == answers[2]


def test_an_empty_span_and_data_without_times_are_refused_in_one_line():
    world = still(n_users=20)
    with pytest.raises(RequestError, match=r"events in both spans of 400 days .*--window"):
        told(world, window_us=400 * US_PER_DAY)
    with pytest.raises(RequestError, match="order alone"):
        told(world, order_only=True)
    with pytest.raises(RequestError, match="both spans"):
        population(world.log, catalog_topics(world.dataset.catalog), world.log.first_us)
