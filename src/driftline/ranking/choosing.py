"""Choose arms and weights of a blend on validation: what earns nothing goes; never below the best arm alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from driftline.data.targets import Targets
from driftline.metrics.ranks import CELLS_PER_BATCH
from driftline.models.base import FittedModel
from driftline.ranking.candidates import FROM_RANKS, PER_ARM, Candidates, arm_scores, candidates_of
from driftline.ranking.stacking import Choices, Weights, choices_of, crossfitted, fit_weights, gain

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
    choices = choices_of(_candidates(arms, sample), sample)
    scale = _scale(choices.candidates.features)
    names = list(arms)
    kept, dropped = _worth_keeping(names, choices.scaled(scale))
    columns = _columns(kept, names)
    seen = choices.only(columns)
    weights = (fit_weights(seen.scaled(scale[columns])) / scale[columns]).reshape(len(kept), PER_ARM)
    if not weights.any():
        weights = np.tile(FROM_RANKS, (len(kept), 1))
    return Chosen(kept, weights, _shares(kept, weights, seen), dropped)


def _worth_keeping(names: Sequence[str], choices: Choices) -> tuple[list[str], dict[str, str]]:
    """The arms without those that earn nothing; the best arm alone where the blend is not better than it."""
    kept, dropped, blended = _eliminated(names, choices)
    alone = {name: gain(choices.candidates.features[:, PER_ARM * i], choices) for i, name in enumerate(names)}
    best = max(alone, key=lambda name: alone[name])
    if alone[best] <= blended:
        return kept, dropped
    for name in kept:
        dropped[name] = f"{best} alone was better on validation: NDCG@10 {alone[best]:.4f} against {blended:.4f}"
    return [best], {name: why for name, why in dropped.items() if name != best}


def _eliminated(names: Sequence[str], choices: Choices) -> tuple[list[str], dict[str, str], float]:
    """Leave arms out one after the other, the least first, while the cross-fitted loss does not mind.

    Also the cross-fitted gain of what is left.
    """
    kept, dropped = list(names), {}
    current, gained = crossfitted(choices)
    while len(kept) > 1:
        start = fit_weights(choices.only(_columns(kept, names)))
        for name in _least_first(kept, start, choices.only(_columns(kept, names))):
            rest = [one for one in kept if one != name]
            warm = start[_columns(rest, kept)]
            without, rest_gain = crossfitted(choices.only(_columns(rest, names)), warm)
            if without <= current + EARNS:
                dropped[name] = f"earned nothing: without it the loss on validation moves by {without - current:+.4f}"
                kept, current, gained = rest, without, rest_gain
                break
        else:
            break
    return kept, dropped, gained


def _least_first(kept: Sequence[str], weights: Weights, choices: Choices) -> list[str]:
    """Arms by their mean share of what was chosen, the smallest first."""
    shares = _shares(kept, weights.reshape(len(kept), PER_ARM), choices)
    return sorted(kept, key=lambda name: shares[name])


def _shares(kept: Sequence[str], weights: Weights, choices: Choices) -> dict[str, float]:
    """Mean share of each arm in the scores of the rows that were chosen (all rows where none was)."""
    rows = choices.chosen if len(choices.chosen) else slice(None)
    parts = (choices.candidates.features[rows] * weights.ravel()).reshape(-1, len(kept), PER_ARM).sum(2)
    total = parts.sum(1)
    carried = parts[total > 0] / total[total > 0, None]
    shares = carried.mean(0) if len(carried) else np.full(len(kept), 1 / len(kept))
    return dict(zip(kept, map(float, shares), strict=True))


def _scale(features: NDArray[np.float32]) -> NDArray[np.float32]:
    """The mean of each feature where it is not 0, so that one penalty suits arms whose scores are large or small."""
    n = np.maximum(np.count_nonzero(features, axis=0), 1)
    mean = features.sum(axis=0, dtype=np.float64) / n
    return np.where(mean > 0, mean, 1.0).astype(np.float32)


def _candidates(arms: Mapping[str, FittedModel], sample: Targets) -> Candidates:
    """The union of the arms' best for every query of a sample, batch by batch."""
    n_items = sample.train.n_items
    size = max(1, CELLS_PER_BATCH // max(n_items * len(arms), 1))
    parts = []
    for cut in sample.histories.cuts(size):
        queries = np.arange(cut.start, cut.stop)
        part = candidates_of(arm_scores(arms, sample.histories.take(queries)), sample.allowed(queries))
        parts.append(Candidates(part.query + cut.start, part.item, part.features))
    joined = (np.concatenate([getattr(part, name) for part in parts]) for name in ("query", "item", "features"))
    return Candidates(*joined)


def _sampled(stack: Targets, seed: int) -> Targets:
    """Questions with a history, where there are any: of the others there is nothing to weigh, one arm answers."""
    queries = np.flatnonzero(stack.histories.lengths > 0)
    queries = queries if len(queries) else np.arange(len(stack.histories))
    if len(queries) > MAX_QUERIES:
        queries = np.sort(np.random.default_rng(seed).choice(queries, MAX_QUERIES, replace=False))
    return stack.take_queries(queries)


def _columns(kept: Sequence[str], names: Sequence[str]) -> NDArray[np.int64]:
    return np.concatenate([np.arange(PER_ARM) + PER_ARM * names.index(name) for name in kept])
