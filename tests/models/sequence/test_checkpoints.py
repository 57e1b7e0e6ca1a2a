"""A training that is killed goes on from its last epoch, to the same weights; a bad checkpoint is a clear error."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from driftline.data.catalog import Catalog
from driftline.data.events import EventLog, Histories
from driftline.data.split import global_time_fold
from driftline.data.synthetic import baskets
from driftline.errors import RunError, SaveError
from driftline.models.sequence import GRU, Linear, SequenceSettings
from driftline.models.sequence import training as training_module

SETTINGS: dict[str, SequenceSettings] = {
    "all items": GRU(dim=4, epochs=4, batch=64, falling=None, warmup=3),
    "a sample": GRU(dim=4, epochs=4, batch=64, negatives=6),
    "linear": Linear(dim=4, epochs=4, batch=64),
}


class Killed(BaseException):
    """As a signal would end it."""


def kept_in(settings: SequenceSettings, folder: Path) -> SequenceSettings:
    return replace(settings, checkpoints=str(folder))


def killed(
    settings: SequenceSettings,
    log: EventLog,
    patch: pytest.MonkeyPatch,
    *,
    n_batches: int = 7,
    catalog: Catalog | None = None,
) -> None:
    """Train, and end it in the middle of an epoch."""
    real, seen = training_module.loss_of, [0]

    def dying(*given: object, **named: object) -> torch.Tensor:
        seen[0] += 1
        if seen[0] > n_batches:
            raise Killed
        return real(*given, **named)  # type: ignore[arg-type]

    with patch.context() as patched:
        patched.setattr(training_module, "loss_of", dying)
        with pytest.raises(Killed):
            settings.fit(log, catalog=catalog, seed=2)


@pytest.mark.parametrize("name", list(SETTINGS))
def test_a_killed_training_ends_with_the_same_weights(
    name: str, basket_log: EventLog, everyone: Histories, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = SETTINGS[name].fit(basket_log, seed=2)
    settings = kept_in(SETTINGS[name], tmp_path)
    killed(settings, basket_log, monkeypatch, n_batches=13)  # five batches an epoch
    assert [file.suffix for file in tmp_path.iterdir()] == [".safetensors"]
    epochs: list[int] = []
    real = training_module._Run.train_epoch
    monkeypatch.setattr(
        training_module._Run, "train_epoch", lambda run, *given: (epochs.append(run.epoch), real(run, *given))[1]
    )
    again = settings.fit(basket_log, seed=2)
    assert epochs == [2, 3]
    np.testing.assert_array_equal(again.score(everyone), whole.score(everyone))
    assert not list(tmp_path.iterdir())


def test_another_seed_or_setting_does_not_go_on_from_it(
    basket_log: EventLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = kept_in(SETTINGS["all items"], tmp_path)
    killed(settings, basket_log, monkeypatch)
    left = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    settings.fit(basket_log, seed=3)
    kept_in(GRU(dim=6, epochs=1, batch=64), tmp_path).fit(basket_log, seed=2)
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == left


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda content: content[:100], "remove it to start anew"),
        (lambda content: content[:-1] + bytes([content[-1] ^ 1]), "got an altered one; remove it to start anew"),
    ],
    ids=["cut", "one bit, which only the checksum tells"],
)
def test_a_damaged_checkpoint_is_refused_and_says_what_to_do(
    damage: Callable[[bytes], bytes], said: str, basket_log: EventLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = kept_in(SETTINGS["all items"], tmp_path)
    killed(settings, basket_log, monkeypatch)
    (file,) = tmp_path.iterdir()
    damaged = damage(file.read_bytes())
    file.write_bytes(damaged)
    with pytest.raises(RunError, match=said):
        settings.fit(basket_log, seed=2)
    assert file.read_bytes() == damaged


def test_no_room_for_a_checkpoint_keeps_the_one_before(
    basket_log: EventLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = kept_in(SETTINGS["all items"], tmp_path)
    real, written = os.fsync, [0]

    def full(handle: int) -> None:
        written[0] += 1
        if written[0] > 2:  # the file and its folder, once
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(handle)

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(SaveError, match="No space left"):
            settings.fit(basket_log, seed=2)
    (file,) = tmp_path.iterdir()
    settings.fit(basket_log, seed=2)
    assert not file.exists()


def test_a_training_that_validation_had_ended_does_not_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed between its last epoch and its end: no epoch more is run, and the weights are those of the best."""
    fold = global_time_fold(baskets(n_users=60, n_items=24, n_visits=9, noise=1.0, seed=3).dataset)
    plain = GRU(dim=4, epochs=40, batch=64, learning_rate=0.05)
    whole = plain.fit(fold.inner, validation=fold.stop, seed=2)
    assert whole.training.stopped == "validation"  # type: ignore[attr-defined]
    settings = kept_in(plain, tmp_path)

    def dies(_self: object) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(training_module.Checkpoint, "forget", dies)
        with pytest.raises(Killed):
            settings.fit(fold.inner, validation=fold.stop, seed=2)
    monkeypatch.setattr(training_module._Run, "train_epoch", lambda *_given: pytest.fail("an epoch too many"))
    again = settings.fit(fold.inner, validation=fold.stop, seed=2)
    assert again.training == whole.training  # type: ignore[attr-defined]
    asked = fold.stop.histories
    np.testing.assert_array_equal(again.score(asked), whole.score(asked))


@pytest.mark.parametrize("other", [{"dim": 6}, {"repeats": "allow"}, {"negatives": 6}])
def test_a_checkpoint_of_another_shape_is_refused(
    other: dict[str, Any], basket_log: EventLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As it would be under the name of another training."""
    settings = kept_in(replace(SETTINGS["all items"], repeats="exclude"), tmp_path / "one")
    killed(settings, basket_log, monkeypatch)
    killed(kept_in(replace(settings, **other), tmp_path / "two"), basket_log, monkeypatch)
    (file,) = (tmp_path / "one").iterdir()
    (strange,) = (tmp_path / "two").iterdir()
    strange.replace(file)
    with pytest.raises(RunError, match="got one of another network"):
        settings.fit(basket_log, seed=2)
    assert file.exists()


def test_with_other_attributes_it_begins_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An items table that was corrected after the kill, down to another number of attributes."""
    dataset = baskets(n_users=40, n_items=24, n_visits=9, seed=3).dataset
    topics = dataset.catalog.topics
    fewer = replace(dataset.catalog, topics=topics[:, :2], topic_names=dataset.catalog.topic_names[:2])
    settings = kept_in(replace(SETTINGS["all items"], attributes=True), tmp_path)
    with monkeypatch.context() as patched:
        killed(settings, dataset.log, patched, catalog=dataset.catalog)
    (left,) = tmp_path.iterdir()
    again, anew = (
        one.fit(dataset.log, catalog=fewer, seed=2) for one in (settings, replace(settings, checkpoints=None))
    )
    assert left.exists()
    asked = dataset.log.history(dataset.log.users[0], before=dataset.log.last_us)
    np.testing.assert_array_equal(again.score(asked), anew.score(asked))
