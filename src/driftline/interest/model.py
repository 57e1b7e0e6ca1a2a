"""The interest model: topics, dynamics and forecasts of one dataset, fitted, saved and asked as one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from driftline.data.catalog import Catalog
from driftline.data.events import EventLog, Histories
from driftline.errors import RequestError, RunError
from driftline.interest.dynamics import Dynamics, span_days
from driftline.interest.experts import Expert, gate_features, history_age_days, idle_us, promised_events, scale_days
from driftline.interest.fitting import fit_dynamics
from driftline.interest.forecast import Forecast, HorizonModel
from driftline.interest.forecast_fitting import fit_horizon
from driftline.interest.horizons import Horizon
from driftline.interest.learned import find_topics
from driftline.interest.reading import Past, interests, rounded
from driftline.interest.state import Counts, Evidence
from driftline.interest.storage import read_part, write_part
from driftline.interest.topics import Topics
from driftline.types import format_time

HORIZONS = (Horizon(days=1.0), Horizon(days=7.0), Horizon(days=28.0), Horizon(events=20))
"""Horizons that are fitted, as far as the log is long enough; others are answered with the closest one's weights."""

SPAN_OF_HORIZON = 4.0
"""A log must be so many horizons long for one to be fitted."""

MOST_LISTED = 20
OTHER = "other"
DEFAULT_CONCENTRATION = (2.0, 0.3)


class Distributions(NamedTuple):
    """Forecasts of n histories: `shares` [n, n_topics], `concentration` [n] and `n_events` [n] as in `Forecast`.

    `weights` [n, n_experts] are those of `experts`; `fitted` names the fitted horizon that answered, if one did.
    """

    shares: Counts
    concentration: Counts
    n_events: NDArray[np.int64]
    weights: Counts
    experts: tuple[str, ...]
    fitted: str | None


@dataclass(frozen=True, eq=False)
class InterestModel:
    """What interests are in one dataset, how they move, and how they are forecast."""

    topics: Topics
    dynamics: Dynamics
    horizons: tuple[HorizonModel, ...] = ()

    def interests(self, log: EventLog, user_id: str, at_us: int) -> dict[str, Any]:
        """One user's interests at a moment, in the contract's shape; see `reading.interests`."""
        return interests(log, self.topics, self.dynamics, user_id, at_us)

    def forecast(self, log: EventLog, user_id: str, at_us: int, horizon: str) -> dict[str, Any]:
        """What a user will do within a horizon, in the contract's shape; shares sum to 1, the last one is `other`.

        `expected_events` is how many events the intervals are for, `weights` each expert's part in it, `fitted` the
        horizon whose weights were used. RequestError for a horizon in time where the data has an order alone.
        """
        past = Past.of(log, user_id, at_us)
        found, fitted = self.distribution(log, past, Horizon.parse(horizon))
        listed, rest = found.order[:MOST_LISTED], found.order[MOST_LISTED:]
        rows = [(self.topics.ids[topic], self.topics.names[topic], np.array([topic])) for topic in listed]
        name = OTHER if self.topics.column(OTHER) < 0 else "all other"
        topics = [_entry(id_, label, found, columns) for id_, label, columns in [*rows, (name, name, rest)]]
        return {
            "user_id": user_id,
            "at": format_time(at_us),
            "horizon": str(Horizon.parse(horizon)),
            "n_events": past.n_events,
            "expected_events": found.n_events,
            "topics": topics,
            "weights": {expert: rounded(weight) for expert, weight in found.weights.items()},
            "fitted": fitted,
        }

    def distribution(self, log: EventLog, past: Past, horizon: Horizon) -> tuple[Forecast, str | None]:
        """The forecast behind `forecast`, and the fitted horizon that it used (None: nothing could be fitted)."""
        found = self.distributions(log, past.asked, horizon)
        weights = {name: float(weight) for name, weight in zip(found.experts, found.weights[0], strict=True)}
        one = Forecast(found.shares[0], float(found.concentration[0]), int(found.n_events[0]), weights)
        return one, found.fitted

    def distributions(self, log: EventLog, asked: Histories, horizon: Horizon) -> Distributions:
        """The forecasts of many histories, each at its moment; of `log` only what is before that is read."""
        if self.dynamics.order_only and horizon.days is not None:
            raise RequestError(f"expected a horizon such as next-20 for data without times, got {horizon}")
        model, fitted = self._model_for(horizon)
        evidence = Evidence.of(asked, self.dynamics.ratings)
        main = model.experts[0].half_life or self.dynamics.half_life
        n_faded = _totals(evidence.counts(self.topics, main))
        prior = self.dynamics.priors(log, self.topics, asked.at_us)
        idle = idle_us(asked, order_only=self.dynamics.order_only)
        weights = model.weights(gate_features(n_faded, idle, scale_days(model.experts)))
        shares = np.zeros_like(prior)
        for place, expert in enumerate(model.experts):
            counts = evidence.counts(self.topics, expert.half_life or main)
            total = _totals(counts)[:, None]
            shares += weights[:, place, None] * expert.shares(counts.toarray(), total, prior)
        promised = promised_events(n_faded, model.experts, history_age_days(asked), horizon)
        return Distributions(
            shares / shares.sum(axis=1, keepdims=True),
            model.concentrations(n_faded),
            np.array([model.expected_events(float(one)) for one in promised]),
            weights,
            tuple(str(expert) for expert in model.experts),
            fitted,
        )

    def save(self, folder: Path) -> None:
        """Write topics, dynamics and forecasts into a folder, as JSON and NPZ; SaveError where that fails."""
        self.topics.save(folder)
        document = {"dynamics": self.dynamics.as_json(), "horizons": [one.as_json() for one in self.horizons]}
        write_part(folder, "interest", document, {"base_mix": self.dynamics.base_mix})

    @classmethod
    def load(cls, folder: Path) -> InterestModel:
        """Read what `save` wrote; RunError where it is damaged or from another version."""
        topics = Topics.load(folder)
        document, arrays = read_part(folder, "interest")
        try:
            dynamics = Dynamics.from_json(document["dynamics"], arrays["base_mix"])
            return cls(topics, dynamics, tuple(HorizonModel.from_json(one) for one in document["horizons"]))
        except (KeyError, TypeError) as error:
            raise RunError(f"expected a whole interest model in {folder}, got {error!r}; fit again") from error

    def _model_for(self, horizon: Horizon) -> tuple[HorizonModel, str | None]:
        """The fitted horizon that is closest, made to answer for this one; a plain one where none is fitted."""
        close = min(self.horizons, key=lambda one: one.horizon.distance(horizon), default=None)
        if close is None or not np.isfinite(close.horizon.distance(horizon)):
            return _plain(self.dynamics, horizon), None
        return replace(close, horizon=horizon), str(close.horizon)


