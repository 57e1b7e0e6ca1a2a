"""Learn the weights of a blend: a conditional logit over the union of the arms' best, cross-fitted by users.

Loss of a target t of query q: −(x_t · β − log Σ_j exp(x_j · β)), j over q's union, β ≥ 0 (McFadden 1974). Every
user counts the same. Targets outside the union teach nothing and are misses when arms are compared.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from driftline.data.targets import Targets
from driftline.ranking.candidates import Candidates

L2 = 1e-3

Weights = NDArray[np.float64]
"""One number ≥ 0 per feature."""


@dataclass(frozen=True, eq=False)
class Choices:
    """Unions with the rows that were chosen: `chosen[c]` is a row, `weight[c]` what it counts (a user's sum to 1).

    `fold` (0 or 1) is the half that the user of each query is in.
    """

    candidates: Candidates
    chosen: NDArray[np.int64]
    weight: NDArray[np.float64]
    fold: NDArray[np.int64]

    def part(self, fold: int) -> Choices:
        """The queries of one half of the users."""
        keep = self.fold[self.candidates.query] == fold
        place = np.cumsum(keep) - 1
        inside = keep[self.chosen]
        union = Candidates(self.candidates.query[keep], self.candidates.item[keep], self.candidates.features[keep])
        return Choices(union, place[self.chosen[inside]], self.weight[inside], self.fold)

    def only(self, features: NDArray[np.int64]) -> Choices:
        """The same choices seen through some of the features."""
        union = Candidates(self.candidates.query, self.candidates.item, self.candidates.features[:, features])
        return Choices(union, self.chosen, self.weight, self.fold)


def choices_of(union: Candidates, targets: Targets) -> Choices:
    """Join the targets of a batch with the union of its queries."""
    n_items = targets.train.n_items
    keys = union.query * n_items + union.item
    wanted = targets.query * n_items + targets.item_row
    place = np.minimum(np.searchsorted(keys, wanted), max(len(keys) - 1, 0))
    found = keys[place] == wanted if len(keys) else np.zeros(len(wanted), bool)
    users, per_target = np.unique(targets.user_row, return_inverse=True)
    weight = 1.0 / np.bincount(per_target, minlength=len(users))[per_target]
    half = np.unique(targets.histories.user_row, return_inverse=True)[1] % 2
    return Choices(union, place[found], weight[found], half)


def fit_weights(choices: Choices) -> Weights:
    """The β ≥ 0 of least loss, by L-BFGS-B from equal weights."""
    n_features = choices.candidates.features.shape[1]
    start = np.full(n_features, 1.0)
    if not len(choices.chosen):
        return start
    done = minimize(_loss_and_gradient, start, (choices,), "L-BFGS-B", jac=True, bounds=[(0, None)] * n_features)
    return np.maximum(np.asarray(done.x, np.float64), 0.0)


def loss(weights: Weights, choices: Choices) -> float:
    """Mean loss over users' targets, without the penalty."""
    if not len(choices.chosen):
        return 0.0
    utility, total, _ = _utilities(weights, choices)
    return float(choices.weight @ (total[choices.chosen] - utility[choices.chosen]) / choices.weight.sum())


def gain(weights: Weights, choices: Choices) -> NDArray[np.float64]:
    """The discounted gain 1 / log2(rank + 2) within the union of each chosen row, 0 beyond the tenth; [n_chosen]."""
    utility = choices.candidates.features @ weights.astype(np.float32)
    starts, segment = _segments(choices.candidates.query)
    ends = np.append(starts[1:], len(utility))
    gains = np.zeros(len(choices.chosen))
    for i, row in enumerate(choices.chosen):
        of_query = utility[starts[segment[row]] : ends[segment[row]]]
        rank = np.count_nonzero(of_query > utility[row]) + (np.count_nonzero(of_query == utility[row]) - 1) / 2
        gains[i] = 1 / np.log2(rank + 2) if rank < 10 else 0.0
    return gains


def crossfitted(choices: Choices) -> tuple[float, float]:
    """Loss and weighted gain of weights that were learned on the other half of the users."""
    losses, gains, total = 0.0, 0.0, 0.0
    for fold in (0, 1):
        held = choices.part(fold)
        weights = fit_weights(choices.part(1 - fold))
        mass = float(held.weight.sum())
        losses += mass * loss(weights, held)
        gains += float(held.weight @ gain(weights, held))
        total += mass
    return losses / max(total, 1e-12), gains / max(total, 1e-12)


def _loss_and_gradient(weights: Weights, choices: Choices) -> tuple[float, Weights]:
    utility, total, segment = _utilities(weights, choices)
    features, mass = choices.candidates.features, choices.weight.sum()
    value = choices.weight @ (total[choices.chosen] - utility[choices.chosen]) / mass
    per_query = np.bincount(segment[choices.chosen], weights=choices.weight, minlength=segment[-1] + 1)
    pull = per_query[segment] * np.exp(utility - total)
    gradient = (
        pull.astype(np.float32) @ features - choices.weight.astype(np.float32) @ features[choices.chosen]
    ) / mass
    return float(value + L2 * weights @ weights), gradient.astype(np.float64) + 2 * L2 * weights


def _utilities(
    weights: Weights, choices: Choices
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
    """The utility x · β of every row, the log-sum-exp of its query, and the number of its query."""
    utility = (choices.candidates.features @ weights.astype(np.float32)).astype(np.float64)
    starts, segment = _segments(choices.candidates.query)
    top = np.maximum.reduceat(utility, starts)
    total = np.log(np.add.reduceat(np.exp(utility - top[segment]), starts)) + top
    return utility, total[segment], segment


def _segments(query: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Where each run of equal queries starts, and the number of the run that each row is in."""
    new = np.concatenate([[True], np.diff(query) != 0])
    return np.flatnonzero(new), np.cumsum(new) - 1
