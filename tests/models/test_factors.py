"""ALS and BPR: vectors solved from histories, quiet and repeatable, and better than popularity where tastes differ."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

from driftline.data.events import EventLog, histories
from driftline.data.split import last_item_fold
from driftline.data.synthetic import still
from driftline.models.factors import ALS, BPR

WORLD = still(n_users=80, n_items=40, n_topics=4, n_events=15, noise=0.05)


def everyone(log: EventLog) -> Any:
    return histories(log, np.arange(log.n_users, dtype=np.int32), np.full(log.n_users, log.last_us + 1))


def test_a_user_vector_minimises_the_loss_of_its_own_history() -> None:
    """The gradient of Hu et al.'s eq. 3 with respect to u is zero at what `encode` gives."""
    fitted = ALS(dim=8, alpha=4.0, l2=2.0, age_decay=1.0).fit(WORLD.log)
    for user, state in enumerate(fitted.encode(everyone(WORLD.log)).vectors[:5]):
        count = np.bincount(WORLD.log.item_row[WORLD.log.user_row == user], minlength=40)
        confidence, wanted = 1 + 4.0 * count, count > 0
        error = wanted - fitted.factors @ state
        gradient = -fitted.factors.T @ (confidence * error) + 2.0 * state
        assert gradient == pytest.approx(np.zeros(8), abs=2e-3)


def test_events_after_the_fit_move_the_vector_of_a_user() -> None:
    middle = int(np.median(WORLD.log.time_us))
    for model in (ALS(dim=8), BPR(dim=8, epochs=5)):
        fitted = model.fit(WORLD.log.before(middle))
        before = fitted.encode(histories(WORLD.log, np.array([0], np.int32), np.array([middle]))).vectors
        after = fitted.encode(everyone(WORLD.log).take(slice(0, 1))).vectors
        assert not np.allclose(before, after)


def test_a_user_vector_of_bpr_is_the_mean_of_the_history_with_a_one_for_the_bias(events: Any, everybody: Any) -> None:
    log = events([(0, 1, 0), (0, 2, 1), (1, 1, 2), (2, 1, 3)], n_users=3, n_items=5)
    fitted = BPR(dim=4, epochs=3, age_decay=0.5).fit(log)
    state = fitted.encode(everybody(log)).vectors[0]
    assert state[:-1] == pytest.approx((0.5 * fitted.factors[0] + fitted.factors[1])[:-1] / 1.5)
    assert state[-1] == 1
    assert not fitted.factors[4].any()


def test_fits_are_quiet(capfd: pytest.CaptureFixture[str]) -> None:
    """No progress bar, no warning of a BLAS, whatever the environment says."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for model in (ALS(dim=4, epochs=2), BPR(dim=4, epochs=2)):
            model.fit(WORLD.log)
    assert capfd.readouterr() == ("", "")


def test_progress_is_reported_by_epoch() -> None:
    for model in (ALS(dim=4, epochs=3, alpha=1.0, l2=1.0), BPR(dim=4, epochs=3)):
        seen: list[tuple[int, int, str]] = []
        model.fit(WORLD.log, progress=lambda *now, seen=seen: seen.append(now))
        assert seen[-1] == (3, 3, model.name)


def test_validation_chooses_among_fits_and_readings() -> None:
    fold = last_item_fold(WORLD.dataset)
    settled = ALS(dim=8, epochs=3, age_decay=0.9).fit(fold.train, validation=fold.stop).settled()
    assert settled.age_decay == 0.9
    assert (settled.alpha, settled.l2) in ((10.0, 10.0), (3.0, 50.0))
    assert BPR(dim=8, epochs=3).fit(fold.train, validation=fold.stop).settled().age_decay is not None


def test_an_item_that_is_new_to_all_starts_at_its_users(events: Any) -> None:
    """After an update the new item's vector is the mean of what its users had in the update."""
    fitted = ALS(dim=4, epochs=3).fit(events([(0, 1, 0), (0, 2, 1), (1, 1, 2), (1, 2, 3)], n_users=2, n_items=4))
    newer = fitted.update(events([(0, 3, 0), (0, 4, 1), (0, 5, 4)], n_users=2, n_items=6))
    assert newer.factors[4] == pytest.approx((fitted.factors[0] + fitted.factors[1]) / 2)
    assert not newer.factors[5].any()
    assert newer.counts.tolist() == [2, 2, 1, 1, 1, 0]
