"""Learn the weights of a blend: a conditional logit over the union of the arms' best, cross-fitted by users.

Loss of a target t of query q: −(x_t · β − log Σ_j exp(x_j · β)), j over q's candidates, β ≥ 0 (McFadden 1974). Every
user counts the same. Targets outside the candidates teach nothing and are misses when arms are compared.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from driftline.data.targets import Targets
from driftline.ranking.candidates import Candidates

L2 = 1e-3
"""Weight of the squared weights beside a mean loss; a tenth and ten times as much measured the same."""

Weights = NDArray[np.float64]
"""One number ≥ 0 per feature."""


@dataclass(frozen=True, eq=False)
class Choices:
    """Candidates with the rows that were chosen: `chosen[c]` is a row, `weight[c]` what it counts.

    Weights of all targets sum to 1, users counting the same; a target outside the candidates is no row and its weight
    is missing. `fold` [n_queries] (0 or 1) is the half that the user of each query is in.
    """

    candidates: Candidates
    chosen: NDArray[np.int64]
    weight: NDArray[np.float64]
    fold: NDArray[np.int64]

    def part(self, fold: int, features: NDArray[np.int64] | None = None) -> Choices:
        """The queries of one half of the users, seen through some of the features or all."""
        return self._of(self.fold[self.candidates.query] == fold, features)

    def chosen_of(self, fold: int) -> NDArray[np.int64]:
        """Which of all chosen rows are those of one half of the users."""
        return np.flatnonzero(self.fold[self.candidates.query[self.chosen]] == fold)

    def _of(self, keep: NDArray[np.bool_], features: NDArray[np.int64] | None = None) -> Choices:
        """The choices within some of the rows, which are those of whole queries."""
        place = np.cumsum(keep) - 1
        inside = keep[self.chosen]
        rows = self.candidates
        seen = rows.features[keep] if features is None else rows.features[np.ix_(np.flatnonzero(keep), features)]
        candidates = Candidates(rows.query[keep], rows.item[keep], seen)
        return Choices(candidates, place[self.chosen[inside]], self.weight[inside], self.fold)

    def halves(self) -> Iterator[tuple[Choices, Choices, NDArray[np.int64]]]:
        """Each half to be judged on, the other to learn from, and which of all chosen rows the first one's are."""
        for held in (0, 1):
            yield self.part(held), self.part(1 - held), self.chosen_of(held)

    def sampled(self, n: int, seed: int) -> Choices:
        """The choices of `n` of the queries that have any, all where they are fewer."""
        queries = np.unique(self.candidates.query[self.chosen])
        if len(queries) <= n:
            return self
        mine = np.zeros(len(self.fold), bool)
        mine[np.random.default_rng(seed).choice(queries, n, replace=False)] = True
        return self._of(mine[self.candidates.query])

    def only(self, features: NDArray[np.int64]) -> Choices:
        """The same choices seen through some of the features."""
        if np.array_equal(features, np.arange(self.candidates.features.shape[1])):
            return self  # all of them: what a copy would hold is the most that a blend needs
        return replace(self, candidates=replace(self.candidates, features=self.candidates.features[:, features]))

    def scaled(self, scale: NDArray[np.float32]) -> Choices:
        """The same choices with every feature divided by its scale."""
        return replace(self, candidates=replace(self.candidates, features=self.candidates.features / scale))


def choices_of(candidates: Candidates, targets: Targets) -> Choices:
    """Join the targets of a batch with the candidates of its queries."""
    n_items = targets.train.n_items
    keys = candidates.query * n_items + candidates.item
    wanted = targets.query * n_items + targets.item_row
    place = np.minimum(np.searchsorted(keys, wanted), max(len(keys) - 1, 0))
    found = keys[place] == wanted if len(keys) else np.zeros(len(wanted), bool)
    users, user = np.unique(targets.user_row, return_inverse=True)
    weight = 1.0 / (np.bincount(user, minlength=len(users))[user] * max(len(users), 1))
    half = np.unique(targets.histories.user_row, return_inverse=True)[1] % 2
    return Choices(candidates, place[found], weight[found], half)


