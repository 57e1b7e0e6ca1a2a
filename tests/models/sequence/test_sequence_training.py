"""Training is a function of log and seed, and leaves nothing behind."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from driftline.data.events import EventLog, Histories
from driftline.data.vocabulary import Vocabulary
from driftline.errors import DriftlineError, MissingExtraError, NotEnoughDataError, SaveError, SettingsError
from driftline.models.sequence import (
    GRU,
    LSTM,
    RNN,
    Evolution,
    Linear,
    SequenceFit,
    SequenceSettings,
    Transformer,
)
from driftline.models.sequence import training as training_module

TINY = {"dim": 4, "epochs": 1}


def log_of_rows(histories: Sequence[Any], items: str) -> EventLog:
    """Users `u0`, `u1` … who had these items, by number, an item a second."""
    user = np.repeat(np.arange(len(histories)), [len(one) for one in histories])
    second = np.concatenate([np.arange(len(one)) for one in histories])
    users = Vocabulary(f"u{row}" for row in range(len(histories)))
    return EventLog.from_columns(users, Vocabulary(items), user, np.concatenate(histories), second * 1_000_000)


@pytest.fixture
def equal_log() -> EventLog:
    """Thirty people who all went from a to b to c to d."""
    return log_of_rows([[0, 1, 2, 3]] * 30, "abcd")


def test_the_same_seed_gives_the_same_scores_and_another_one_others(
    gru: SequenceFit, basket_log: EventLog, everyone: Histories
) -> None:
    settings = gru.settings  # type: ignore[attr-defined]
    np.testing.assert_array_equal(settings.fit(basket_log, seed=3).score(everyone), gru.score(everyone))
    assert np.abs(settings.fit(basket_log, seed=4).score(everyone) - gru.score(everyone)).max() > 1e-3


def test_random_state_and_threads_of_torch_are_left_as_they_were(basket_log: EventLog) -> None:
    torch.manual_seed(11)
    np.random.seed(11)
    state, threads = torch.get_rng_state(), torch.get_num_threads()
    numpy_state = np.random.get_state()[1].copy()
    fitted = GRU(**TINY).fit(basket_log, seed=0)
    fitted.update(basket_log)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.get_num_threads() == threads
    np.testing.assert_array_equal(np.random.get_state()[1], numpy_state)


def test_importing_the_settings_loads_no_torch() -> None:
    code = "import sys, driftline.models.sequence as s; s.GRU(), s.Evolution(); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_curves_are_written_where_a_folder_is_named(basket_log: EventLog, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    GRU(dim=4, epochs=3, log_dir=str(tmp_path)).fit(basket_log)
    read = EventAccumulator(str(tmp_path / "gru"))
    read.Reload()
    losses = [point.value for point in read.Scalars("loss/train")]
    assert len(losses) == 3
    assert losses[-1] < losses[0]
    assert all(point.value > 0 for point in read.Scalars("steps/second"))


def test_without_tensorboard_the_extra_is_named(basket_log: EventLog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(MissingExtraError, match=r"driftline\[track\]"):
        GRU(**TINY, log_dir="curves").fit(basket_log)


def test_a_loss_that_is_no_number_is_a_clear_error(basket_log: EventLog, monkeypatch: pytest.MonkeyPatch) -> None:
    real = training_module.loss_of
    monkeypatch.setattr(
        training_module, "loss_of", lambda network, batch, **how: real(network, batch, **how) * float("nan")
    )
    with pytest.raises(DriftlineError, match="lower learning_rate"):
        GRU(**TINY).fit(basket_log)


def test_minutes_end_training(basket_log: EventLog) -> None:
    began = time.monotonic()
    fitted = GRU(dim=4, epochs=10_000, minutes=0.01).fit(basket_log)
    assert time.monotonic() - began < 20
    assert fitted.settled().epochs < 10_000


@pytest.mark.parametrize("lengths", [[0], [1], [1, 1, 1]])
def test_without_a_second_moment_there_is_nothing_to_learn(lengths: list[int]) -> None:
    users = Vocabulary(f"u{row}" for row in range(len(lengths)))
    user_row = np.repeat(np.arange(len(lengths)), lengths)
    log = EventLog.from_columns(users, Vocabulary("ab"), user_row, user_row % 2, np.arange(len(user_row)))
    with pytest.raises(NotEnoughDataError, match="gru"):
        GRU(**TINY).fit(log)


def test_one_user_with_two_events_is_enough() -> None:
    log = EventLog.from_columns(
        Vocabulary(["u"]), Vocabulary("ab"), np.zeros(2, np.int64), np.arange(2), np.arange(2) * 1_000_000
    )
    scores = Evolution(**TINY).fit(log).score(log.history("u", before=10_000_000))
    assert scores.shape == (1, 2)
    assert np.isfinite(scores).all()


@pytest.mark.parametrize(
    ("wrong", "word"),
    [
        ({"dim": 0}, "dim"),
        ({"epochs": 0}, "epochs"),
        ({"learning_rate": 0.0}, "learning_rate"),
        ({"dropout": 1.0}, "dropout"),
        ({"max_length": 0}, "max_length"),
        ({"minutes": -1.0}, "minutes"),
        ({"start": "lucky"}, "svd"),
        ({"dim": 2.5}, "whole number"),
        ({"negatives": 2.5}, "whole number"),
        ({"batch": "many"}, "whole number"),
        ({"learning_rate": float("nan")}, "learning_rate"),
        ({"minutes": float("nan")}, "minutes"),
        ({"threads": 10**6}, "at most 1024"),
        ({"checkpoints": 5}, "name of a folder"),
        ({"log_dir": 3}, "name of a folder"),
    ],
)
def test_settings_out_of_range_are_refused(wrong: dict[str, object], word: str) -> None:
    with pytest.raises(SettingsError, match=word):
        RNN(**wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("heads", [3, 16, 2.0, 0])
def test_heads_that_do_not_divide_are_refused(heads: object) -> None:
    with pytest.raises(SettingsError, match="heads"):
        Transformer(dim=8, heads=heads)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "odd",
    [
        {"dim": 1},
        {"negatives": 1},
        {"negatives": 10**9},
        {"max_length": 1},
        {"batch": 1},
        {"batch": 10**12},
        {"minutes": 0},
        {"learning_rate": 1},
        {"dropout": 0.99},
        {"warmup": 10**9},
    ],
)
def test_odd_settings_still_give_numbers(odd: dict[str, float], equal_log: EventLog) -> None:
    fitted = GRU(**{"dim": 4, "epochs": 1, **odd}).fit(equal_log)  # type: ignore[arg-type]
    assert fitted.training.epochs == 1  # type: ignore[attr-defined]
    assert np.isfinite(fitted.score(equal_log.history("u0", before=10**12))).all()


def test_histories_that_are_all_equal_are_learned(equal_log: EventLog) -> None:
    """Everybody goes from a to b to c to d: the next one is the first of the list."""
    fitted = GRU(dim=4, epochs=20, learning_rate=0.05, batch=32).fit(equal_log)
    for seen in (1, 2, 3):
        scores = fitted.score(equal_log.history("u0", before=seen * 1_000_000))[0]
        assert scores.argmax() == seen


def test_one_item_for_everybody_is_enough() -> None:
    log = log_of_rows([[0, 0, 0]] * 4, "a")
    for settings in (GRU(**TINY), Transformer(**TINY), Linear(**TINY)):
        scores = settings.fit(log).score(log.history("u0", before=10**12))
        assert scores.shape == (1, 1)
        assert np.isfinite(scores).all()


def test_a_history_of_a_hundred_thousand_events_is_read_in_windows() -> None:
    rng = np.random.default_rng(0)
    log = log_of_rows([rng.integers(0, 9, 100_000), [0, 1], [1, 2]], "abcdefghi")
    fitted = Linear(dim=2, epochs=1, batch=8_192, minutes=0, start="random").fit(log)
    state = fitted.encode(log.history("u0", before=10**12))
    assert np.isfinite(state.vectors).all()


def test_curves_that_cannot_be_written_are_a_save_error(basket_log: EventLog, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SaveError, match="name another log_dir"):
        GRU(**TINY, log_dir=str(tmp_path / "file")).fit(basket_log)


def test_an_unknown_f_is_refused() -> None:
    with pytest.raises(SettingsError, match="rnn, lstm, gru"):
        Evolution(f="transformer")  # type: ignore[arg-type]


def test_a_gpu_that_is_not_there_is_a_clear_error(basket_log: EventLog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(SettingsError, match="leave device at cpu"):
        GRU(**TINY, device="cuda").fit(basket_log)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
@pytest.mark.parametrize("settings", [GRU(), LSTM(), Evolution(), Linear(), Transformer(), GRU(negatives=8)])
def test_a_gpu_learns_what_a_cpu_learns(settings: SequenceSettings, basket_log: EventLog, everyone: Histories) -> None:
    """To the same scores, up to rounding and other random numbers."""
    own = replace(settings, dim=8, epochs=10, batch=64, dropout=0.0, learning_rate=0.01)
    here, there = own.fit(basket_log, seed=1), replace(own, device="cuda").fit(basket_log, seed=1)
    assert np.corrcoef(here.score(everyone).ravel(), there.score(everyone).ravel())[0, 1] > 0.95


def test_threads_are_those_that_were_asked_for_and_given_back(basket_log: EventLog) -> None:
    before, seen = torch.get_num_threads(), []
    with training_module.threads(3):
        seen.append(torch.get_num_threads())
        with training_module.threads(None):
            seen.append(torch.get_num_threads())
    assert seen == [3, 1]
    assert torch.get_num_threads() == before


def test_above_so_many_items_vectors_start_at_random_numbers(
    basket_log: EventLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    def starts(**more: str) -> np.ndarray:
        settings = GRU(dim=4, epochs=1, learning_rate=1e-8, **more)
        return settings.fit(basket_log, seed=0).network.items.detach().numpy()

    latent, random = starts(), starts(start="random")
    assert np.abs(latent - random).max() > 1e-3
    monkeypatch.setattr("driftline.models.sequence.fitting.MOST_FACTORED", 1)
    np.testing.assert_allclose(starts(), random, atol=1e-6)
