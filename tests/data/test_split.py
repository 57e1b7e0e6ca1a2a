"""Folds hold what the protocols say, never a row of the future, and never crash on little data."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from driftline.data.catalog import Catalog
from driftline.data.dataset import Dataset
from driftline.data.events import EventLog
from driftline.data.kinds import Kind
from driftline.data.split import by_user, global_time_fold, last_item_fold, production_fold, user_halves
from driftline.data.targets import Fold, Targets
from driftline.data.vocabulary import Vocabulary
from driftline.errors import RequestError


def dataset(rows: list[tuple[int, int, int]], *, n_items: int = 8, kinds: list[int] | None = None, **more) -> Dataset:
    """A dataset of (user, item, time); kind 0 is a purchase, 1 a return (not positive), 2 a visit (no target)."""
    users = Vocabulary(f"u{u}" for u in range(max((row[0] for row in rows), default=0) + 1))
    items = Vocabulary(f"i{i}" for i in range(n_items))
    columns = np.array(rows, np.int64).reshape(-1, 3)
    log = EventLog.from_columns(
        users,
        items,
        columns[:, 0].astype(np.int32),
        columns[:, 1].astype(np.int32),
        columns[:, 2],
        kinds=(Kind("purchase"), Kind("return", 0.0, False), Kind("visit", 1.0, False)),
        kind=np.array(kinds if kinds is not None else [0] * len(rows), np.int8),
    )
    return Dataset(log, Catalog.empty(items), **more)


def asked(targets: Targets) -> list[tuple[int, list[int], int]]:
    """Every target as (user, items of its history, item)."""
    log = targets.histories.log
    spans = zip(targets.histories.start[targets.query], targets.histories.end[targets.query], strict=True)
    return [
        (int(user), log.item_row[start:end].tolist(), int(item))
        for user, (start, end), item in zip(targets.user_row, spans, targets.item_row, strict=True)
    ]


def rows_of(log: EventLog) -> list[tuple[int, int, int]]:
    return list(zip(log.user_row.tolist(), log.item_row.tolist(), log.time_us.tolist(), strict=True))


THREE = [(0, 0, 1), (0, 1, 2), (0, 2, 3), (0, 3, 4), (1, 4, 1), (1, 5, 2), (1, 6, 3), (2, 0, 9), (2, 1, 10)]


def test_last_item_asks_the_last_validates_on_the_one_before_and_reads_every_earlier_row():
    fold = last_item_fold(dataset(THREE))
    assert asked(fold.test) == [(0, [0, 1, 2], 3), (1, [4, 5], 6)]
    assert sorted(asked(fold.stop) + asked(fold.stack)) == [(0, [0, 1], 2), (1, [4], 5)]
    assert rows_of(fold.train) == [(0, 0, 1), (0, 1, 2), (1, 4, 1), (2, 0, 9), (2, 1, 10)]
    assert fold.inner is fold.train
    assert fold.test.train is fold.train


def test_last_item_ranks_all_items_of_the_data_also_those_without_a_training_event():
    fold = last_item_fold(dataset(THREE))
    assert fold.test.repeats == "exclude"
    assert np.flatnonzero(fold.test.allowed(np.array([1]))[0]).tolist() == [0, 1, 2, 3, 6, 7]


def test_last_item_breaks_ties_of_time_by_file_order():
    fold = last_item_fold(dataset([(0, 3, 1), (0, 2, 1), (0, 1, 1), (0, 0, 1)]))
    assert asked(fold.test) == [(0, [3, 2, 1], 0)]


def test_last_item_with_hashed_ties_does_not_depend_on_file_order():
    rows = [(0, i, 1) for i in range(6)] + [(1, i, 2) for i in (5, 3, 1)]
    folds = [last_item_fold(dataset(order), tie="hash", seed=4) for order in (rows, rows[::-1])]
    assert asked(folds[0].test) == asked(folds[1].test)
    others = [asked(last_item_fold(dataset(rows), tie="hash", seed=seed).test) for seed in range(8)]
    assert len({str(one) for one in others}) > 1


def test_events_that_are_no_targets_are_read_and_never_asked_and_negative_ones_are_not_even_read():
    rows = [(0, 0, 1), (0, 1, 2), (0, 2, 3), (0, 3, 4), (0, 4, 5), (0, 5, 6)]
    data = dataset(rows, kinds=[0, 0, 2, 0, 1, 2])
    assert asked(last_item_fold(data).test) == [(0, [0, 1, 2], 3)]
    assert asked(global_time_fold(data, cutoff_us=3).test) == [(0, [0, 1, 2], 3)]


SHOP = [
    *[(0, i % 4, t) for i, t in enumerate(range(10, 90, 10))],
    (0, 5, 90),
    (0, 6, 90),
    (0, 7, 95),
    (1, 1, 15),
    (1, 2, 92),
    (2, 3, 93),
    (2, 4, 96),
]


def test_global_time_asks_each_later_event_from_the_same_users_earlier_moments():
    fold = global_time_fold(dataset(SHOP), cutoff_us=85)
    past = [0, 1, 2, 3, 0, 1, 2, 3]
    assert asked(fold.test) == [
        (0, past, 5),
        (0, past, 6),
        (0, [*past, 5, 6], 7),
        (1, [1], 2),
        (2, [], 3),
        (2, [3], 4),
    ]
    assert len(fold.test.histories) == 5, "one question a moment"
    assert rows_of(fold.train) == [row for row in rows_of(dataset(SHOP).log) if row[2] < 85]


def test_global_time_can_ask_the_last_target_of_each_user_alone():
    fold = global_time_fold(dataset(SHOP), cutoff_us=85, successive=False)
    assert [(user, item) for user, _, item in asked(fold.test)] == [(0, 7), (1, 2), (2, 4)]


def test_the_cutoff_is_the_nine_tenths_quantile_of_all_event_times():
    data = dataset([(0, t % 8, t) for t in range(101)])
    fold = global_time_fold(data)
    assert fold.cutoff_us == 90
    assert fold.train.last_us == 89
    assert global_time_fold(dataset([(0, t % 8, t) for t in range(100)])).cutoff_us == 90, "89.1 is rounded up"


def test_validation_is_the_same_construction_inside_the_training_part_in_two_halves_of_users():
    data = dataset([(u, (u + t) % 8, t) for u in range(30) for t in range(101)])
    fold = global_time_fold(data)
    assert fold.inner.last_us == 80, "the 0.9 quantile of 0 … 89 is 80.1"
    assert sorted(set(fold.stop.user_row) | set(fold.stack.user_row)) == list(range(30))
    assert not set(fold.stop.user_row) & set(fold.stack.user_row)
    for part in (fold.stop, fold.stack):
        assert part.train is fold.inner
        assert part.histories.log is fold.train, "validation cannot even point at a test event"
        assert part.histories.at_us.min() == 81


def test_without_a_word_on_repeats_the_training_part_decides():
    films = dataset([(u, t, t) for u in range(4) for t in range(8)])
    assert global_time_fold(films).test.repeats == "exclude"
    assert global_time_fold(dataset(SHOP), cutoff_us=85).test.repeats == "allow"
    assert global_time_fold(replace(films, repeats="allow")).test.repeats == "allow"


def test_excluded_repeats_mask_the_whole_history_the_target_included():
    data = dataset([(0, 0, 1), (0, 1, 2), (0, 0, 3), (0, 1, 9), (1, 2, 2)], repeats="exclude")
    fold = global_time_fold(data, cutoff_us=5)
    assert fold.test.allowed(np.array([0]))[0].tolist() == [False, False, True, False, False, False, False, False]


def test_data_with_an_order_alone_refuses_global_time():
    with pytest.raises(RequestError, match="order_only = true; use last-item"):
        global_time_fold(dataset(THREE, order_only=True))


def test_a_production_fold_trains_on_everything_and_asks_nothing():
    fold = production_fold(dataset(SHOP))
    assert rows_of(fold.train) == rows_of(dataset(SHOP).log)
    assert not len(fold.test)
    assert asked(fold.stop) + asked(fold.stack)
    assert fold.inner.last_us < fold.stop.histories.at_us.min(initial=100)
    assert fold.cutoff_us == 97


def test_a_production_fold_of_an_order_alone_validates_on_the_last_item():
    fold = production_fold(dataset(THREE, order_only=True))
    assert sorted(asked(fold.stop) + asked(fold.stack)) == [(0, [0, 1, 2], 3), (1, [4, 5], 6), (2, [0], 1)]
    assert len(fold.inner) == 6


@pytest.mark.parametrize(
    "rows",
    [
        [],
        [(0, 0, 5)],
        [(0, 0, 5), (0, 0, 5)],
        [(0, i, 5) for i in range(8)],
        [(u, u % 8, 5) for u in range(20)],
        [(0, i % 8, i) for i in range(50)],
    ],
    ids=["nothing", "one event", "one event twice", "one moment", "one moment of many", "one user"],
)
@pytest.mark.parametrize("make", [last_item_fold, global_time_fold, production_fold])
def test_little_data_gives_a_fold_with_little_in_it(make, rows):
    fold: Fold = make(dataset(rows))
    assert len(fold.inner) or not len(fold.train)
    assert len(fold.stop) + len(fold.stack) <= len(rows)
    for targets in (fold.stop, fold.stack, fold.test):
        assert targets.allowed(np.arange(len(targets.histories))).shape == (len(targets.histories), 8)


def test_halves_depend_on_the_id_and_the_seed_alone():
    users = Vocabulary(f"user {n}" for n in range(2000))
    halves = user_halves(users, seed=1)
    assert 0.45 < halves.mean() < 0.55
    assert user_halves(Vocabulary(users.ids[::-1]), seed=1).tolist() == halves[::-1].tolist()
    assert 0.45 < (halves == user_halves(users, seed=2)).mean() < 0.55


def test_by_user_gives_every_event_to_exactly_one_half():
    log = dataset(SHOP).log
    first, second = by_user(log, seed=3)
    assert sorted(rows_of(first) + rows_of(second)) == sorted(rows_of(log))
    assert not set(first.user_row) & set(second.user_row)


EVENTS = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 7), st.integers(0, 12)), min_size=1, max_size=40)


@settings(max_examples=60, deadline=None)
@given(EVENTS)
def test_no_history_and_no_training_row_of_global_time_comes_from_the_moment_asked_or_later(rows):
    fold = global_time_fold(dataset(rows))
    for train, targets in ((fold.train, fold.test), (fold.inner, fold.stop), (fold.inner, fold.stack)):
        positions, query = targets.histories.flat()
        log = targets.histories.log
        assert (log.time_us[positions] < targets.histories.at_us[query]).all()
        assert (log.user_row[positions] == targets.histories.user_row[query]).all()
        if len(targets) and len(train):
            assert train.last_us < targets.histories.at_us.min()


@settings(max_examples=60, deadline=None)
@given(EVENTS)
def test_last_item_partitions_each_users_rows_into_train_validation_and_test(rows):
    data = dataset(rows)
    fold = last_item_fold(data)
    held = len(fold.stop) + len(fold.stack) + len(fold.test)
    assert len(fold.train) + held == len(rows)
    counts = np.bincount(data.log.user_row, minlength=5)
    assert len(fold.test) == (counts >= 3).sum()
    assert (fold.test.histories.lengths == counts[fold.test.user_row] - 1).all()


@settings(max_examples=40, deadline=None)
@given(EVENTS)
def test_distinct_items_of_histories_are_the_set_of_their_items(rows):
    targets = global_time_fold(dataset(rows), cutoff_us=4).test
    positions, query = targets.histories.distinct()
    items = targets.histories.log.item_row[positions]
    everything, of = targets.histories.flat()
    all_items = targets.histories.log.item_row[everything]
    for q in range(len(targets.histories)):
        assert sorted(items[query == q]) == sorted(set(all_items[of == q]))


@pytest.mark.parametrize(
    "fold",
    [
        last_item_fold(dataset([(u, (u + t) % 8, t) for u in range(30) for t in range(20)]), seed=5),
        global_time_fold(dataset([(u, (u + t) % 8, t) for u in range(30) for t in range(20)]), seed=5),
        production_fold(dataset([(u, (u + t) % 8, t) for u in range(30) for t in range(20)]), seed=5),
    ],
    ids=["last item", "global time", "production"],
)
def test_the_first_half_of_the_users_stops_training_and_the_other_teaches_the_blend(fold):
    first = user_halves(fold.train.users, seed=5)
    assert sorted(set(fold.stop.user_row)) == np.flatnonzero(first).tolist()
    assert sorted(set(fold.stack.user_row)) == np.flatnonzero(~first).tolist()


def test_last_item_ranks_items_whose_date_has_not_come():
    data = dataset([(0, 0, 1), (0, 1, 2), (0, 2, 3)], n_items=5, repeats="allow")
    late = replace(data, catalog=replace(data.catalog, available_from_us=np.full(5, 1000)))
    assert last_item_fold(late).test.allowed(np.array([0]))[0].all()


def test_a_user_of_one_event_trains_a_production_fold_of_an_order_and_is_not_asked():
    fold = production_fold(dataset([(0, 0, 1), (0, 1, 2), (1, 4, 1)], order_only=True))
    assert asked(fold.stop) + asked(fold.stack) == [(0, [0], 1)]
    assert rows_of(fold.inner) == [(0, 0, 1), (1, 4, 1)]


RETURNED = {"rows": [(0, 7, 0)] * 10 + [(0, t % 8, t) for t in range(10)], "kinds": [1] * 10 + [0] * 10}
"""Ten returns at 0, then a purchase at each of 0 … 9: the 0.9 quantile is 7.1 with the returns, 8.1 without."""


def test_the_cutoff_counts_events_that_are_not_positive_too():
    fold = global_time_fold(dataset(**RETURNED))
    assert fold.cutoff_us == 8
    assert rows_of(fold.train) == [(0, t, t) for t in range(8)]


def test_the_cutoff_of_the_validation_counts_them_too():
    fold = global_time_fold(dataset(**RETURNED), cutoff_us=10)
    assert rows_of(fold.inner) == [(0, t, t) for t in range(8)]
    assert [item for _, _, item in asked(fold.stop) + asked(fold.stack)] == [0, 1]