def fit_weights(choices: Choices, start: Weights | None = None) -> Weights:
    """The β ≥ 0 of least loss, by L-BFGS-B from `start` or from ones."""
    n_features = choices.candidates.features.shape[1]
    start = np.ones(n_features) if start is None else start
    if not len(choices.chosen):
        return start
    found = minimize(_loss_and_gradient, start, (choices,), "L-BFGS-B", jac=True, bounds=[(0, None)] * n_features)
    return np.asarray(np.maximum(found.x, 0.0), np.float64)


def loss(weights: Weights, choices: Choices) -> float:
    """Mean loss of the chosen rows, users counting the same, without the penalty."""
    return loss_of(choices.candidates.features @ weights.astype(np.float32), choices)


def loss_of(utility: NDArray[np.float32], choices: Choices) -> float:
    """Mean loss of the chosen rows under utilities [n_rows], users counting the same."""
    if not len(choices.chosen):
        return 0.0
    total, _ = _totals(utility.astype(np.float64), choices)
    return float(choices.weight @ (total - utility)[choices.chosen] / choices.weight.sum())


def gain(utility: NDArray[np.float32], choices: Choices, k: int = 10) -> float:
    """NDCG@k of candidates ordered by `utility` [n_rows], ties at their mean rank; targets outside are misses."""
    return float(choices.weight @ gains_of(utility, choices, k))


def gains_of(utility: NDArray[np.float32], choices: Choices, k: int = 10) -> NDArray[np.float64]:
    """What `gain` is the weighted sum of: one number for each chosen row."""
    if not len(choices.chosen):
        return np.zeros(0)
    starts, segment = segments(choices.candidates.query)
    ends = np.append(starts[1:], len(utility))
    gains = np.zeros(len(choices.chosen))
    for i, row in enumerate(choices.chosen):
        of_query = utility[starts[segment[row]] : ends[segment[row]]]
        rank = np.count_nonzero(of_query > utility[row]) + (np.count_nonzero(of_query == utility[row]) - 1) / 2
        gains[i] = 1 / np.log2(rank + 2) if rank < k else 0.0
    return gains


def standard_error(differences: NDArray[np.float64], choices: Choices) -> float:
    """Of the weighted sum of differences, one for each chosen row; those of one query are taken as one draw."""
    query = choices.candidates.query[choices.chosen]
    sums = np.bincount(query, weights=choices.weight * differences, minlength=len(choices.fold))
    return float(np.sqrt(np.sum((sums - sums.mean()) ** 2))) if len(sums) else 0.0


def crossfitted(choices: Choices, start: Weights | None = None) -> tuple[float, float]:
    """Loss and gain of weights that were learned on the other half of the users."""
    losses, gains = 0.0, 0.0
    for held, learn, _ in choices.halves():
        weights = fit_weights(learn, start)
        losses += float(held.weight.sum()) * loss(weights, held)
        gains += gain(held.candidates.features @ weights.astype(np.float32), held)
    return losses / max(float(choices.weight.sum()), 1e-12), gains


def _loss_and_gradient(weights: Weights, choices: Choices) -> tuple[float, Weights]:
    utility, total, segment = _utilities(weights, choices)
    features, mass = choices.candidates.features, choices.weight.sum()
    value = choices.weight @ (total[choices.chosen] - utility[choices.chosen]) / mass
    per_query = np.bincount(segment[choices.chosen], weights=choices.weight, minlength=segment[-1] + 1)
    pull = per_query[segment] * np.exp(utility - total)
    pull -= np.bincount(choices.chosen, weights=choices.weight, minlength=len(pull))
    gradient = (pull / mass).astype(np.float32) @ features
    return float(value + L2 * weights @ weights), gradient.astype(np.float64) + 2 * L2 * weights


def _utilities(
    weights: Weights, choices: Choices
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
    """The utility x · β of every row, the log-sum-exp of its query, and the number of its query."""
    utility = (choices.candidates.features @ weights.astype(np.float32)).astype(np.float64)
    return utility, *_totals(utility, choices)


def _totals(utility: NDArray[np.float64], choices: Choices) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """The log-sum-exp of every row's query, and the number of its query."""
    starts, segment = segments(choices.candidates.query)
    top = np.maximum.reduceat(utility, starts)
    total = np.log(np.add.reduceat(np.exp(utility - top[segment]), starts)) + top
    return total[segment], segment


def segments(query: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Where each run of equal queries starts, and the number of the run that each row is in."""
    new = np.concatenate([[True], np.diff(query) != 0])
    return np.flatnonzero(new), np.cumsum(new) - 1
