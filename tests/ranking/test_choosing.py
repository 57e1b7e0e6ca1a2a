"""The form of a blend is chosen on users that it has not seen, the simpler one where the next is not clearly better."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from driftline.data.split import global_time_fold
from driftline.models.choosing import gain
from driftline.models.popularity import Popularity
from driftline.ranking import choosing
from driftline.ranking.blend import stacked
from driftline.ranking.choosing import LOGIT, NETWORK, choose


@dataclass(frozen=True)
class OfKind:
    """Knows the next item where the last was of its kind (even or odd), and is as sure of a wrong one elsewhere."""

    kind: int

    def score(self, histories, items=None):
        n, last = histories.log.n_items, histories.padded_items(1)[:, 0]
        wrong = np.array([np.random.default_rng([int(end), self.kind]).integers(n) for end in histories.end])
        best = np.where(last % 2 == self.kind, (last + 1) % n, wrong)
        scores = np.zeros((len(last), n), np.float32)
        scores[np.arange(len(last)), best] = 2
        scores[np.arange(len(last)), (best + 3) % n] = 1
        return scores if items is None else scores[:, items]


@pytest.fixture(scope="module")
def fold(world):
    return global_time_fold(world.ring(n_users=200, noise=0.1))


@pytest.fixture(scope="module")
def kinds(fold):
    return {"even": OfKind(0), "odd": OfKind(1), "popularity": Popularity().fit(fold.inner)}


def test_where_arms_are_right_for_different_items_the_network_beats_logit_and_arms(kinds, fold):
    chosen = choose(kinds, fold.stack)
    assert chosen.listwise is not None
    assert chosen.gains[NETWORK] > chosen.gains[LOGIT] + 0.02
    assert chosen.gains[LOGIT] > max(chosen.gains[name] for name in kinds)
    assert {"even", "odd"} <= set(chosen.names)
    assert gain(stacked(kinds, fold.stack), fold.test) > chosen.gains[LOGIT] + 0.02


def test_a_network_that_is_not_clearly_better_gives_way_to_the_logit(kinds, fold, monkeypatch):
    monkeypatch.setattr(choosing, "standard_error", lambda differences, choices: 1.0)
    chosen = choose(kinds, fold.stack)
    assert chosen.listwise is None
    assert chosen.gains[NETWORK] > chosen.gains[LOGIT]
    assert list(chosen.shares) == list(chosen.names)


@pytest.mark.parametrize("seed", range(3))
def test_what_is_chosen_is_never_below_the_best_arm_alone(world, fold, seed):
    arms = {"step": world.Step(), "noise": world.Noise(seed=seed), "wrong": world.Step(by=9)}
    chosen = choose(arms, fold.stack, seed=seed)
    alone = max(chosen.gains[name] for name in arms)
    form = chosen.gains[NETWORK] if chosen.listwise else chosen.gains[LOGIT]
    assert form >= alone or list(chosen.names) == ["step"]
    assert "noise" in chosen.dropped


def test_with_few_questions_no_network_is_tried(world):
    fold = global_time_fold(world.ring(n_users=20, n_events=10))
    assert NETWORK not in choose({"step": world.Step(), "noise": world.Noise()}, fold.stack).gains


def test_more_questions_are_asked_of_a_small_catalog_than_of_a_large_one(world, fold, monkeypatch):
    monkeypatch.setattr(choosing, "MOST_QUERIES", 60)
    monkeypatch.setattr(choosing, "LEAST_QUERIES", 10)
    assert len(choosing._sampled(fold.stack, 2, 0).histories) == 60
    monkeypatch.setattr(choosing, "MOST_CELLS", 40 * 2 * 30)
    assert len(choosing._sampled(fold.stack, 2, 0).histories) == 30
    monkeypatch.setattr(choosing, "MOST_CELLS", 1)
    assert len(choosing._sampled(fold.stack, 2, 0).histories) == 10
