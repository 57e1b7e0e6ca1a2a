"""Sessions, and the k-core."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from driftline.data.events import EventLog
from driftline.data.filters import k_core, session_numbers
from driftline.data.vocabulary import Vocabulary
from driftline.types import US_PER_MINUTE


def log_of(user: list[int], item: list[int], minutes: list[int]) -> EventLog:
    users, items = Vocabulary(f"u{n}" for n in range(1000)), Vocabulary(f"i{n}" for n in range(10))
    time = np.array(minutes, np.int64) * US_PER_MINUTE
    return EventLog.from_columns(users, items, np.array(user, np.int32), np.array(item, np.int32), time)


def test_a_session_ends_where_the_gap_is_longer_and_where_the_user_changes() -> None:
    log = log_of([0, 0, 0, 1], [0, 0, 0, 0], [0, 30, 61, 61])
    assert session_numbers(log, 30).tolist() == [0, 0, 1, 2]
    assert session_numbers(log_of([], [], []), 30).tolist() == []


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), max_size=60), st.integers(1, 4))
@settings(max_examples=60, deadline=None)
def test_the_core_equals_its_slow_twin(pairs: list[tuple[int, int]], k: int) -> None:
    log = log_of([user for user, _ in pairs], [item for _, item in pairs], list(range(len(pairs))))
    left = list(zip(log.user_row.tolist(), log.item_row.tolist(), strict=True))
    while True:
        users, items = [user for user, _ in left], [item for _, item in left]
        stay = [(user, item) for user, item in left if users.count(user) >= k and items.count(item) >= k]
        if stay == left:
            break
        left = stay
    core = k_core(log, user_k=k, item_k=k)
    assert list(zip(core.user_row.tolist(), core.item_row.tolist(), strict=True)) == left
