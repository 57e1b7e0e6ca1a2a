"""Choose arms, form and weights of a blend on validation: what earns nothing goes; never below the best arm alone.

Three forms are compared by NDCG@10 on users that they did not learn from: the best arm alone, a conditional logit over
the arms that earn something by it, and a network. The simpler one stays unless the next is clearly better.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from driftline.data.targets import Targets
from driftline.memory import give_back
from driftline.metrics.ranks import CELLS_PER_BATCH
from driftline.models.base import FittedModel
from driftline.ranking.candidates import FROM_RANKS, PER_ARM, Candidates, arm_scores, candidates_of
from driftline.ranking.evidence import Evidence
from driftline.ranking.listwise import Listwise, columns_of, narrow, wide, widened
from driftline.ranking.network import fit_network
from driftline.ranking.stacking import (
    Choices,
    Weights,
    choices_of,
    crossfitted,
    fit_weights,
    gain,
    gains_of,
    loss_of,
    standard_error,
)

MOST_QUERIES, LEAST_QUERIES = 12_000, 3_000
MOST_CELLS = 1_000_000_000
"""Validation queries that are asked: the most and the least, between them as many as MOST_CELLS scores allow."""

ELIMINATION_QUERIES = 1_500
"""Queries with a target among their candidates that arms are left out by, one after the other."""

EARNS = 2e-4
"""An arm stays when leaving it out raises the cross-fitted loss by more than this (nats per target)."""

EARNS_IN_NETWORK = 2e-3
"""The same for an arm of the network, whose loss moves by this much from one draw of its start to the next."""

NETWORK_QUERIES = 200
"""With fewer queries to learn from, no network is tried."""

LOGIT = "conditional logit"
NETWORK = "listwise network"


@dataclass(frozen=True, eq=False)
class Chosen:
    """Names of the arms that stay, their weights [n_arms, PER_ARM], mean shares, and why the others went.

    `listwise` is there where the network won. `gains` is the cross-fitted NDCG@10 of each form that was tried: of every
    arm alone by its name, of LOGIT and of NETWORK.
    """

    names: Sequence[str]
    weights: Weights
    listwise: Listwise | None
    shares: Mapping[str, float]
    dropped: Mapping[str, str]
    gains: Mapping[str, float]


def choose(arms: Mapping[str, FittedModel], stack: Targets, *, seed: int = 0) -> Chosen:
    """The arms, form and weights that are best on held-out validation users; `stack` has at least one target."""
    sample, evidence = _sampled(stack, len(arms), seed), Evidence.of(stack.train)
    choices = choices_of(_candidates(arms, sample, evidence), sample)
    with threadpool_limits(1, "blas"):  # products this small are done sooner by one thread than by two that wait
        return _chosen(list(arms), choices, evidence, seed)


def _chosen(names: Sequence[str], choices: Choices, evidence: Evidence, seed: int) -> Chosen:
    """The best of the forms: the best arm alone, the logit, the network."""
    logit = _logit(names, choices, seed)
    gains = {name: gain(choices.candidates.features[:, _first(i)], choices) for i, name in enumerate(names)}
    best = max(gains, key=lambda name: gains[name])
    listwise = _network(names, choices, logit, seed)
    gains |= {LOGIT: logit.gain} | ({NETWORK: listwise.gain} if listwise else {})
    if listwise and listwise.gain >= gains[best] and _clearly_better(listwise, logit, choices):
        network = fit_network(choices.only(_wide(listwise.kept, names)), seed=seed)
        return _by_network(names, listwise, Listwise(network, evidence), choices, gains)
    if logit.gain < gains[best]:
        logit = _alone(best, logit, gains[best])
    weights = _weights(logit.kept, names, choices)
    shares = _shares(logit.kept, weights, choices.only(_columns(logit.kept, names)))
    return Chosen(logit.kept, weights, None, shares, logit.dropped, gains)


@dataclass(frozen=True, eq=False)
class _Form:
    """A way to blend: the arms that it keeps, why it dropped the others, and its cross-fitted gain for each target."""

    kept: list[str]
    dropped: dict[str, str]
    gain: float
    loss: float
    gains: NDArray[np.float64]


def _logit(names: Sequence[str], choices: Choices, seed: int) -> _Form:
    """The conditional logit without the arms that earn nothing; they are found on some of the queries."""
    few = choices.sampled(ELIMINATION_QUERIES, seed)
    scale = _scale(few.candidates.features)
    kept, dropped = _eliminated(names, few.scaled(scale))
    columns = _columns(kept, names)
    gains, lost = np.zeros(len(choices.chosen)), 0.0
    for fold in (0, 1):  # one half at a time, as for the network
        weights = fit_weights(choices.part(1 - fold, columns).scaled(scale[columns]))
        held = choices.part(fold, columns).scaled(scale[columns])
        utility = held.candidates.features @ weights.astype(np.float32)
        gains[choices.chosen_of(fold)] = gains_of(utility, held)
        lost += float(held.weight.sum()) * loss_of(utility, held)
    return _form(kept, dropped, choices, gains, lost)


def _network(names: Sequence[str], choices: Choices, logit: _Form, seed: int) -> _Form | None:
    """The network, without those of the arms dropped by the logit that earn nothing in it either; None if too few."""
    if len(np.unique(choices.candidates.query[choices.chosen])) < NETWORK_QUERIES:
        return None
    form = _crossfitted_network(list(names), names, choices, seed)
    for name in logit.dropped:
        rest = [one for one in form.kept if one != name]
        without = _crossfitted_network(rest, names, choices, seed)
        if without.loss <= form.loss + EARNS_IN_NETWORK:
            form = replace(without, dropped=form.dropped | {name: _earned_nothing(without.loss - form.loss)})
    return form


def _crossfitted_network(kept: list[str], names: Sequence[str], choices: Choices, seed: int) -> _Form:
    gains, lost = np.zeros(len(choices.chosen)), 0.0
    columns = _wide(kept, names)
    for fold in (0, 1):
        learn, place = choices.part(1 - fold, columns), choices.chosen_of(fold)
        if not len(learn.chosen) or not len(place):
            continue
        network = fit_network(learn, seed=seed)
        del learn  # one half at a time: together they would be the most that is held
        held = choices.part(fold, columns)
        utility = network.utility(held.candidates.features)
        gains[place] = gains_of(utility, held)
        lost += float(held.weight.sum()) * loss_of(utility, held)
    return _form(kept, {}, choices, gains, lost)


def _form(kept: list[str], dropped: dict[str, str], choices: Choices, gains: NDArray[np.float64], lost: float) -> _Form:
    mass = max(float(choices.weight.sum()), 1e-12)
    return _Form(kept, dropped, float(choices.weight @ gains), lost / mass, gains)


def _clearly_better(listwise: _Form, logit: _Form, choices: Choices) -> bool:
    """Whether the network is ahead by more than the standard error of the difference."""
    return listwise.gain - logit.gain > standard_error(listwise.gains - logit.gains, choices)


def _by_network(
    names: Sequence[str], form: _Form, listwise: Listwise, choices: Choices, gains: Mapping[str, float]
) -> Chosen:
    """What is kept of a network, with the weights of a logit over the same arms for those of whom nothing is known."""
    features = choices.candidates.features[choices.chosen][:, _wide(form.kept, names)]
    shares = listwise.parts(features, np.ones(len(features), np.float32), form.kept).mean(axis=0)
    named = dict(zip(columns_of(form.kept), map(float, shares), strict=True))
    weights = _weights(form.kept, names, choices)
    weights[~weights.any(axis=1)] = FROM_RANKS  # it may be the only one that speaks where there is no history
    return Chosen(form.kept, weights, listwise, named, form.dropped, gains)


def _alone(best: str, form: _Form, gained: float) -> _Form:
    """The best arm alone, the others named."""
    why = f"{best} alone was better on validation: NDCG@10 {gained:.4f} against {form.gain:.4f}"
    dropped = {**form.dropped, **dict.fromkeys(form.kept, why)}
    return replace(form, kept=[best], dropped={name: why for name, why in dropped.items() if name != best})


def _weights(kept: Sequence[str], names: Sequence[str], choices: Choices) -> Weights:
    """The weights of a logit over some of the arms, from all choices; ranks alone where there is nothing to learn."""
    columns = _columns(kept, names)
    seen = choices.only(columns)
    scale = _scale(seen.candidates.features)
    weights = (fit_weights(seen.scaled(scale)) / scale).reshape(len(kept), PER_ARM)
    return weights if weights.any() and len(seen.chosen) else np.tile(FROM_RANKS, (len(kept), 1))


def _eliminated(names: Sequence[str], choices: Choices) -> tuple[list[str], dict[str, str]]:
    """Leave arms out one after the other, the least first, while the cross-fitted loss does not mind."""
    kept, dropped = list(names), {}
    current, _ = crossfitted(choices.only(_columns(kept, names)))
    while len(kept) > 1:
        seen = choices.only(_columns(kept, names))
        start = fit_weights(seen)
        for name in _least_first(kept, start, seen):
            rest = [one for one in kept if one != name]
            without, _ = crossfitted(choices.only(_columns(rest, names)), start[_places(rest, kept)])
            if without <= current + EARNS:
                dropped[name] = _earned_nothing(without - current)
                kept, current = rest, without
                break
        else:
            break
    return kept, dropped


def _earned_nothing(change: float) -> str:
    return f"earned nothing: without it the loss on validation moves by {change:+.4f}"


def _least_first(kept: Sequence[str], weights: Weights, choices: Choices) -> list[str]:
    """Arms by their mean share of what was chosen, the smallest first."""
    shares = _shares(kept, weights.reshape(len(kept), PER_ARM), choices)
    return sorted(kept, key=lambda name: shares[name])


def _shares(kept: Sequence[str], weights: Weights, choices: Choices) -> dict[str, float]:
    """Mean share of each arm in the scores of the rows that were chosen; the same for all where none was."""
    parts = (choices.candidates.features[choices.chosen] * weights.ravel()).reshape(-1, len(kept), PER_ARM).sum(2)
    total = parts.sum(1)
    carried = parts[total > 0] / total[total > 0, None]
    shares = carried.mean(0) if len(carried) else np.full(len(kept), 1 / len(kept))
    return dict(zip(kept, map(float, shares), strict=True))


def _scale(features: NDArray[np.float32]) -> NDArray[np.float32]:
    """The mean of each feature where it is not 0, so that one penalty suits arms whose scores are large or small."""
    n = np.maximum(np.count_nonzero(features, axis=0), 1)
    mean = features.sum(axis=0, dtype=np.float64) / n
    return np.where(mean > 0, mean, 1.0).astype(np.float32)


def _candidates(arms: Mapping[str, FittedModel], sample: Targets, evidence: Evidence) -> Candidates:
    """What a network sees of every query whose target is among the arms' best, batch by batch; of others none learns.

    Those are misses for every form, so they count as nothing gained.
    """
    n_items = sample.train.n_items
    size = max(1, CELLS_PER_BATCH // max(n_items * len(arms), 1))
    wanted = sample.query * n_items + sample.item_row
    parts = []
    for cut in sample.histories.cuts(size):
        queries = np.arange(cut.start, cut.stop)
        histories, allowed = sample.histories.take(queries), sample.allowed(queries)
        scores = arm_scores(arms, histories)
        found = candidates_of(scores, allowed)
        hit = np.isin((found.query + cut.start) * n_items + found.item, wanted)
        teaches = np.isin(found.query, found.query[hit])
        found = Candidates(found.query[teaches], found.item[teaches], found.features[teaches])
        part = widened(found, scores, allowed, evidence, histories)
        parts.append(Candidates(part.query + cut.start, part.item, part.features))
    joined = Candidates(
        *(np.concatenate([getattr(part, name) for part in parts]) for name in ("query", "item", "features"))
    )
    parts.clear()
    give_back()
    return joined


def _sampled(stack: Targets, n_arms: int, seed: int) -> Targets:
    """Questions with a history, where there are any: of the others there is nothing to weigh, one arm answers."""
    queries = np.flatnonzero(stack.histories.lengths > 0)
    queries = queries if len(queries) else np.arange(len(stack.histories))
    most = int(np.clip(MOST_CELLS // max(stack.train.n_items * n_arms, 1), LEAST_QUERIES, MOST_QUERIES))
    if len(queries) > most:
        queries = np.sort(np.random.default_rng(seed).choice(queries, most, replace=False))
    return stack.take_queries(queries)


def _first(number: int) -> int:
    """The wide column of an arm's ranks."""
    return int(narrow(number + 1)[-PER_ARM])


def _columns(kept: Sequence[str], names: Sequence[str]) -> NDArray[np.int64]:
    """The wide columns that a logit over some of the arms weighs."""
    return narrow(len(names)).reshape(-1, PER_ARM)[[names.index(name) for name in kept]].ravel()


def _places(rest: Sequence[str], kept: Sequence[str]) -> NDArray[np.int64]:
    """Where the weights of some arms stand among those of more."""
    return np.concatenate([np.arange(PER_ARM) + PER_ARM * kept.index(name) for name in rest])


def _wide(kept: Sequence[str], names: Sequence[str]) -> NDArray[np.int64]:
    """The wide columns that a network over some of the arms sees."""
    return wide([names.index(name) for name in kept], len(names))
