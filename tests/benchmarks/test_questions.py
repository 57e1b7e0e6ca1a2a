"""What peers are told and asked is what the protocol says, and their lists get the ranks that scores would."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from benchmarks.peers.meter import Data, K, masked_top
from benchmarks.questions import export, ranks_of_lists, real_targets

from driftline.data.events import EventLog
from driftline.data.reading import read_dataset
from driftline.data.split import last_item_fold
from driftline.data.vocabulary import Vocabulary
from driftline.errors import DatasetError, InvalidScoreError
from driftline.metrics.ranks import target_ranks


def log_of(rows):
    """A log of (user, item, time)."""
    user, item, time = (np.array(column) for column in zip(*rows, strict=True))
    users, items = Vocabulary(f"u{u}" for u in range(user.max() + 1)), Vocabulary(f"i{i}" for i in range(9))
    return EventLog.from_columns(users, items, user.astype(np.int32), item.astype(np.int32), time)


def test_a_real_target_is_an_item_of_every_moment_but_the_first_of_a_user():
    """User 0: a first moment of two items, then one item, then two different ones, one of them twice: 3. User 2: 1."""
    rows = [(0, 1, 0), (0, 2, 0), (0, 3, 1), (0, 4, 2), (0, 4, 2), (0, 5, 2), (1, 7, 0), (2, 1, 0), (2, 1, 5)]
    assert real_targets(log_of(rows)) == 3 + 0 + 1


def test_real_targets_agree_with_a_slow_twin_on_random_logs():
    rng = np.random.default_rng(3)
    for _ in range(20):
        rows = [(int(u), int(i), int(t)) for u, i, t in rng.integers(0, [4, 9, 5], (60, 3))]
        moments = {}
        for user, item, time in rows:
            moments.setdefault(user, {}).setdefault(time, set()).add(item)
        slow = sum(len(items) for of in moments.values() for time, items in of.items() if time != min(of))
        assert real_targets(log_of(rows)) == slow


def test_the_exported_file_holds_the_training_sequences_and_the_whole_histories(folder: Path, tmp_path: Path):
    fold = last_item_fold(read_dataset(folder))
    export(fold, tmp_path / "data.npz")
    data = Data.load(str(tmp_path / "data.npz"))
    assert (len(data.train), len(data.histories), data.n_items, data.exclude) == (40, 40, 30, True)
    assert {len(data.train[s]) for s in range(40)} == {6}
    assert {len(data.histories[s]) for s in range(40)} == {7}
    for s in (0, 17, 39):
        assert data.histories[s][:6].tolist() == data.train[s].tolist()
        assert fold.test.item_row[s] not in data.histories[s]
    assert len(data.train.item) - 40 == real_targets(fold.train)


def test_lists_from_scores_get_the_ranks_of_the_scores_themselves(folder: Path):
    """Where scores are rounded so that many tie, and where what was had is masked."""
    test = last_item_fold(read_dataset(folder)).test
    scores = np.round(np.random.default_rng(1).random((40, 30)), 1).astype(np.float32)
    histories = [
        test.histories.log.item_row[a:b] for a, b in zip(test.histories.start, test.histories.end, strict=True)
    ]
    expected = target_ranks(lambda part: scores[part.user_row], test)
    assert K > 30, "so the lists hold every item"
    items, values = masked_top(scores.copy(), histories, exclude=True)
    assert ranks_of_lists(items, values, test).tolist() == expected.tolist()
    short = ranks_of_lists(items[:, :5], values[:, :5], test)
    within = scores[np.arange(40), test.item_row] > values[:, 4]  # no tie reaches over the end of the list
    assert 0 < within.sum() < 40
    assert short[within].tolist() == expected[within].tolist()
    assert np.isinf(short[~(items[:, :5] == test.item_row[:, None]).any(axis=1)]).all()


def test_lists_that_break_the_protocol_are_refused(folder: Path):
    test = last_item_fold(read_dataset(folder)).test
    items, scores = np.tile(np.arange(2, dtype=np.int32), (40, 1)), np.tile(np.float32([2, 1]), (40, 1))
    with pytest.raises(InvalidScoreError, match="what was had"):
        ranks_of_lists(items, scores, test)
    free = np.array([[i for i in range(30) if i not in had][:2] for had in _histories(test)], np.int32)
    assert len(ranks_of_lists(free, scores, test)) == 40
    with pytest.raises(InvalidScoreError, match="best first"):
        ranks_of_lists(free, scores[:, ::-1], test)
    with pytest.raises(InvalidScoreError, match="once"):
        ranks_of_lists(free[:, [0, 0]], scores, test)
    with pytest.raises(InvalidScoreError, match="40 questions"):
        ranks_of_lists(free[:3], scores[:3], test)


def test_only_one_target_a_question_can_be_exported(tmp_path: Path, folder: Path):
    fold = last_item_fold(read_dataset(folder))
    object.__setattr__(fold.test, "query", np.zeros(len(fold.test), np.int64))
    with pytest.raises(DatasetError, match="one target a question"):
        export(fold, tmp_path / "data.npz")


def _histories(test):
    positions, query = test.histories.flat()
    return [set(test.histories.log.item_row[positions[query == s]].tolist()) for s in range(len(test.histories))]
