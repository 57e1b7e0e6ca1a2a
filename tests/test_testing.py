"""The conformance suite catches models that break their promises, each by the name of the promise."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from driftline.errors import SettingsError
from driftline.models.cooccurrence import Cooccurrence, FittedCooccurrence
from driftline.models.popularity import FittedPopularity, Popularity
from driftline.testing import CHECKS, check_model


def test_checks_are_found_by_name_and_say_what_they_promise() -> None:
    assert len(CHECKS) >= 18
    assert all(check.__doc__ for check in CHECKS.values())
    assert "damage_is_refused" in CHECKS


def test_a_model_that_keeps_its_promises_passes() -> None:
    check_model(Cooccurrence())
    check_model(Popularity(), personal=False)


def test_a_model_is_called_personal_only_if_it_is() -> None:
    with pytest.raises(AssertionError, match=r"popularity breaks 2 of .* promises") as caught:
        check_model(Popularity())
    assert "the_history_is_read: " in str(caught.value)
    assert "steady_tastes_are_learned: " in str(caught.value)


def test_only_known_checks_can_be_skipped() -> None:
    with pytest.raises(SettingsError, match="got 'typo'"):
        check_model(Popularity(), skip=["typo"])


@dataclass(frozen=True)
class Broken(Cooccurrence):
    """A kernel that fits as it should and whose fitted form is spoilt."""

    how: str = ""
    name: ClassVar[str] = "cooccurrence"

    def fit(self, log: Any, **words: Any) -> Any:
        if self.how == "writes into the log" and len(log):
            log.item_row[:] = np.roll(log.item_row, 1)
        if self.how == "crashes on little" and len(log) < 2:
            raise ZeroDivisionError
        good = Cooccurrence().fit(log, **words)
        rng = np.random.default_rng() if self.how == "is random" else None
        return Spoilt(good.settings, good.kernel, good.counts, good.tail, good.vectors, self.how, rng)


@dataclass(frozen=True, eq=False)
class Spoilt(FittedCooccurrence):
    how: str = ""
    rng: Any = None

    def score(self, histories: Any, items: Any = None) -> Any:
        scores = super().score(histories)
        spoil = SPOILS.get(self.how)
        scores = spoil(self, scores, histories) if spoil else scores
        if self.how == "ignores the order of items=" and items is not None:
            items = np.sort(items)
        return scores if items is None else scores[:, items]

    def update(self, events: Any) -> Any:
        if self.how == "forgets to grow":
            return self
        if self.how == "mutates itself":
            self.kernel._fastest[:] = 0
        return replace(super().update(events), how=self.how)

    def save(self, folder: Path) -> None:
        super().save(folder)
        if self.how == "writes code":
            (folder / "model.pickle").write_bytes(b"")

    def settled(self) -> Any:
        return Cooccurrence() if self.how == "settles nothing" else super().settled()

    @classmethod
    def load(cls, folder: Path) -> Any:
        if not (folder / "model.json").is_file() and folder.is_dir():
            return super().load(folder.parent / "whole")
        return super().load(folder)


def _with_nan(_: Any, scores: Any, __: Any) -> Any:
    return np.where(scores == scores.max(), np.float32(np.nan), scores)


def _by_place(_: Any, scores: Any, __: Any) -> Any:
    return scores + np.arange(len(scores), dtype=np.float32)[:, None]


def _from_the_future(_: Any, scores: Any, histories: Any) -> Any:
    return scores + np.float32(len(histories.log))


def _by_stranger(_: Any, scores: Any, histories: Any) -> Any:
    return scores + np.where(histories.user_row > 10, np.float32(1), np.float32(0))[:, None]


SPOILS: dict[str, Any] = {
    "is random": lambda self, scores, _: scores + self.rng.random(scores.shape, np.float32),
    "gives NaN": _with_nan,
    "gives float64": lambda _, scores, __: scores.astype(np.float64),
    "answers by place": _by_place,
    "reads the future": _from_the_future,
    "knows strangers": _by_stranger,
    "loves the unseen": lambda _, scores, __: scores + (np.arange(scores.shape[1]) == 59).astype(np.float32) * 99,
    "answers all alike": lambda self, scores, _: np.repeat(self.counts[None].astype(np.float32), len(scores), axis=0),
}


@pytest.mark.parametrize(
    ("how", "promise"),
    [
        ("is random", "one_seed_gives_one_model"),
        ("writes into the log", "inputs_stay_untouched"),
        ("gives NaN", "scores_are_finite_numbers_of_the_right_shape"),
        ("gives float64", "scores_are_finite_numbers_of_the_right_shape"),
        ("ignores the order of items=", "chosen_items_are_columns"),
        ("answers by place", "a_batch_is_its_single_questions"),
        ("reads the future", "nothing_is_read_from_after_the_question"),
        ("knows strangers", "unknown_users_are_answered"),
        ("answers all alike", "the_history_is_read"),
        ("answers all alike", "steady_tastes_are_learned"),
        ("loves the unseen", "unseen_items_do_not_lead"),
        ("crashes on little", "little_data_is_no_crash"),
        ("writes code", "only_data_is_written"),
        ("", "damage_is_refused"),
        ("settles nothing", "choices_are_settled"),
        ("forgets to grow", "updates_make_a_new_value"),
        ("mutates itself", "updates_make_a_new_value"),
    ],
)
def test_a_broken_promise_is_named(how: str, promise: str) -> None:
    with pytest.raises(AssertionError, match=f"breaks 1 of .* promises:\n{promise}: "):
        check_model(Broken(how=how), skip=set(CHECKS) - {promise})


class Peeking(Popularity):
    """Learns the test answers of a world that is nothing but noise: the same seeds give the same world."""

    def fit(self, log: Any, **words: Any) -> Any:
        return Peeked(self, super().fit(log, **words).counts)


class Peeked(FittedPopularity):
    def score(self, histories: Any, items: Any = None) -> Any:
        scores = np.zeros((len(histories), len(self.counts)), np.float32)
        answer = np.minimum(histories.end, len(histories.log) - 1)
        scores[np.arange(len(histories)), histories.log.item_row[answer]] = 1
        return scores


def test_a_model_that_is_better_than_chance_on_noise_is_caught() -> None:
    with pytest.raises(AssertionError, match="noise_is_not_learned: HR@10 on noise must stay under"):
        check_model(Peeking(), skip=set(CHECKS) - {"noise_is_not_learned"})
