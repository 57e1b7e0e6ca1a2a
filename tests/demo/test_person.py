"""Who is chosen and what their river is made of, on a handful of visits counted by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from driftline.console.content import OTHER
from driftline.data.events import EventLog
from driftline.data.vocabulary import Vocabulary
from driftline.demo.person import _dates, _shown, choose_person
from driftline.interest.topics import Topics
from driftline.types import US_PER_DAY


def chosen(*visits: str, cutoff_day: int) -> int:
    """The user who is chosen among people given as one letter a day: x, y or z is an item of that topic, - no visit."""
    rows = [
        (user, "xyz".index(letter), day)
        for user, days in enumerate(visits)
        for day, letter in enumerate(days)
        if letter != "-"
    ]
    user, item, day = np.array(rows).T
    items = Vocabulary("xyz")
    topics = Topics(tuple("xyz"), tuple("xyz"), sparse.csr_matrix(np.eye(3)), ((), (), ()), items)
    users = Vocabulary(f"u{n}" for n in range(len(visits)))
    log = EventLog.from_columns(users, items, user.astype(np.int32), item.astype(np.int32), day * US_PER_DAY)
    return choose_person(log, topics, cutoff_day * US_PER_DAY).user_row


def test_what_odd_and_even_visits_differ_by_is_no_movement():
    """The first moves by 1/2 between halves and by 1 between odd and even visits; the second by 1/3 and by 0."""
    assert chosen("xyxyxyxzxzxz", "xxxxxxxxxxyy", cutoff_day=12) == 1


@pytest.mark.parametrize(("later", "user"), [("xxxx---", 1), ("xxxxx--", 0)])
def test_five_later_events_are_enough_to_be_judged_by_and_four_are_not(later, user):
    """The first moved from x to y, the second hardly; the second comes every day afterwards."""
    assert chosen("xxxxxxyyyyyy" + later, "xxxxxxxxxxyy" + "xxxxxxx", cutoff_day=12) == user


@pytest.mark.parametrize(("span", "step"), [(30, 1), (83, 1), (84, 7), (800, 7), (801, 13)])
def test_dates_are_weekly_for_a_year_or_so_and_end_with_the_last_day(span, step):
    days = _dates(1000, 1000 + span)
    assert set(np.diff(days)) == {step}
    assert days[-1] == 1000 + span
    assert 1000 <= days[0] < 1000 + step


def test_curves_stand_in_the_order_in_which_interests_came_and_the_rest_comes_last():
    """Topic 0 came late, 2 early, 3 between; there was nothing of topic 1."""
    weights = np.array([[0, 0, 4, 0], [0, 0, 1, 2], [9.0, 0, 0, 1]])
    assert [(topic, columns.tolist()) for topic, columns in _shown(weights)] == [
        (2, [2]),
        (3, [3]),
        (0, [0]),
        (OTHER, [1]),
    ]


def test_eight_topics_with_the_most_evidence_are_shown_one_by_one():
    weights = np.array([[5.0, 4, 9, 1, 8, 7, 6, 2, 3, 10]])
    assert {topic for topic, _ in _shown(weights)} == {0, 1, 2, 4, 5, 6, 8, 9, OTHER}
    assert _shown(weights)[-1][1].tolist() == [3, 7]
