"""Checks of learning: tastes are found where there are any, nothing where there is none; updates and refits hold."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from driftline.data.events import Histories
from driftline.data.targets import Fold
from driftline.metrics.ranking import hit
from driftline.metrics.ranks import target_ranks
from driftline.models.base import Encodes, FittedModel, Updates
from driftline.models.popularity import Popularity
from driftline.testing.case import SEED, Case, check, later_events, require, small_questions, still_fold
from driftline.types import Scores

GAIN = 2.0
"""A personal model must hit so many times as often as popularity in a world of steady tastes; ours do three times."""


@check
def steady_tastes_are_learned(case: Case, _: Path) -> None:
    """In a world of steady tastes and little noise a personal model hits twice as often as popularity."""
    if not case.personal:
        return
    found = hit_rate(case.chosen, case.world)
    popular = hit_rate(Popularity().fit(case.log), case.world)
    require(found > GAIN * popular, f"HR@10 must be above {GAIN} × {popular:.3f} (popularity), got {found:.3f}")


@check
def noise_is_not_learned(case: Case, _: Path) -> None:
    """Where every event is any item, nothing beats chance by more than chance allows (four standard errors)."""
    noise = still_fold(noise=1.0, n_users=300)
    fitted = case.model.fit(noise.train, catalog=noise.test.catalog, validation=noise.stop, seed=SEED)
    chance = 10 / int(np.count_nonzero(noise.train.item_counts()))
    limit = chance + 4 * float(np.sqrt(chance * (1 - chance) / len(noise.test)))
    found = hit_rate(fitted, noise)
    require(found <= limit, f"HR@10 on noise must stay under {limit:.3f} (chance is {chance:.3f}), got {found:.3f}")


def hit_rate(fitted: FittedModel, fold: Fold) -> float:
    """HR@10 over the test targets, among items that occur in training."""
    seen = fold.train.item_counts() > 0

    def score(histories: Histories) -> Scores:
        return np.where(seen, fitted.score(histories), np.float32(-np.inf))

    return float(hit(target_ranks(score, fold.test), 10).mean())


@check
def choices_are_settled(case: Case, _: Path) -> None:
    """`settled()` fits without validation, leaves nothing open, and keeps the name."""
    settled = case.chosen.settled()
    fitted = settled.fit(case.log, catalog=case.catalog, seed=SEED)
    require(fitted.settled() == settled, "a model that was settled must have nothing left to choose")
    names = {case.model.name, settled.name, fitted.name}
    require(len(names) == 1, f"model, settled model and fitted model must have one name, got {sorted(names)}")


@check
def updates_make_a_new_value(case: Case, _: Path) -> None:
    """`update` returns a model that knows the new items, and leaves the old one as it was."""
    if not isinstance(case.fitted, Updates):
        return
    before, events = case.scores, later_events(case.log)
    newer = case.fitted.update(events)
    grown = replace(case.log, users=events.users, items=events.items)
    scores = newer.score(small_questions(grown))
    untouched = np.array_equal(case.fitted.score(case.asked), before)
    require(untouched, "update must not change the model it is made of")
    expected = (len(case.asked), events.n_items)
    require(scores.shape == expected, f"after an update scores must have shape {expected}, got {scores.shape}")
    require(np.isfinite(scores).all(), "after an update scores must be finite")
    require(newer.settled() == case.fitted.settled(), "update must keep the settings")


@check
def an_empty_update_changes_nothing(case: Case, _: Path) -> None:
    """`update` with no events gives the same scores."""
    if not isinstance(case.fitted, Updates):
        return
    none = case.log.select(np.zeros(len(case.log), bool))
    scores = case.fitted.update(none).score(case.asked)
    require(np.allclose(scores, case.scores, rtol=1e-5, atol=1e-6), "an update without events must change no score")


@check
def states_score_like_histories(case: Case, _: Path) -> None:
    """`score_states(encode(histories))` is `score(histories)`; a state has one finite vector for each question."""
    if not isinstance(case.fitted, Encodes):
        return
    states = case.fitted.encode(case.asked)
    vectors = states.vectors
    require(vectors.ndim == 2 and len(vectors) == len(case.asked), "encode must give one vector for each question")
    require(np.isfinite(vectors).all(), "states must be finite")
    scores = case.fitted.score_states(states)
    require(np.allclose(scores, case.scores, rtol=1e-4, atol=1e-5), "score_states(encode(h)) must equal score(h)")
