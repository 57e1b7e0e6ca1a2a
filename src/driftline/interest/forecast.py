"""Forecasts: the distribution over topics of what a user will do within a horizon, with intervals.

Experts are the user's mix at several half-lives, each drawn toward the mix of everybody, and that mix itself. Per
horizon their weights are a softmax of the length of the history and of the time since it. All is fitted at rolling
origins inside the log: half-lives and priors alone, then the weights, held back by how they do on users that they were
not fitted on, then the concentration of the Dirichlet-multinomial.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import betabinom

from driftline.errors import RunError
from driftline.interest.dynamics import half_life_from, half_life_json
from driftline.interest.experts import N_FEATURES, Expert, softmax
from driftline.interest.horizons import Horizon
from driftline.interest.state import Counts

MOST_COUNTED = 100_000


@dataclass(frozen=True, eq=False)
class HorizonModel:
    """What was learned for one horizon.

    `gate` [n_features, n_experts] gives the experts' weights `softmax(f · gate)`. `concentration` (a, b): the
    Dirichlet-multinomial has `exp(a + b · ln(1 + n))` for a history of n faded events. `pace` (a, b): a user whose
    recent rate promises r events does `exp(a + b · ln(1 + r))` in the window. `scores` are mean log scores of this
    mixture and of each expert alone on what they were fitted on; empty where there was nothing to fit.
    """

    horizon: Horizon
    experts: tuple[Expert, ...]
    gate: Counts
    concentration: tuple[float, float]
    pace: tuple[float, float]
    scores: dict[str, float]

    def weights(self, features: Counts) -> Counts:
        """The experts' weights for features [..., n_features]; rows sum to 1; shape [..., n_experts]."""
        return softmax(features @ self.gate)

    def concentrations(self, n_faded: Counts) -> Counts:
        """The Dirichlet-multinomial's concentration for so many faded events each."""
        return concentrations_of(self.concentration, n_faded)

    def expected_events(self, promised: float) -> int:
        """How many events a user is expected to do in the window if there is one at all, at least 1."""
        if self.horizon.events is not None:
            return self.horizon.events
        a, b = self.pace
        return int(np.clip(round(np.exp(a + b * np.log1p(promised))), 1, MOST_COUNTED))

    def as_json(self) -> dict[str, Any]:
        """Everything as JSON values."""
        return {
            "horizon": str(self.horizon),
            "experts": [
                {
                    "half_life": one.half_life and half_life_json(one.half_life),
                    "prior_strength": one.prior_strength,
                    "common": one.common,
                }
                for one in self.experts
            ],
            "gate": self.gate.tolist(),
            "concentration": list(self.concentration),
            "pace": list(self.pace),
            "scores": self.scores,
        }

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> HorizonModel:
        """The value that `as_json` described; RunError where something is missing."""
        try:
            experts = tuple(
                Expert(
                    one["half_life"] and half_life_from(one["half_life"]),
                    float(one["prior_strength"]),
                    float(one.get("common", 0.0)),
                )
                for one in document["experts"]
            )
            (a, b), (c, d) = document["concentration"], document["pace"]
            gate = np.array(document["gate"], np.float64).reshape(N_FEATURES, len(experts))
            return cls(
                Horizon.parse(document["horizon"]),
                experts,
                gate,
                (float(a), float(b)),
                (float(c), float(d)),
                {str(name): float(score) for name, score in document["scores"].items()},
            )
        except (KeyError, TypeError, ValueError) as error:
            raise RunError(f"expected a whole forecast model, got {error!r}; fit again") from error


@dataclass(frozen=True, eq=False)
class Forecast:
    """Shares of topics [n_topics] among the next `n_events` events; they sum to 1.

    Counts are Dirichlet-multinomial around them with `concentration`; `weights` says how much each expert had in it.
    """

    shares: Counts
    concentration: float
    n_events: int
    weights: dict[str, float]

    def interval(self, columns: NDArray[np.int64], level: float = 0.9) -> tuple[float, float, float]:
        """Share of a group of topics, and between which shares of the coming events it lies with chance `level`.

        Beta-binomial quantiles over the number of events expected: with one event a share can only be 0 or 1.
        """
        share = float(self.shares[columns].sum())
        if share <= 0 or share >= 1 - 1e-12:
            return share, share, share
        counts = betabinom(self.n_events, self.concentration * share, self.concentration * (1 - share))
        low, high = (float(counts.ppf(q)) / self.n_events for q in ((1 - level) / 2, (1 + level) / 2))
        return share, min(low, share), max(high, share)

    @cached_property
    def order(self) -> NDArray[np.int64]:
        """Topics from the largest share to the smallest."""
        return np.argsort(-self.shares, kind="stable")


def concentrations_of(parameters: tuple[float, float], n_faded: Counts) -> Counts:
    """`exp(a + b · ln(1 + n))`, kept between e⁻² and e¹²; shape of `n_faded`."""
    a, b = parameters
    return np.asarray(np.exp(np.clip(a + b * np.log1p(n_faded), -2, 12)), np.float64)
