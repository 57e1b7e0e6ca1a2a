"""Trials of the kernel: the same gain as that of the fitted model, whatever is read at once."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from driftline.data.events import EventLog
from driftline.data.split import global_time_fold, last_item_fold
from driftline.data.synthetic import markov, still
from driftline.data.targets import Fold
from driftline.models.choosing import descend, gain
from driftline.models.cooccurrence import Cooccurrence
from driftline.models.cooccurrence_trial import Trial, evident_ranks
from driftline.models.pairs import Visits

FOLDS = {
    "masked": last_item_fold(markov(n_users=120, n_items=40, n_events=12, noise=0.3).dataset),
    "timed": global_time_fold(still(n_users=60, n_items=40, n_events=20).dataset),
}
MODELS = [
    Cooccurrence(),
    Cooccurrence(window=3, gap_decay=0.5, backward=0.2, backward_decay=0.8, power=0.7, last=4),
    Cooccurrence(column_power=0.1, row_power=0.3, half_life_days=20, gap_half_life_days=9, age_half_life_days=5),
]


def trial_gain(fold: Fold, model: Cooccurrence) -> float:
    first = Cooccurrence()
    trial = Trial(fold.inner, fold.stop, first.pairing, first.reading)
    return trial.gain(model.pairing, model.powers, model.reading)


@pytest.mark.parametrize("fold", FOLDS.values(), ids=FOLDS.keys())
@pytest.mark.parametrize("model", MODELS, ids=["plain", "directions", "fading"])
@pytest.mark.parametrize("at_once", [10_000_000, 500])
def test_a_trial_has_the_gain_of_the_fitted_model(
    fold: Fold, model: Cooccurrence, at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """But for targets without evidence, which a trial counts as missed and popularity may find."""
    monkeypatch.setattr("driftline.models.cooccurrence_trial.CELLS_AT_ONCE", at_once)
    found = trial_gain(fold, model)
    assert found > 0.1
    assert found == pytest.approx(gain(model.fit(fold.inner), fold.stop), abs=0.004)


def test_ranks_are_means_of_ties_among_what_was_not_had() -> None:
    """Scores 3, 2, 2, 2, 1 of items 0 to 4, of which the history held items 0 and 1; item 5 has no score."""
    scores = sparse.csr_matrix(np.array([[3, 2, 2, 2, 1, 0]], np.float32))
    items = np.arange(7, dtype=np.int32)
    asked = (np.zeros(7, np.int64), items)
    had = (np.zeros(2, np.int64), items[:2])
    infinite = np.inf
    assert evident_ranks(scores, asked, had).tolist() == [infinite, infinite, 0.5, 0.5, 2, infinite, infinite]


def test_fewer_questions_are_asked_of_long_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("driftline.models.cooccurrence_trial.CELLS", 100)
    monkeypatch.setattr("driftline.models.cooccurrence_trial.FEWEST_QUESTIONS", 7)
    fold, first = FOLDS["masked"], Cooccurrence()
    trial = Trial(fold.inner, fold.stop, first.pairing, first.reading)
    assert len(trial._asked.targets) == 7
    assert trial.gain(first.pairing, first.powers, first.reading) > 0


def test_a_large_log_is_tried_on_an_even_sample_of_its_users(monkeypatch: pytest.MonkeyPatch) -> None:
    fold, first = FOLDS["masked"], Cooccurrence()
    log: EventLog = fold.inner
    monkeypatch.setattr("driftline.models.cooccurrence_trial.EVENTS", len(log) // 4)
    users = np.unique(Trial(log, fold.stop, first.pairing, first.reading)._visits.user_row)
    assert len(users) == pytest.approx(log.n_users / 4, abs=1)
    assert np.diff(users).max() <= 5
    assert len(Visits.of(log)) == len(log)


def test_coordinate_descent_finds_the_top_of_a_hill_and_stays_where_all_is_equal() -> None:
    """The ridge is aslant, so the first round does not reach the top; fields outside the grid stay as they were."""
    grid = {"last": (1, 2, 3, 4, 5), "age_decay": (0.0, 0.25, 0.5, 0.75, 1.0)}
    start = Cooccurrence(window=7, last=1, age_decay=0.0)

    def hill(own: Cooccurrence) -> float:
        assert own.last is not None
        assert own.age_decay is not None
        across, along = own.last - 4 * own.age_decay, own.last + 4 * own.age_decay
        return -(across**2) - 2 * (along - 8) ** 2

    assert descend(start, grid, hill) == Cooccurrence(window=7, last=4, age_decay=1.0)
    assert descend(start, grid, lambda _: 0.5) is start
