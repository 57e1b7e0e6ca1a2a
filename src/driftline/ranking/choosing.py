"""Choose arms and weights of a blend on validation: what earns nothing goes; never below the best arm alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from driftline.data.targets import Targets
from driftline.metrics.ranks import CELLS_PER_BATCH, target_ranks
from driftline.models.base import FittedModel
from driftline.ranking.candidates import PER_ARM, Candidates, arm_scores, candidates_of
from driftline.ranking.stacking import Choices, Weights, choices_of, crossfitted, fit_weights

MAX_QUERIES = 3_000
"""Validation queries that weights are learned from; more change little and cost time."""

EARNS = 2e-4
"""An arm stays when leaving it out raises the cross-fitted loss by more than this (nats per target)."""


@dataclass(frozen=True, eq=False)
class Chosen:
    """Names of the arms that stay, their weights [n_arms, PER_ARM], mean shares, and why the others went."""

    names: Sequence[str]
    weights: Weights
    shares: Mapping[str, float]
    dropped: Mapping[str, str]


def choose(arms: Mapping[str, FittedModel], stack: Targets, *, seed: int = 0) -> Chosen:
    """The arms and weights that are best on held-out validation users; `stack` has at least one target."""
    sample = _sampled(stack, seed)
    choices = choices_of(_union(arms, sample), sample)
    names = list(arms)
    kept, dropped = _eliminated(names, choices)
    if _best_arm_wins(arms, kept, choices, sample, dropped):
        kept = kept[:1]
    seen = choices.only(_columns(kept, names))
    weights = fit_weights(seen).reshape(len(kept), PER_ARM)
    if not weights.any():
        weights = np.ones_like(weights)
    return Chosen(kept, weights, _shares(kept, weights, seen), dropped)


def _eliminated(names: Sequence[str], choices: Choices) -> tuple[list[str], dict[str, str]]:
    """Leave arms out one after the other, the least first, while the cross-fitted loss does not mind."""
    kept, dropped = list(names), {}
    current = crossfitted(choices.only(_columns(kept, names)))[0]
    while len(kept) > 1:
        without = {
            name: crossfitted(choices.only(_columns([one for one in kept if one != name], names)))[0] for name in kept
        }
        least = min(kept, key=lambda name: without[name])
        if without[least] > current + EARNS:
            break
        kept.remove(least)
        dropped[least] = f"earned nothing: without it the loss moves by {without[least] - current:+.4f}"
        current = without[least]
    return kept, dropped


def _best_arm_wins(
    arms: Mapping[str, FittedModel], kept: list[str], choices: Choices, sample: Targets, dropped: dict[str, str]
) -> bool:
    """Whether a single arm is better than the cross-fitted blend; then it comes first in `kept` and stands alone."""
    names = list(arms)
    gain = crossfitted(choices.only(_columns(kept, names)))[1] * choices.weight.sum()
    gains = {name: _gain_of_arm(arms[name], sample) for name in arms}
    best = max(gains, key=lambda name: gains[name])
    if gains[best] <= gain:
        return False
    for name in [one for one in kept if one != best]:
        dropped[name] = f"the blend was not better than {best} alone"
    dropped.pop(best, None)
    kept[:] = [best, *[one for one in kept if one != best]]
    return True


def _gain_of_arm(arm: FittedModel, sample: Targets) -> float:
    """Summed NDCG@10 of one arm, every user counting the same."""
    ranks = target_ranks(arm.score, sample)
    gains = np.where(ranks < 10, 1 / np.log2(np.minimum(ranks, 10) + 2), 0.0)
    _, user, n = np.unique(sample.user_row, return_inverse=True, return_counts=True)
    return float((gains / n[user]).sum())


def _shares(kept: Sequence[str], weights: NDArray[np.float64], choices: Choices) -> dict[str, float]:
    """Mean share of each arm in the scores of the rows that were chosen (all rows where none was)."""
    rows = choices.chosen if len(choices.chosen) else slice(None)
    parts = (choices.candidates.features[rows] * weights.ravel()).reshape(-1, len(kept), PER_ARM).sum(2)
    total = parts.sum(1, keepdims=True)
    mean = (parts / np.where(total > 0, total, 1))[total[:, 0] > 0]
    shares = mean.mean(0) / mean.mean(0).sum() if len(mean) else np.full(len(kept), 1 / len(kept))
    return dict(zip(kept, map(float, shares), strict=True))


def _union(arms: Mapping[str, FittedModel], sample: Targets) -> Candidates:
    """The union of the arms' best for every query of a sample, batch by batch."""
    n_queries, n_items = len(sample.histories), sample.train.n_items
    size = max(1, CELLS_PER_BATCH // max(n_items * len(arms), 1))
    parts = []
    for first in range(0, n_queries, size):
        queries = np.arange(first, min(first + size, n_queries))
        part = candidates_of(arm_scores(arms, sample.histories.take(queries)), sample.allowed(queries))
        parts.append(Candidates(part.query + first, part.item, part.features))
    return Candidates(
        *(np.concatenate([getattr(part, name) for part in parts]) for name in ("query", "item", "features"))
    )


def _sampled(stack: Targets, seed: int) -> Targets:
    n = len(stack.histories)
    if n <= MAX_QUERIES:
        return stack
    return stack.take_queries(np.sort(np.random.default_rng(seed).choice(n, MAX_QUERIES, replace=False)))


def _columns(kept: Sequence[str], names: Sequence[str]) -> NDArray[np.int64]:
    return np.concatenate([np.arange(PER_ARM) + PER_ARM * names.index(name) for name in kept])
