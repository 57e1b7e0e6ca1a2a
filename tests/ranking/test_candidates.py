"""What each arm proposes, against cases worked by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from driftline.data.events import histories
from driftline.errors import InvalidScoreError
from driftline.ranking.candidates import MOST_LIFT, PER_ARM, TOP, arm_scores, candidates_of, lifts


def test_features_of_a_small_arm_are_as_worked_by_hand():
    scores = np.array([[1.0, 4.0, 2.0]], np.float32)
    found = candidates_of([scores], None)
    assert found.item.tolist() == [1, 2]
    ranks = np.log((TOP + 1) / np.array([1, 2]))
    assert np.allclose(found.features, np.column_stack([ranks, [3, 1], [1, 1]]))


def test_an_arm_without_an_opinion_proposes_nothing():
    found = candidates_of([np.zeros((2, 5), np.float32), np.array([[0, 1, 0, 0, 0]] * 2, np.float32)], None)
    assert (found.features[:, :PER_ARM] == 0).all()


def test_only_the_best_are_proposed_and_those_tied_with_the_last_of_them_are_not():
    scores = np.concatenate([np.arange(10, 10 + TOP - 1), np.full(50, 3.0)]).astype(np.float32)[None]
    found = candidates_of([scores], None)
    assert found.item.tolist() == list(range(TOP - 1))


def test_what_may_not_be_shown_takes_no_place():
    scores = np.array([[5.0, 4.0, 3.0, 2.0]], np.float32)
    allowed = np.array([[False, True, True, True]])
    found = candidates_of([scores], allowed)
    assert found.item.tolist() == [1, 2]
    assert np.isclose(found.features[0, 0], np.log(TOP + 1))


def test_an_arm_that_is_older_than_an_item_cannot_propose_it(world):
    log = world.ring(n_users=3, n_items=6, n_events=4).log
    old = world.Fixed(np.arange(4.0))
    asked = histories(log, np.array([0], np.int32), np.array([log.last_us + 1]))
    found = candidates_of(arm_scores({"old": old}, asked), None)
    assert found.item.tolist() == [1, 2, 3]


def test_nan_is_refused(world):
    log = world.ring(n_users=3, n_items=4, n_events=4).log
    asked = histories(log, np.array([0], np.int32), np.array([log.last_us + 1]))
    with pytest.raises(InvalidScoreError, match="NaN"):
        arm_scores({"broken": world.Fixed(np.full(4, np.nan))}, asked)


def test_lifts_say_how_much_likelier_than_by_chance_also_of_what_another_arm_proposed():
    scores = [np.log(np.array([[6.0, 3.0, 2.0, 1.0]], np.float32)), np.array([[0.0, 0.0, 0.0, 5.0]], np.float32)]
    found = candidates_of(scores, None)
    assert found.item.tolist() == [0, 1, 2, 3]
    by_hand = lifts(scores, None, found)
    assert np.allclose(by_hand[:, 0], np.log(np.array([6, 3, 2, 1]) / 3))
    assert np.allclose(by_hand[:, 1], np.array([0, 0, 0, 5]) - np.log((3 + np.exp(5)) / 4))


def test_lifts_count_only_what_may_be_shown_and_an_arm_that_finds_all_alike_says_nothing():
    scores = [np.array([[9.0, 2.0, 1.0]], np.float32), np.full((1, 3), 4, np.float32)]
    allowed = np.array([[False, True, True]])
    found = candidates_of([scores[0], np.array([[0.0, 0.0, 1.0]], np.float32)], allowed)
    assert found.item.tolist() == [1, 2]
    by_hand = lifts(scores, allowed, found)
    assert np.allclose(by_hand[:, 0], np.array([2, 1]) - np.log((np.exp(2) + np.exp(1)) / 2))
    assert np.allclose(by_hand[:, 1], 0)


def test_an_item_that_an_arm_cannot_propose_has_the_lowest_lift_and_no_infinity():
    scores = [np.array([[-np.inf, 1.0, 0.0]], np.float32), np.array([[3.0, 0.0, 0.0]], np.float32)]
    found = candidates_of(scores, None)
    assert found.item.tolist() == [0, 1]
    assert lifts(scores, None, found)[:, 0].tolist() == pytest.approx([-MOST_LIFT, 1 - np.log((np.e + 1) / 2)])


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 4), st.integers(1, 300))
def test_the_union_is_what_a_slow_loop_finds(seed, n_queries, n_items):
    rng = np.random.default_rng(seed)
    arms = [rng.integers(0, 6, (n_queries, n_items)).astype(np.float32), rng.random((n_queries, n_items), np.float32)]
    allowed = rng.random((n_queries, n_items)) < 0.8
    found = candidates_of(arms, allowed)
    expected = {}
    for arm, scores in enumerate(arms):
        for query in range(n_queries):
            order = sorted(np.flatnonzero(allowed[query]), key=lambda i: (-scores[query, i], i))[:TOP]
            values = [scores[query, i] for i in order]
            for rank, item in enumerate(order):
                if scores[query, item] > values[-1]:
                    features = expected.setdefault((query, item), np.zeros(2 * PER_ARM))
                    above = scores[query, item] - values[-1]
                    features[PER_ARM * arm : PER_ARM * (arm + 1)] = np.log((TOP + 1) / (rank + 1)), above, 1
    assert list(zip(found.query, found.item, strict=True)) == sorted(expected)
    exact = np.array([expected[key] for key in sorted(expected)]).reshape(len(expected), 2 * PER_ARM)
    # Ranks may differ where the cut goes through a tie: which of its items get in is arbitrary.
    assert np.allclose(found.features[:, 1::PER_ARM], exact[:, 1::PER_ARM], atol=1e-6)
    assert np.allclose(found.features[:, 2::PER_ARM], exact[:, 2::PER_ARM])


def test_of_an_empty_history_only_the_arms_speak_that_read_none(world):
    log = world.ring(n_users=3, n_items=5, n_events=4).log
    asked = histories(log, np.array([-1, 0], np.int32), np.full(2, log.last_us + 1))
    arms = {"popularity-7d": world.Fixed(np.arange(5.0)), "other": world.Fixed(np.arange(5.0))}
    popular, other = arm_scores(arms, asked)
    assert popular.tolist() == [[0, 1, 2, 3, 4]] * 2
    assert other.tolist() == [[0] * 5, [0, 1, 2, 3, 4]]
