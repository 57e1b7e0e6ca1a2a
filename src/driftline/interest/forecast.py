"""Forecasts: the distribution over topics of what a user will do within a horizon, with intervals.

What is pooled are the user's mix at several half-lives, each drawn toward everybody's, everybody's own mixes, and the
vectors of the interest state (`signals`, `pool`). Counts in a window are beta-binomial around the pooled share, with a
concentration that follows how much is known of the user and how large the share is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import betabinom

from driftline.errors import RunError
from driftline.interest.dynamics import half_life_from, half_life_json
from driftline.interest.experts import Expert
from driftline.interest.horizons import Horizon
from driftline.interest.pool import Pool
from driftline.interest.spread import Spread
from driftline.interest.state import Counts, HalfLife

MOST_COUNTED = 100_000


@dataclass(frozen=True, eq=False)
class HorizonModel:
    """What was learned for one horizon.

    `experts` and `vectors` (half-lives) are what `pool` weighs; `leading` is the expert that stands for the user where
    one must: within a group of rare topics. `pace` (a, b): a user whose recent rate promises r events does
    `exp(a + b · ln(1 + r))` in the window. `scores` are mean log scores of the pool and of each expert alone on what
    they were fitted on; empty where there was nothing to fit. `held_back` says by how much the pool beat the leading
    expert, in nats, on users and moments that it was not fitted on.
    """

    horizon: Horizon
    experts: tuple[Expert, ...]
    vectors: tuple[HalfLife, ...]
    leading: int
    pool: Pool
    spread: Spread
    pace: tuple[float, float]
    scores: Mapping[str, float]
    held_back: float = 0.0

    @property
    def lead(self) -> Expert:
        """The leading expert."""
        return self.experts[self.leading]

    @property
    def parts(self) -> tuple[str, ...]:
        """What the parts of the pool are called: experts, vectors, and the residual."""
        return (*(str(one) for one in self.experts), *(f"vector, {one}" for one in self.vectors), "residual")

    def expected_events(self, promised: float) -> int:
        """How many events a user is expected to do in the window if there is one at all, at least 1."""
        return int(self.events_of_many(np.array([promised]))[0])

    def events_of_many(self, promised: Counts) -> NDArray[np.int64]:
        """The same for many users; [n]."""
        if self.horizon.events is not None:
            return np.full(len(promised), self.horizon.events, np.int64)
        a, b = self.pace
        return np.clip(np.rint(np.exp(a + b * np.log1p(promised))), 1, MOST_COUNTED).astype(np.int64)

    def as_json(self) -> dict[str, Any]:
        """Everything but the arrays of the pool, as JSON values."""
        return {
            "horizon": str(self.horizon),
            "experts": [
                {
                    "half_life": one.half_life and half_life_json(one.half_life),
                    "prior_strength": one.prior_strength,
                    "common": one.common,
                    "everybody": one.everybody and half_life_json(one.everybody),
                }
                for one in self.experts
            ],
            "vectors": [half_life_json(one) for one in self.vectors],
            "leading": self.leading,
            "spread": list(self.spread),
            "pace": list(self.pace),
            "scores": dict(self.scores),
            "held_back": self.held_back,
        }

    @classmethod
    def from_json(cls, document: dict[str, Any], pool: Pool) -> HorizonModel:
        """The value that `as_json` described; RunError where something is missing."""
        try:
            experts = tuple(
                Expert(
                    one["half_life"] and half_life_from(one["half_life"]),
                    float(one["prior_strength"]),
                    float(one["common"]),
                    one["everybody"] and half_life_from(one["everybody"]),
                )
                for one in document["experts"]
            )
            vectors = tuple(half_life_from(one) for one in document["vectors"])
            leading, (a, b) = int(document["leading"]), document["pace"]
            if pool.gate.shape[1] != len(experts) + len(vectors) or not 0 <= leading < len(experts):
                raise ValueError("weights of another pool")
            return cls(
                Horizon.parse(document["horizon"]),
                experts,
                vectors,
                leading,
                pool,
                Spread(*(float(one) for one in document["spread"])),
                (float(a), float(b)),
                {str(name): float(score) for name, score in document["scores"].items()},
                float(document["held_back"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise RunError(f"expected a whole forecast model, got {error!r}; fit again") from error


@dataclass(frozen=True, eq=False)
class Forecast:
    """Shares of topics [n_topics] among the next `n_events` events; they sum to 1.

    Counts are beta-binomial around them with `spread` at `n_known` events read; `weights` says how much each part of
    the pool had in it.
    """

    shares: Counts
    spread: Spread
    n_known: float
    n_events: int
    weights: Mapping[str, float]

    def interval(self, columns: NDArray[np.int64], level: float = 0.9) -> tuple[float, float, float]:
        """Share of a group of topics, and between which shares of the coming events it lies with chance `level`.

        Beta-binomial quantiles over the number of events expected: with one event a share can only be 0 or 1.
        """
        share = float(self.shares[columns].sum())
        if share <= 0 or share >= 1 - 1e-12:
            return share, share, share
        concentration = float(self.spread.at(self.n_known, share))
        counts = betabinom(self.n_events, concentration * share, concentration * (1 - share))
        low, high = (float(counts.ppf(q)) / self.n_events for q in ((1 - level) / 2, (1 + level) / 2))
        return share, min(low, share), max(high, share)

    @cached_property
    def order(self) -> NDArray[np.int64]:
        """Topics from the largest share to the smallest."""
        return np.argsort(-self.shares, kind="stable")
