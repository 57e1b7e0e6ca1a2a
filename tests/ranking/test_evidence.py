"""Raw counts of a log: worked by hand, moved by an update as a fit on everything would, read for any question."""

from __future__ import annotations

import numpy as np

from driftline.data.events import Histories, histories
from driftline.ranking.evidence import BACK, N_COLUMNS, N_NEAR, Evidence


def test_counts_are_as_worked_by_hand(world):
    """Users go 0 → 1 → 2 and 0 → 1; asked of the first, after all, for item 1 and for item 2."""
    log = world.dataset([(0, 0, 0), (0, 1, 1), (0, 2, 2), (1, 0, 0), (1, 1, 1)], n_items=4).log
    evidence = Evidence.of(log)
    assert evidence.after.toarray().tolist() == [[0, 2, 0, 0], [0, 0, 1, 0], [0] * 4, [0] * 4]
    asked = log.history("u0", log.last_us + 1)
    found = np.expm1(evidence.columns(asked, np.zeros(3, int), np.array([1, 2, 3])))
    assert found.shape == (3, N_COLUMNS)
    assert np.allclose(found[0, :BACK], [0, 0, 2])
    assert np.allclose(found[1, :BACK], [0, 1, 0])
    assert np.allclose(found[0, BACK], 1 * 1 + 0.64 * 2, atol=1e-5)
    assert np.allclose(found[:, N_NEAR], [2, 1, 0])
    assert np.allclose(found[:, -1], 3)


def test_recent_counts_halve_with_the_half_life(world):
    log = world.dataset([(0, 0, 0), (0, 1, 20)], n_items=2).log
    evidence = Evidence.of(log)
    assert evidence.half_life_us == world.DAY
    assert np.allclose(evidence.recent, [2.0**-20, 1])


def test_baskets_are_sets_and_weigh_as_one(world):
    """Of a moment of two items each is followed by half as much, twice √½ · √½ in all."""
    log = world.dataset([(0, 0, 0), (0, 1, 0), (0, 2, 1), (0, 3, 1)], n_items=4).log
    after = Evidence.of(log).after.toarray()
    assert np.allclose(after[:2, 2:], 0.5)


def test_an_update_is_a_fit_on_everything(world):
    data = world.ring(n_users=20, n_events=12, seed=3)
    log = data.log
    cut = int(np.median(log.time_us))
    moved, whole = Evidence.of(log.before(cut)).update(log.select(log.time_us >= cut)), Evidence.of(log)
    assert np.allclose(moved.after.toarray(), whole.after.toarray(), atol=1e-5)
    assert moved.counts.tolist() == whole.counts.tolist()
    assert moved.as_of_us == whole.as_of_us
    age = (log.last_us - log.time_us) / moved.half_life_us
    assert np.allclose(moved.recent, np.bincount(log.item_row, weights=np.exp2(-age), minlength=log.n_items))


def test_an_update_brings_new_items_and_a_question_may_know_more_items_still(world):
    first = world.dataset([(0, 0, 0), (0, 1, 1)], n_items=2).log
    more = world.dataset([(0, 2, 2)], n_items=3).log
    asked = histories(more, np.array([0], np.int32), np.array([more.last_us + 1]))
    query, item = np.zeros(3, int), np.arange(3)
    before, after = Evidence.of(first), Evidence.of(first).update(more)
    assert before.columns(asked, query, item)[2, :-1].tolist() == [0] * (N_COLUMNS - 1)
    assert after.after.toarray().tolist() == [[0, 1, 0], [0, 0, 1], [0, 0, 0]]


def test_columns_do_not_depend_on_the_batch_and_an_empty_history_has_no_neighbours(world):
    log = world.ring(n_users=6, n_items=8, n_events=9).log
    asked = histories(log, np.array([0, -1, 3], np.int32), np.full(3, log.last_us + 1))
    query, item = np.repeat(np.arange(3), 8), np.tile(np.arange(8), 3)
    evidence = Evidence.of(log)
    together = evidence.columns(asked, query, item)
    for number in range(3):
        one = evidence.columns(asked.take(slice(number, number + 1)), np.zeros(8, int), np.arange(8))
        assert np.array_equal(one, together[query == number])
    assert (together[query == 1, :N_NEAR] == 0).all()
    assert (together[query == 0, :N_NEAR] > 0).any()


def test_an_empty_log_counts_nothing_and_is_no_trouble(world):
    log = world.ring(n_users=2, n_items=3, n_events=4).log
    none = log.select(np.zeros(len(log), bool))
    evidence = Evidence.of(none)
    nobody = Histories(none, *(np.zeros(1, np.int64) for _ in range(3)), np.array([-1], np.int32))
    assert (evidence.columns(nobody, np.zeros(3, int), np.arange(3)) == 0).all()
    assert evidence.update(none) is evidence
    assert np.allclose(evidence.update(log).after.toarray(), Evidence.of(log).after.toarray())


def test_it_comes_back_from_its_arrays(world):
    log = world.ring(n_users=6, n_items=8, n_events=9).log
    evidence = Evidence.of(log)
    back = Evidence.from_arrays(evidence.arrays())
    asked = histories(log, np.array([0], np.int32), np.full(1, log.last_us + 1))
    query, item = np.zeros(8, int), np.arange(8)
    assert np.array_equal(back.columns(asked, query, item), evidence.columns(asked, query, item))
    assert np.array_equal(back.update(log).after.toarray(), evidence.update(log).after.toarray())
