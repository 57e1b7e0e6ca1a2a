"""Dynamics: how a state moves when no event comes, and what little-known users are thought to want."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from driftline.data.events import EventLog
from driftline.errors import RunError
from driftline.interest.evidence import RatingScale
from driftline.interest.mixes import global_mixes, whole_mix
from driftline.interest.state import Counts, HalfLife
from driftline.interest.topics import Topics
from driftline.types import US_PER_DAY, Times

DEFAULT_DAYS = 30.0
DEFAULT_EVENTS = 16.0
DEFAULT_PRIOR = 5.0
TREND_SPAN = 30.0
"""Days (events, where there are no times) over which a trend is stated."""
STRAYS = 0.001
"""The share of events that may lie far before the others and count for no length of the log."""
SHORT_OF_MAIN = 8.0
"""By how much short-term interest fades faster than the chosen half-life."""


@dataclass(frozen=True)
class Tried:
    """One half-life that was tried: its best prior strength, and the mean log score in nats (lower is better)."""

    half_life: HalfLife
    prior_strength: float
    log_score: float


@dataclass(frozen=True, eq=False)
class Dynamics:
    """How interests fade, and the prior.

    A user's interests at a moment are Dirichlet with parameters `evidence_worth · (s + prior_strength · g)`: s the
    pseudo-counts faded by `half_life`, g the mix of everybody, faded by `mix_half_life` (for data that has an order
    and no times: `base_mix` [n_topics], that of the whole log at fit). `evidence_worth` below 1 says that events come
    in bundles or that interests move on, so that n events are worth fewer. `span_days` is how long the fitted log is;
    `tried` records what the choice was made from.
    """

    half_life: HalfLife
    prior_strength: float
    evidence_worth: float
    mix_half_life: HalfLife
    base_mix: Counts
    ratings: RatingScale = field(default_factory=RatingScale)
    order_only: bool = False
    span_days: float = 0.0
    tried: tuple[Tried, ...] = ()

    @property
    def short(self) -> HalfLife:
        """The half-life of what is wanted just now."""
        if self.half_life.events is not None:
            return HalfLife(events=max(min(self.half_life.length, 64.0) / SHORT_OF_MAIN, 1.0))
        longest = max(self.span_days, 1.0)
        return HalfLife(days=min(self.half_life.length, longest) / SHORT_OF_MAIN)

    @property
    def trend(self) -> HalfLife:
        """The half-life within which a trend is looked for: the chosen one, at least what a trend is stated over."""
        longer = max(self.half_life.length, TREND_SPAN)
        return HalfLife(events=longer) if self.half_life.events is not None else HalfLife(days=longer)

    @property
    def long(self) -> HalfLife:
        """The half-life of lasting taste: the whole history counts."""
        return HalfLife(events=np.inf) if self.order_only else HalfLife(days=np.inf)

    def priors(self, log: EventLog, topics: Topics, at_us: Times) -> Counts:
        """The mix of everybody at each moment; shape [n_moments, n_topics]."""
        if self.order_only:
            return np.broadcast_to(self.base_mix, (len(at_us), len(topics))).copy()
        return global_mixes(log, topics, at_us, self.mix_half_life)

    def posterior(self, counts: Counts, prior: Counts) -> Counts:
        """Dirichlet parameters from faded pseudo-counts; both [..., n_topics]."""
        return np.asarray(self.evidence_worth * (counts + self.prior_strength * prior), np.float64)

    def as_json(self) -> dict[str, Any]:
        """Everything but the array, as JSON values (an infinite half-life is null in both units)."""
        return {
            "half_life": half_life_json(self.half_life),
            "prior_strength": self.prior_strength,
            "evidence_worth": self.evidence_worth,
            "mix_half_life": half_life_json(self.mix_half_life),
            "ratings": asdict(self.ratings),
            "order_only": self.order_only,
            "span_days": self.span_days,
            "tried": [
                {
                    "half_life": half_life_json(one.half_life),
                    "prior_strength": one.prior_strength,
                    "log_score": one.log_score,
                }
                for one in self.tried
            ],
        }

    @classmethod
    def from_json(cls, document: dict[str, Any], base_mix: Counts) -> Dynamics:
        """The value that `as_json` described; RunError where something is missing."""
        try:
            tried = tuple(
                Tried(half_life_from(one["half_life"]), float(one["prior_strength"]), float(one["log_score"]))
                for one in document["tried"]
            )
            return cls(
                half_life_from(document["half_life"]),
                float(document["prior_strength"]),
                float(document["evidence_worth"]),
                half_life_from(document["mix_half_life"]),
                base_mix,
                RatingScale(**document["ratings"]),
                bool(document["order_only"]),
                float(document["span_days"]),
                tried,
            )
        except (KeyError, TypeError, ValueError) as error:
            raise RunError(f"expected whole dynamics, got {error!r}; fit again") from error


def default_dynamics(log: EventLog, topics: Topics, *, order_only: bool = False) -> Dynamics:
    """Dynamics for a log from which nothing can be chosen."""
    half_life = HalfLife(events=DEFAULT_EVENTS) if order_only else HalfLife(days=DEFAULT_DAYS)
    return Dynamics(
        half_life,
        DEFAULT_PRIOR,
        1.0,
        HalfLife(days=np.inf),
        whole_mix(log, topics),
        RatingScale.fit(log.positive),
        order_only,
        span_days(log),
    )


def span_days(log: EventLog) -> float:
    """Days between the first and the last event, but for a few that lie far back; 0 for none."""
    return (log.last_us - bulk_start_us(log)) / US_PER_DAY if len(log) else 0.0


def bulk_start_us(log: EventLog) -> int:
    """When a log begins but for one event in a thousand: a single wrong date makes no decades of history."""
    return int(np.quantile(log.time_us, STRAYS, method="lower")) if len(log) else 0


def half_life_json(half_life: HalfLife) -> dict[str, float | None]:
    """`{"days": 7.0}` or `{"events": 16.0}`; null for never.

    >>> half_life_json(HalfLife(days=np.inf))
    {'days': None}
    """
    unit = "days" if half_life.days is not None else "events"
    return {unit: half_life.length if np.isfinite(half_life.length) else None}


def half_life_from(document: dict[str, float | None]) -> HalfLife:
    """The half-life that `half_life_json` wrote."""
    ((unit, length),) = document.items()
    return HalfLife(**{unit: np.inf if length is None else float(length)})
