from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from driftline.data.events import EventLog, Histories, histories, histories_until
from driftline.data.kinds import Kind
from driftline.data.vocabulary import Vocabulary
from driftline.models.sequence import reading
from driftline.models.sequence.batches import batches
from driftline.models.sequence.reading import shared_steps
from driftline.models.sequence.steps import Steps, places, steps_of_histories, steps_of_log

ALL = np.arange(6)


def sets_of(steps: Steps) -> list[list[list[int]]]:
    parts = [part.tolist() for part in np.split(steps.item, steps.step[1:-1])] if len(steps.item) else []
    return [parts[low:high] for low, high in zip(steps.sequence[:-1], steps.sequence[1:], strict=True)]


def test_a_moment_is_one_step_and_a_set(log_of) -> None:
    log = log_of([("B", "A", "B"), ("C",)], [], [("D",)])
    assert sets_of(steps_of_log(log, ALL)) == [[[0, 1], [2]], [], [[3]]]


def test_items_without_a_place_are_no_part_of_a_step_and_an_empty_step_is_none(log_of) -> None:
    log = log_of([("A", "B"), ("B",), ("C", "B")])
    assert sets_of(steps_of_log(log, places(np.array([2, 0], np.int32), 6))) == [[[1], [0]]]


def test_events_that_are_no_sign_of_interest_are_not_read() -> None:
    kinds = (Kind("interaction"), Kind("hide", weight=0.0, target=False))
    log = EventLog.from_columns(
        Vocabulary(["u"]),
        Vocabulary("AB"),
        np.zeros(2, np.int32),
        np.array([0, 1], np.int32),
        np.array([1, 2]),
        kinds=kinds,
        kind=np.array([0, 1], np.int8),
    )
    assert sets_of(steps_of_histories(log.history("u", 9), np.arange(2))) == [[[0]]]


def test_windows_share_their_ends_so_that_every_step_but_the_first_is_asked_once(log_of) -> None:
    log = log_of([(item,) for item in "ABCDEF"], [("A",)])
    windows = steps_of_log(log, ALL).windows(2)
    assert sets_of(windows) == [[[0], [1], [2]], [[2], [3], [4]], [[4], [5]]]


def test_batches_hold_every_window_once_and_are_fixed_by_the_seed(log_of) -> None:
    rng = np.random.default_rng(0)
    log = log_of(*([(item,) for item in rng.choice(list("ABCDEF"), n)] for n in rng.integers(2, 9, 40)))
    windows = steps_of_log(log, ALL).windows(50)
    found = [list(batches(windows, 16, np.random.default_rng(seed))) for seed in (1, 1, 2)]
    assert sum(batch.n_states for batch in found[0]) == int((windows.lengths - 1).sum())
    assert all(batch.n_states < 16 + 9 for batch in found[0])
    targets = [np.concatenate([batch.target_item for batch in one]).tolist() for one in found]
    assert targets[0] == targets[1] != targets[2]
    assert sorted(targets[0]) == sorted(targets[2])


@st.composite
def questions(draw: st.DrawFn) -> Histories:
    """Questions of any user at any row or moment of a log with baskets."""
    n = draw(st.integers(1, 40))
    numbers = st.lists(st.integers(0, 4), min_size=n, max_size=n)
    user, item, time = (np.array(draw(numbers), np.int64) for _ in range(3))
    log = EventLog.from_columns(Vocabulary("vwxyz"), Vocabulary("ABCDE"), user, item, time)
    if draw(st.booleans()):
        return histories_until(log, np.array(draw(st.lists(st.integers(0, n - 1), min_size=1, max_size=20))))
    pairs = draw(st.lists(st.tuples(st.integers(-1, 6), st.integers(0, 6)), min_size=1, max_size=20))
    rows, times = np.array(pairs).T
    return histories(log, rows.astype(np.int32), times.astype(np.int64))


@given(questions(), st.sampled_from([np.arange(5), np.array([0, -1, 1, -1, 2]), np.array([0, 1])]))
@settings(deadline=None, max_examples=60)
def test_what_questions_share_is_what_each_reads_alone(asked: Histories, place: np.ndarray) -> None:
    steps, which, n_steps = shared_steps(asked, place)
    shared = [sets_of(steps)[one][:n] for one, n in zip(which, n_steps, strict=True)]
    assert shared == sets_of(steps_of_histories(asked, place))


def test_all_questions_of_a_user_read_one_sequence(log_of) -> None:
    log = log_of([(item,) for item in "ABCDEF"])
    steps, which, n_steps = shared_steps(histories_until(log, np.arange(6)), ALL)
    assert len(steps) == 1
    assert which.tolist() == [0] * 6
    assert n_steps.tolist() == [0, 1, 2, 3, 4, 5]


def test_of_a_very_long_history_a_bounded_part_is_read(log_of, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "LONGEST", 4)
    log = log_of([("A",), ("B",)], [("A", "B")] * 30)
    asked = histories_until(log, np.arange(4, 62))
    steps, which, n_steps = shared_steps(asked, ALL)
    moments = log.moment[asked.end - 1] - log.moment[asked.start] + 1
    assert (np.where(moments < 4, moments, 4) <= n_steps).all()
    assert n_steps.max() < 8 + 1
    assert [sets_of(steps)[w][n - 1] for w, n in zip(which, n_steps, strict=True)] == [
        sets_of(steps_of_histories(asked.take(slice(q, q + 1)), ALL))[0][-1] for q in range(len(asked))
    ]
