"""What a network's score is owed to: each source by leaving it out, never less than nothing, all of it together."""

from __future__ import annotations

import numpy as np
import pytest

from driftline.ranking.candidates import Candidates
from driftline.ranking.evidence import N_COLUMNS, N_NEAR, Evidence
from driftline.ranking.listwise import ABOVE, NEAR, TAIL, WIDE, Listwise, columns_of, narrow, wide
from driftline.ranking.network import HIDDEN, Network


def adding(direct):
    """A network that is a plain weighted sum."""
    n = len(direct)
    network = Network(np.zeros((n, HIDDEN)), np.zeros(HIDDEN), np.zeros(HIDDEN), np.array(direct))
    return Listwise(Network(*(one.astype(np.float32) for one in vars(network).values())), None)


def rows(n_rows, n_arms, **columns):
    """Rows of one query, all 0 but for the first column of each source given."""
    features = np.zeros((n_rows, WIDE * n_arms + N_COLUMNS), np.float32)
    for column, values in columns.items():
        features[:, int(column[1:])] = values
    return Candidates(np.zeros(n_rows, np.int64), np.arange(n_rows), features)


def test_every_column_but_the_length_of_the_history_is_of_one_source():
    groups = columns_of(["a", "b"])
    assert list(groups) == ["a", "b", NEAR, TAIL]
    assert np.concatenate(list(groups.values())).tolist() == list(range(2 * WIDE + N_COLUMNS - 1))


def test_the_arm_of_popularity_and_the_counts_of_items_are_one_source():
    groups = columns_of([TAIL, "b"])
    assert list(groups) == [TAIL, "b", NEAR]
    assert groups[TAIL].tolist() == [*range(WIDE), 2 * WIDE + N_NEAR, 2 * WIDE + N_NEAR + 1]


def test_columns_of_some_arms_are_those_that_a_blend_of_them_alone_would_have():
    features = np.arange(3 * WIDE + N_COLUMNS)
    assert features[wide([0, 2], 3)].tolist() == [*features[:WIDE], *features[2 * WIDE :]]
    assert features[narrow(2)].tolist() == [0, 1, 2, WIDE, WIDE + 1, WIDE + 2]


def test_scores_are_logarithms_of_the_softmax_above_a_floor():
    found = rows(3, 1, c0=[3.0, 1.0, -40.0])
    worth = adding([1.0, *[0.0] * (WIDE - 1 + N_COLUMNS)]).worth(found)
    share = np.exp([3.0, 1.0]) / np.exp([3.0, 1.0]).sum()
    assert worth[:2] == pytest.approx(ABOVE + np.log(3 * share), abs=0.02)
    assert 0 < worth[2] < 1e-6


def test_scores_of_a_query_do_not_depend_on_the_others():
    found = rows(4, 1, c0=[3.0, 1.0, 2.0, 5.0])
    listwise = adding([1.0, *[0.0] * (WIDE - 1 + N_COLUMNS)])
    two = Candidates(np.array([0, 0, 7, 7]), found.item, found.features)
    alone = [Candidates(two.query[cut], two.item[cut], two.features[cut]) for cut in (slice(0, 2), slice(2, 4))]
    assert np.array_equal(listwise.worth(two), np.concatenate([listwise.worth(one) for one in alone]))


def test_parts_follow_what_leaving_out_takes_away_and_what_speaks_against_has_none():
    """Of 3 + 1 + 2 − 4 the sources bring 3, 1 and 2 of six parts; popularity, which speaks against, brings nothing."""
    first = 2 * WIDE
    direct = np.zeros(first + N_COLUMNS)
    direct[[0, WIDE, first, first + N_NEAR]] = 1
    found = rows(1, 2, **{"c0": 3.0, f"c{WIDE}": 1.0, f"c{first}": 2.0, f"c{first + N_NEAR}": -4.0})
    parts = adding(direct).parts(found.features, np.array([12.0], np.float32), ["a", "b"])
    assert parts.tolist() == [[6, 2, 4, 0]]


def test_what_loses_by_leaving_nothing_out_is_popularitys():
    parts = adding(np.zeros(WIDE + N_COLUMNS)).parts(rows(2, 1).features, np.array([1.0, 2.0], np.float32), ["a"])
    assert parts.tolist() == [[0, 0, 1], [0, 0, 2]]


def test_it_comes_back_from_its_arrays(world):
    log = world.ring(n_users=6, n_items=8, n_events=9).log
    one = Listwise(adding(np.arange(WIDE + N_COLUMNS)).network, Evidence.of(log))
    back = Listwise.from_arrays(one.arrays())
    assert np.array_equal(back.network.direct, one.network.direct)
    assert np.array_equal(back.evidence.recent, one.evidence.recent)
