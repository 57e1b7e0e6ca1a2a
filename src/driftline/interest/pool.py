"""A log-linear pool of everything that is known of what a user may do next.

    log p(t) = Σ_e w_e · log p_e(t) + Σ_k v_k · (u_k · τ_t) + x · A_t + b_t - log Z
    w, v     = f · gate          x = z_1 ⊕ … ⊕ z_K ⊕ u_1 ⊕ … ⊕ u_K

p_e are the experts' shares, u_k the vectors of the interest state at K half-lives, τ_t those of the topics, z_k how the
user's own mix at a half-life differs from everybody's. w and v follow what is known of the user, f. A negative weight
is a contrast: last week's mix of everybody over that of all time is where everybody is going. Sources: Genest and
Zidek 1986, "Combining probability distributions" (the pool); the residual A is a softmax regression.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from threadpoolctl import threadpool_limits

from driftline.interest.state import Counts

Numbers = NDArray[np.float64] | NDArray[np.float32]

ITERATIONS = 80
NOTHING = 1e-9
"""What is less moves nothing, in nats."""

BIAS_RIDGE = 1e-2
"""How strongly what no user's past explains is held to 0."""


@dataclass(frozen=True, eq=False)
class Known:
    """What is known at n questions of T topics.

    `logits` [n, n_parts, T] are those of experts and vectors, `features` [n, n_f] is f, and `residual` [n, J] is x, of
    which the first `n_mixes` columns are mixes and the others vectors.
    """

    logits: Numbers
    features: Numbers
    residual: Numbers
    n_mixes: int

    def take(self, rows: NDArray[np.bool_]) -> Known:
        """Some of the questions."""
        return Known(self.logits[rows], self.features[rows], self.residual[rows], self.n_mixes)

    @property
    def halved(self) -> Known:
        """The same in float32, at half the bytes: what fitting moves, some thousand times."""
        logits, features, residual = (part.astype(np.float32) for part in (self.logits, self.features, self.residual))
        return Known(logits, features, residual, self.n_mixes)


@dataclass(frozen=True)
class Ridge:
    """How strongly weights are held to their start, and the two parts of the residual to 0."""

    gate: float
    mixes: float
    vectors: float


@dataclass(frozen=True, eq=False)
class Pool:
    """Fitted weights: `gate` [n_f, n_parts], `residual` [J, T], `bias` [T]."""

    gate: Counts
    residual: Counts
    bias: Counts

    @classmethod
    def start(cls, known: Known, leading: int) -> Pool:
        """The leading expert alone."""
        n_parts, n_topics = known.logits.shape[1:]
        gate = np.zeros((known.features.shape[1], n_parts))
        gate[0, leading] = 1.0
        return cls(gate, np.zeros((known.residual.shape[1], n_topics)), np.zeros(n_topics))

    def shares(self, known: Known) -> Counts:
        """p; [n, T], rows sum to 1."""
        return softmax(self.logits(known))

    def parts(self, known: Known, shares: Counts) -> Counts:
        """How much each part of `logits`, and last the residual, moves the shares away from even; rows sum to 1.

        The mean absolute deviation of its term under p, over the sum of all; [n, n_parts + 1].
        """
        weights = known.features @ self.gate
        moved = [_spread(weights[:, [k]] * known.logits[:, k], shares) for k in range(known.logits.shape[1])]
        moved.append(_spread(known.residual @ self.residual + self.bias, shares))
        found = np.stack(moved, axis=1)
        total = found.sum(axis=1, keepdims=True)
        return np.asarray(np.where(total > NOTHING, found / np.maximum(total, NOTHING), 1 / found.shape[1]), np.float64)

    def logits(self, known: Known) -> Counts:
        """What the shares are the softmax of; [n, T]."""
        weights = known.features @ self.gate
        mixed = np.matmul(weights[:, None, :], known.logits)[:, 0]
        return np.asarray(mixed + known.residual @ self.residual + self.bias)

    def flat(self) -> Counts:
        """All weights in one row."""
        return np.concatenate([self.gate.ravel(), self.residual.ravel(), self.bias])

    def of_flat(self, flat: Counts) -> Pool:
        """Weights of these shapes from one row."""
        first, second = self.gate.size, self.gate.size + self.residual.size
        return Pool(
            flat[:first].reshape(self.gate.shape), flat[first:second].reshape(self.residual.shape), flat[second:]
        )


def fit_pool(known: Known, came: Counts, weight: Counts, start: Pool, ridge: Ridge, held: Pool) -> Pool:
    """Weights of least log score, held to `held`; from `start` on.

    `came` [n, T] is how often each topic came, `weight` [n] what an event of that question counts. It computes in the
    precision of `known`.
    """
    pull = _pulls(held, known.n_mixes, ridge)
    centre = held.flat()
    kind = known.logits.dtype
    told: Any = np.asarray(weight[:, None] * came, kind)
    total: Any = told.sum(axis=1)

    def loss(flat: Counts) -> tuple[float, Counts]:
        logits = held.of_flat(flat.astype(kind)).logits(known)
        logits -= logits.max(axis=1, keepdims=True)
        odds = np.exp(logits)
        sums = odds.sum(axis=1, keepdims=True)
        value = float((total * np.log(sums[:, 0])).sum(dtype=float) - (told * logits).sum(dtype=float))
        error = (odds / sums) * total[:, None] - told
        by_gate = known.features.T @ np.matmul(known.logits, error[:, :, None])[:, :, 0]
        gradient = np.concatenate([by_gate.ravel(), (known.residual.T @ error).ravel(), error.sum(axis=0)])
        away = flat - centre
        return value + float(pull @ away**2), gradient + 2 * pull * away

    with threadpool_limits(1, "blas"):  # products this small are done sooner by one thread than by two that wait
        found = minimize(loss, start.flat(), jac=True, method="L-BFGS-B", options={"maxiter": ITERATIONS})
    return held.of_flat(np.asarray(found.x, np.float64))


def _pulls(shape: Pool, n_mixes: int, ridge: Ridge) -> Counts:
    """The ridge of each weight."""
    residual = np.full(shape.residual.shape, ridge.vectors)
    residual[:n_mixes] = ridge.mixes
    return np.concatenate(
        [np.full(shape.gate.size, ridge.gate), residual.ravel(), np.full(len(shape.bias), BIAS_RIDGE)]
    )


def _spread(term: Counts, shares: Counts) -> Counts:
    """Mean absolute deviation of a term under the shares; [n]."""
    mean = (shares * term).sum(axis=1, keepdims=True)
    return np.asarray((shares * np.abs(term - mean)).sum(axis=1), np.float64)


def softmax(logits: Counts) -> Counts:
    """Each row as positive numbers that sum to 1."""
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=1, keepdims=True), np.float64)
