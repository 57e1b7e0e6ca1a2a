"""A small network over candidates, learned listwise: a query's candidates compete in one softmax.

    u(x) = mean over members m of  o_m · max(0, W_mᵀ x + b_m) + l_m · x

Loss of a target t of query q: −(u(x_t) − log Σ_j exp u(x_j)), j over q's candidates, users counting the same: that of
the conditional logit (`stacking`), whose Σ β x this replaces where it is better on users that neither has seen. Members
differ in the draws they start from and in the order of the queries alone. Source: Cao et al. 2007, "Learning to rank:
from pairwise approach to listwise approach"; Adam: Kingma and Ba 2015.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from driftline.ranking.stacking import Choices, segments

HIDDEN = 32
MEMBERS = 3
"""Units of each member, and members: fewer are worse on small data, more could not be told apart."""

EPOCHS = 8
QUERIES_PER_STEP = 32
RATE = 0.01
"""Adam's first rate; it falls to 0 along half a cosine."""

ROWS_AT_ONCE = 65_536

Floats = NDArray[np.float32]
Params = tuple[Floats, Floats, Floats, Floats]
"""W [n_features, HIDDEN], b [HIDDEN], o [HIDDEN], l [n_features] of one member, over standardised features."""


@dataclass(frozen=True, eq=False)
class Network:
    """All members side by side, over raw features; `inner` [n_features, MEMBERS * HIDDEN], `direct` [n_features]."""

    inner: Floats
    bias: Floats
    outer: Floats
    direct: Floats

    def utility(self, features: Floats) -> Floats:
        """The utility of each row, shape [n_rows]; a row's is its own, whatever stands beside it."""
        parts = [
            np.maximum(rows @ self.inner + self.bias, 0) @ self.outer + rows @ self.direct
            for rows in np.array_split(features, max(1, -(-len(features) // ROWS_AT_ONCE)))
        ]
        return np.concatenate(parts)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The weights as plain arrays under `network.*`."""
        return {f"network.{name}": getattr(self, name) for name in ("inner", "bias", "outer", "direct")}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Network:
        """What `arrays` took apart."""
        return cls(*(arrays[f"network.{name}"] for name in ("inner", "bias", "outer", "direct")))


def fit_network(choices: Choices, *, seed: int = 0) -> Network:
    """The network of these choices; every query must have a chosen row."""
    features = choices.candidates.features
    mean = features.mean(axis=0, dtype=np.float64).astype(np.float32)
    spread = np.sqrt(
        [np.mean(np.square(column - at), dtype=np.float64) for column, at in zip(features.T, mean, strict=True)]
    )
    scale = np.where(spread > 1e-6, spread, 1).astype(np.float32)  # a column that never moves
    members = [_member(choices, mean, scale, np.random.default_rng([seed, m])) for m in range(MEMBERS)]
    inner = np.concatenate([w for w, _, _, _ in members], axis=1) / scale[:, None]
    bias = np.concatenate([b for _, b, _, _ in members]) - mean @ inner
    outer = np.concatenate([o for _, _, o, _ in members]) / MEMBERS
    direct = np.mean([direct for _, _, _, direct in members], axis=0) / scale
    return Network(*(np.asarray(one, np.float32) for one in (inner, bias, outer, direct)))


def loss_and_gradients(params: Params, x: Floats, starts: NDArray[np.int64], mass: Floats) -> tuple[float, Params]:
    """Loss of one step and its gradients; rows of a query stand together from `starts`, `mass` [n_rows] is of chosen.

    −Σ over rows r of mass_r (u_r − log-sum-exp of r's query).
    """
    w, b, o, direct = params
    before = x @ w + b
    hidden = np.maximum(before, 0)
    utility = hidden @ o + x @ direct
    segment = np.repeat(np.arange(len(starts)), np.diff(np.append(starts, len(x))))
    top = np.maximum.reduceat(utility, starts)
    odds = np.exp(utility - top[segment])
    total = np.add.reduceat(odds, starts)
    value = float(mass @ (np.log(total)[segment] + top[segment] - utility))
    pull = odds / total[segment] * np.add.reduceat(mass, starts)[segment] - mass
    back = (pull[:, None] * o) * (before > 0)
    return value, (x.T @ back, back.sum(axis=0), hidden.T @ pull, x.T @ pull)


def _member(choices: Choices, mean: Floats, scale: Floats, rng: np.random.Generator) -> Params:
    """One member, by Adam over the queries in a new order each epoch."""
    features = choices.candidates.features
    starts, _ = segments(choices.candidates.query)
    ends = np.append(starts[1:], len(features))
    mass = np.bincount(choices.chosen, weights=choices.weight, minlength=len(features))
    mass = (mass * len(starts) / max(mass.sum(), 1e-12)).astype(np.float32)
    params, adam = _start(features.shape[1], rng), _Adam(features.shape[1])
    n_steps = EPOCHS * -(-len(starts) // QUERIES_PER_STEP)
    for step, queries in enumerate(_steps(len(starts), rng)):
        rows = np.concatenate([np.arange(starts[q], ends[q]) for q in queries])
        lengths = ends[queries] - starts[queries]
        x = (features[rows] - mean) / scale
        _, gradients = loss_and_gradients(
            params, x, np.cumsum(lengths) - lengths, mass[rows] / np.float32(len(queries))
        )
        params = adam.moved(params, gradients, RATE * (1 + np.cos(np.pi * step / n_steps)) / 2)
    return params


def _steps(n_queries: int, rng: np.random.Generator) -> Iterator[NDArray[np.int64]]:
    """The queries of each step, every query once an epoch."""
    for _ in range(EPOCHS):
        order = rng.permutation(n_queries)
        for first in range(0, n_queries, QUERIES_PER_STEP):
            yield np.sort(order[first : first + QUERIES_PER_STEP])


def _start(n_features: int, rng: np.random.Generator) -> Params:
    """He et al. 2015 for the rectified units."""
    inner = rng.normal(0, np.sqrt(2 / n_features), (n_features, HIDDEN)).astype(np.float32)
    outer = rng.normal(0, 1 / np.sqrt(HIDDEN), HIDDEN).astype(np.float32)
    return inner, np.zeros(HIDDEN, np.float32), outer, np.zeros(n_features, np.float32)


class _Adam:
    """Running means of gradients and of their squares, for one member."""

    def __init__(self, n_features: int) -> None:
        shapes = ((n_features, HIDDEN), (HIDDEN,), (HIDDEN,), (n_features,))
        self.first = [np.zeros(shape, np.float32) for shape in shapes]
        self.second = [np.zeros(shape, np.float32) for shape in shapes]
        self.n = 0

    def moved(self, params: Params, gradients: Params, rate: float) -> Params:
        """The next parameters."""
        self.n += 1
        first, second = 1 - 0.9**self.n, 1 - 0.999**self.n
        moved = []
        for place, (param, gradient) in enumerate(zip(params, gradients, strict=True)):
            self.first[place] += np.float32(0.1) * (gradient - self.first[place])
            self.second[place] += np.float32(0.001) * (gradient * gradient - self.second[place])
            step = (self.first[place] / first) / (np.sqrt(self.second[place] / second) + 1e-8)
            moved.append((param - rate * step).astype(np.float32))
        return moved[0], moved[1], moved[2], moved[3]