def fit_interest_model(
    log: EventLog,
    catalog: Catalog,
    *,
    order_only: bool = False,
    previous: InterestModel | None = None,
    seed: int = 0,
) -> InterestModel:
    """Find topics, choose dynamics and fit forecasts, all on one log; names and ids of `previous` topics are kept.

    Works on any log, down to one event: what cannot be learned gets plain defaults.
    """
    events = log.positive
    topics = find_topics(events, catalog, previous=previous.topics if previous else None, seed=seed)
    dynamics = fit_dynamics(events, topics, order_only=order_only, seed=seed)
    asked = [one for one in HORIZONS if _can_fit(one, events, order_only=order_only)]
    fitted = [fit_horizon(events, topics, dynamics, one, seed=seed) for one in asked]
    return InterestModel(topics, dynamics, tuple(one for one in fitted if one is not None))


def _can_fit(horizon: Horizon, log: EventLog, *, order_only: bool) -> bool:
    if horizon.days is None:
        return True
    return not order_only and horizon.days * SPAN_OF_HORIZON <= span_days(log)


def _totals(counts: sparse.csr_matrix) -> Counts:
    return np.asarray(counts.sum(axis=1), np.float64).ravel()


def _plain(dynamics: Dynamics, horizon: Horizon) -> HorizonModel:
    """The state's own posterior mean as a forecast."""
    experts = (Expert(dynamics.half_life, dynamics.prior_strength),)
    return HorizonModel(horizon, experts, np.zeros((3, 1)), DEFAULT_CONCENTRATION, (0.0, 1.0), {})


def _entry(topic: str, name: str, found: Forecast, columns: np.ndarray[Any, np.dtype[np.int64]]) -> dict[str, Any]:
    share, low, high = found.interval(columns)
    return {"topic": topic, "name": name, "share": rounded(share), "low": rounded(low), "high": rounded(high)}
