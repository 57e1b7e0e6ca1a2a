"""Counts over whole histories are what a hand works out; order within a set is nothing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from driftline.data.events import EventLog, histories
from driftline.data.kinds import Kind
from driftline.data.vocabulary import Vocabulary
from driftline.interest.evidence import RatingScale, event_weights
from driftline.interest.mixes import global_mixes
from driftline.interest.state import HalfLife, counts_of
from driftline.types import US_PER_DAY

PLAIN = RatingScale()
WEEK = HalfLife(days=7)
TWO_EVENTS = HalfLife(events=2)


def at(day: float) -> np.ndarray:
    return np.array([round(day * US_PER_DAY)], np.int64)


def one_user(log: EventLog, day: float):
    return histories(log, np.zeros(1, np.int32), at(day))


def test_counts_fade_by_half_in_a_half_life(log_of, topics_of):
    """Tea on days 0 and 7, read on day 14 at a half-life of 7 days: 1/4 + 1/2; the cup is 1/2 of each topic."""
    log = log_of([("u", "tea", 0), ("u", "tea", 7), ("u", "cup", 7)])
    topics = topics_of(log.items, {"tea": "drink", "cup": "drink|kitchen"})
    counts = counts_of(one_user(log, 14), topics, (WEEK,), PLAIN)[0, 0]
    assert counts == pytest.approx([1 / 4 + 1 / 2 + 1 / 4, 1 / 4])


def test_both_of_two_events_at_one_moment_count(log_of, topics_of):
    log = log_of([("u", "tea", 3), ("u", "tea", 3)])
    topics = topics_of(log.items, {"tea": "drink"})
    for half_life in (WEEK, HalfLife(days=960), HalfLife(events=1)):
        assert counts_of(one_user(log, 3.0001), topics, (half_life,), PLAIN)[0, 0, 0] == pytest.approx(2, rel=1e-4)


def test_event_time_counts_events_since_and_not_days(log_of, topics_of):
    """Half-life of 2 events: tea has three events after it; the last moment has age 0, however long ago."""
    log = log_of([("u", "tea", 0), ("u", "cup", 1), ("u", "pot", 50), ("u", "pan", 50)])
    topics = topics_of(log.items, {"tea": "a", "cup": "b", "pot": "c", "pan": "d"})
    counts = counts_of(one_user(log, 500), topics, (TWO_EVENTS,), PLAIN)[0, 0]
    assert counts == pytest.approx([2**-1.5, 2**-1, 1, 1])


def test_an_event_at_the_moment_of_the_question_is_not_read(log_of, topics_of):
    log = log_of([("u", "tea", 1), ("u", "tea", 2)])
    topics = topics_of(log.items, {"tea": "drink"})
    assert counts_of(one_user(log, 2), topics, (HalfLife(days=np.inf),), PLAIN)[0, 0, 0] == 1


def test_kinds_that_are_no_sign_of_interest_add_nothing(log_of, topics_of):
    kinds = (Kind("buy"), Kind("hide", weight=-1.0, target=False), Kind("look", weight=0.5))
    log = log_of([("u", "tea", 1, "buy"), ("u", "tea", 2, "hide"), ("u", "tea", 3, "look")], kinds)
    topics = topics_of(log.items, {"tea": "drink"})
    assert counts_of(one_user(log, 9), topics, (HalfLife(days=np.inf),), PLAIN)[0, 0, 0] == 1.5


def test_a_rating_weighs_by_its_distance_from_the_users_own_mean_so_far(log_of):
    """Overall mean 4, spread 2, three ratings of prior: before the second rating the own mean is (12 + 8) / 4 = 5."""
    kinds = (Kind("rating"),)
    rows = [("u", "a", 1, "rating", 8.0), ("u", "b", 2, "rating", 5.0), ("u", "c", 3, "rating", 1.0)]
    weights = event_weights(log_of(rows, kinds), RatingScale(mean=4, spread=2))
    expected = [2 / (1 + np.exp(-(8 - 4) / 2)), 1.0, 2 / (1 + np.exp(-(1 - 5.0) / 2))]
    assert weights == pytest.approx(expected)


def test_a_rating_never_looks_at_later_ones_or_at_those_of_its_own_moment(log_of):
    kinds = (Kind("rating"),)
    scale = RatingScale(mean=4, spread=2)
    first = [("u", "a", 1, "rating", 8.0), ("u", "b", 2, "rating", 5.0)]
    weights = event_weights(log_of([*first, ("u", "c", 2, "rating", 1.0), ("v", "a", 9, "rating", 2.0)], kinds), scale)
    other = event_weights(log_of([*first, ("u", "c", 2, "rating", 9.0), ("v", "a", 9, "rating", 7.0)], kinds), scale)
    assert (weights[:2] == other[:2]).all()
    assert weights[2] != other[2]


MOMENTS = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 12)), min_size=1, max_size=30)


@settings(max_examples=40, deadline=None)
@given(MOMENTS, st.randoms(use_true_random=False))
def test_the_order_within_a_moment_means_nothing(events, random):
    shuffled = list(events)
    random.shuffle(shuffled)
    half_lives = (HalfLife(days=3), HalfLife(events=4))
    states = [
        counts_of(one_user(*[built(one)[0], 40.0]), built(one)[1], half_lives, PLAIN) for one in (events, shuffled)
    ]
    assert np.allclose(states[0], states[1])


def test_many_users_at_many_moments_are_as_one_by_one(log_of, topics_of):
    rng = np.random.default_rng(0)
    rows = [(f"u{rng.integers(5)}", f"i{rng.integers(6)}", float(rng.integers(20))) for _ in range(200)]
    log = log_of(rows, items=[f"i{place}" for place in range(6)])
    topics = topics_of(log.items, {f"i{place}": "abc"[place % 3] for place in range(6)})
    users, moments = np.repeat(np.arange(-1, 5), 4).astype(np.int32), np.tile([0, 5, 11, 30], 6) * US_PER_DAY
    together = counts_of(histories(log, users, moments), topics, (WEEK, TWO_EVENTS), PLAIN)
    for place, (user, moment) in enumerate(zip(users, moments, strict=True)):
        alone = histories(log, np.array([user], np.int32), np.array([moment], np.int64))
        assert np.allclose(together[place], counts_of(alone, topics, (WEEK, TWO_EVENTS), PLAIN)[0])


def test_the_mix_of_everybody_is_made_of_what_is_strictly_before(log_of, topics_of):
    """Half-life of 7 days: on day 7 one tea is worth 1/2 and one event is spread evenly: (1/2 + 1/2) / (3/2)."""
    log = log_of([("u", "tea", 0), ("v", "cup", 7)])
    topics = topics_of(log.items, {"tea": "drink", "cup": "kitchen"})
    mixes = global_mixes(log, topics, np.array([14, 0, 7, 7]) * US_PER_DAY, WEEK)
    assert mixes[1] == pytest.approx([1 / 2, 1 / 2])
    assert mixes[2] == pytest.approx([(1 / 2 + 1 / 2) / 1.5, (1 / 2) / 1.5])
    assert mixes[3] == pytest.approx(mixes[2])
    assert mixes[0] == pytest.approx([(1 / 4 + 1 / 2) / 1.75, (1 / 2 + 1 / 2) / 1.75])


def built(events):
    """A log of one user from pairs of item number and day, and topics two of which share an item."""
    from scipy import sparse

    from driftline.interest.topics import Topics

    items = Vocabulary(f"i{place}" for place in range(6))
    dense = np.eye(6)[:, :4]
    dense[4], dense[5] = [0.5, 0.5, 0, 0], [0, 0, 0, 0]
    names = ("a", "b", "c", "d")
    item, day = np.array(events, np.int64).T
    log = EventLog.from_columns(
        Vocabulary(["u"]), items, np.zeros(len(item), np.int32), item.astype(np.int32), day * US_PER_DAY
    )
    return log, Topics(names, names, sparse.csr_matrix(dense), ((),) * 4, items)
