"""The interest model: topics, dynamics and forecasts of one dataset, fitted, saved and asked as one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from driftline.data.catalog import Catalog
from driftline.data.events import EventLog, Histories
from driftline.errors import RequestError, RunError
from driftline.interest.change import ChangeModel
from driftline.interest.change_fitting import fit_change
from driftline.interest.dynamics import Dynamics, span_days
from driftline.interest.evidence import event_weights
from driftline.interest.experts import N_FEATURES, Expert, vector_half_lives
from driftline.interest.fitting import fit_dynamics
from driftline.interest.forecast import Forecast, HorizonModel
from driftline.interest.forecast_fitting import Halves, fit_horizon
from driftline.interest.horizons import Horizon
from driftline.interest.learned import find_topics
from driftline.interest.live import Outlook, scales_of
from driftline.interest.notes import forecast_notes, led_by
from driftline.interest.pool import Pool
from driftline.interest.population import population
from driftline.interest.reading import Past, interests, rounded
from driftline.interest.signals import MOST_GROUPS, Signals, promises, within_groups
from driftline.interest.space import Space
from driftline.interest.spread import Spread
from driftline.interest.state import Counts, Scales
from driftline.interest.storage import read_part, write_part
from driftline.interest.topics import Topics
from driftline.interest.turn import change_of
from driftline.types import format_time

HORIZONS = (Horizon(days=1.0), Horizon(days=7.0), Horizon(days=28.0), Horizon(events=20))
"""Horizons that are fitted, as far as the log is long enough; others are answered with the closest one's weights."""

SPAN_OF_HORIZON = 4.0
"""A log must be so many horizons long for one to be fitted."""

MOST_LISTED = 20
OTHER = "other"


class Distributions(NamedTuple):
    """Forecasts of n histories: `shares` [n, n_topics], `n_known` [n] and `n_events` [n] as in `Forecast`.

    `weights` [n, n_parts] are those of `parts`; `fitted` names the fitted horizon that answered, if one did.
    """

    shares: Counts
    spread: Spread
    n_known: Counts
    n_events: NDArray[np.int64]
    weights: Counts
    parts: tuple[str, ...]
    fitted: str | None

    @property
    def concentration(self) -> Counts:
        """The concentration around each share; [n, n_topics]."""
        return self.spread.at(self.n_known[:, None], self.shares)


@dataclass(frozen=True, eq=False)
class InterestModel:
    """What interests are in one dataset, how they move, when they have changed, and how they are forecast.

    `change` is None in what was fitted before changes were told.
    """

    topics: Topics
    dynamics: Dynamics
    space: Space = field(default_factory=Space.empty)
    horizons: tuple[HorizonModel, ...] = ()
    change: ChangeModel | None = None

    def interests(self, log: EventLog, user_id: str, at_us: int, *, catalog: Catalog | None = None) -> dict[str, Any]:
        """One user's interests at a moment, in the contract's shape; see `reading.interests` and `turn.change_of`.

        With a `catalog` the sentence about a change has titles in it, else ids.
        """
        told = interests(log, self.topics, self.dynamics, user_id, at_us)
        return {**told, "change": self._change(Past.of(log, user_id, at_us), catalog)}

    def population(self, log: EventLog, at_us: int, *, window_us: int | None = None) -> dict[str, Any]:
        """Which topics rise and fall and between which people move; see `population.population`."""
        return population(log, self.topics, at_us, window_us=window_us, order_only=self.dynamics.order_only)

    def change_scores(self, asked: Histories) -> Counts:
        """How much each history's recent part departs from the rest, in nats; NaN where too little is known; shape [n].

        The log of `asked` holds positive events. NaN for all in what was fitted before changes were told.
        """
        if self.change is None:
            return np.full(len(asked), np.nan)
        return self.change.scores(asked, self.topics, event_weights(asked.log, self.dynamics.ratings))

    def forecast(self, log: EventLog, user_id: str, at_us: int, horizon: str) -> dict[str, Any]:
        """What a user will do within a horizon, in the contract's shape; shares sum to 1, the last one is `other`.

        `expected_events` is how many events the intervals are for, `weights` each expert's part in it, `fitted` the
        horizon whose weights were used, `led_by` whose mix the forecast is closer to, `notes` what else a reader has to
        know, in sentences. RequestError for a horizon in time where the data has an order alone.
        """
        past, asked = Past.of(log, user_id, at_us), Horizon.parse(horizon)
        found, fitted = self.distribution(log, past, asked)
        prior = self.dynamics.priors(log, self.topics, np.array([at_us], np.int64))[0]
        led = led_by(found.shares, past.counts(self.topics, self.dynamics, self.dynamics.half_life), prior)
        listed, rest = found.order[:MOST_LISTED], found.order[MOST_LISTED:]
        rows = [(self.topics.ids[topic], self.topics.names[topic], np.array([topic])) for topic in listed]
        name = OTHER if self.topics.column(OTHER) < 0 else "all other"
        topics = [_entry(id_, label, found, columns) for id_, label, columns in [*rows, (name, name, rest)]]
        return {
            "user_id": user_id,
            "at": format_time(at_us),
            "horizon": str(asked),
            "n_events": past.n_events,
            "expected_events": found.n_events,
            "topics": topics,
            "weights": {expert: rounded(weight) for expert, weight in found.weights.items()},
            "fitted": fitted,
            "led_by": led,
            "notes": forecast_notes(log, at_us, asked, past.n_events, led),
        }

    def distribution(self, log: EventLog, past: Past, horizon: Horizon) -> tuple[Forecast, str | None]:
        """The forecast behind `forecast`, and the fitted horizon that it used (None: nothing could be fitted)."""
        found = self.distributions(log, past.asked, horizon)
        weights = {name: float(weight) for name, weight in zip(found.parts, found.weights[0], strict=True)}
        one = Forecast(found.shares[0], found.spread, float(found.n_known[0]), int(found.n_events[0]), weights)
        return one, found.fitted

    def distributions(self, log: EventLog, asked: Histories, horizon: Horizon) -> Distributions:
        """The forecasts of many histories, each at its moment; of `log` only what is before that is read."""
        self._check(horizon)
        model, fitted = self._model_for(horizon)
        signals = Signals(log, self.topics, self.dynamics, self.space, asked)
        known = signals.known(model.experts, model.vectors)
        grouped = model.pool.shares(known)
        shares = within_groups(grouped, signals.groups, self._leading(signals, model.lead))
        promised = promises(signals, model.experts, horizon)
        return Distributions(
            shares / shares.sum(axis=1, keepdims=True),
            model.spread,
            signals.n_known,
            np.array([model.expected_events(float(one)) for one in promised]),
            model.pool.parts(known, grouped),
            model.parts,
            fitted,
        )

    @cached_property
    def scales(self) -> Scales:
        """What the state of a user is made with, so that forecasts can be read off it: see `live.scales_of`."""
        models = self.horizons or (_plain(self.dynamics, self.space, len(self.topics), Horizon(events=1)),)
        return scales_of(self.topics, self.space, self.dynamics, models)

    def outlook(self, log: EventLog, at_us: int, horizon: Horizon) -> Outlook:
        """What all forecasts of one moment and horizon share; of `log` only what is before the moment is read.

        Its forecasts are those of `distributions`, read off states made with `scales`. RequestError for a horizon whose
        like was not fitted.
        """
        self._check(horizon)
        model, _ = self._model_for(horizon)
        return Outlook.of(log, self.topics, self.dynamics, self.space, model, self.scales, at_us)

    def _leading(self, signals: Signals, lead: Expert) -> Counts:
        """What the leading expert says of every topic; [n, n_topics]."""
        if lead.half_life is None:
            return signals.prior
        counts = np.asarray(signals.evidence.counts(self.topics, lead.half_life).toarray(), np.float64)
        return lead.shares(counts, counts.sum(axis=1, keepdims=True), signals.prior)

    def save(self, folder: Path) -> None:
        """Write topics, dynamics and forecasts into a folder, as JSON and NPZ; SaveError where that fails."""
        self.topics.save(folder)
        document = {"dynamics": self.dynamics.as_json(), "horizons": [one.as_json() for one in self.horizons]}
        arrays: dict[str, NDArray[Any]] = {"base_mix": self.dynamics.base_mix, "space": self.space.items}
        for place, one in enumerate(self.horizons):
            arrays |= {f"{name}_{place}": array for name, array in asdict(one.pool).items()}
        if self.change is not None:
            document["change"] = self.change.as_json()
            arrays |= self.change.arrays
        write_part(folder, "interest", document, arrays)

    @classmethod
    def load(cls, folder: Path) -> InterestModel:
        """Read what `save` wrote; RunError where it is damaged or from another version."""
        topics = Topics.load(folder)
        document, arrays = read_part(folder, "interest")
        try:
            dynamics = Dynamics.from_json(document["dynamics"], arrays["base_mix"])
            pools = [
                Pool(*(arrays[f"{part.name}_{place}"] for part in fields(Pool)))
                for place in range(len(document["horizons"]))
            ]
            fitted = [HorizonModel.from_json(one, pool) for one, pool in zip(document["horizons"], pools, strict=True)]
            has = "change" in document
            change = ChangeModel.from_json(document["change"], arrays) if has else None
            return cls(topics, dynamics, Space(arrays["space"]), tuple(fitted), change)
        except (KeyError, TypeError) as error:
            raise RunError(f"expected a whole interest model in {folder}, got {error!r}; fit again") from error

    def _change(self, past: Past, catalog: Catalog | None) -> dict[str, Any]:
        order_only, weights = self.dynamics.order_only, event_weights(past.log, self.dynamics.ratings)
        label = str if catalog is None else lambda item: catalog.label(catalog.items.row(item)).strip()
        return change_of(past, self.topics, self.change, weights, order_only=order_only, label=label)

    def _check(self, horizon: Horizon) -> None:
        if self.dynamics.order_only and horizon.days is not None:
            raise RequestError(f"expected a horizon such as next-20 for data without times, got {horizon}")

    def _model_for(self, horizon: Horizon) -> tuple[HorizonModel, str | None]:
        """The fitted horizon that is closest, made to answer for this one; a plain one where none is fitted."""
        close = min(self.horizons, key=lambda one: one.horizon.distance(horizon), default=None)
        if close is None or not np.isfinite(close.horizon.distance(horizon)):
            return _plain(self.dynamics, self.space, len(self.topics), horizon), None
        return replace(close, horizon=horizon), str(close.horizon)


def fit_interest_model(
    log: EventLog,
    catalog: Catalog,
    *,
    order_only: bool = False,
    previous: Topics | None = None,
    seed: int = 0,
) -> InterestModel:
    """Find topics, choose dynamics and fit forecasts, all on one log; names and ids of `previous` topics are kept.

    Works on any log, down to one event: what cannot be learned gets plain defaults.
    """
    events = log.positive
    topics = find_topics(events, catalog, previous=previous, seed=seed)
    dynamics = fit_dynamics(events, topics, order_only=order_only, seed=seed)
    halves = Halves.of(events, seed=seed)
    fitted = fit_horizons(events, topics, dynamics, HORIZONS, halves=halves, seed=seed)
    change = fit_change(events, topics, dynamics, seed=seed)
    return InterestModel(topics, dynamics, halves.whole, fitted, change)


def fit_horizons(
    events: EventLog,
    topics: Topics,
    dynamics: Dynamics,
    horizons: Sequence[Horizon],
    *,
    halves: Halves | None = None,
    blind: bool = False,
    seed: int = 0,
) -> tuple[HorizonModel, ...]:
    """Fit those horizons that the log is long enough for; `events` are positive, `blind` is as in `fit_horizon`."""
    asked = [one for one in horizons if _can_fit(one, events, order_only=dynamics.order_only)]
    halves = halves or Halves.of(events, seed=seed)
    fitted = [fit_horizon(events, topics, dynamics, one, halves=halves, blind=blind, seed=seed) for one in asked]
    return tuple(one for one in fitted if one is not None)


def _can_fit(horizon: Horizon, log: EventLog, *, order_only: bool) -> bool:
    if horizon.days is None:
        return True
    return not order_only and horizon.days * SPAN_OF_HORIZON <= span_days(log)


def _plain(dynamics: Dynamics, space: Space, n_topics: int, horizon: Horizon) -> HorizonModel:
    """The state's own posterior mean as a forecast."""
    experts = (Expert(dynamics.half_life, dynamics.prior_strength),)
    vectors = vector_half_lives((dynamics.long,))
    n_groups = min(n_topics, MOST_GROUPS)
    gate = np.zeros((N_FEATURES, 1 + len(vectors)))
    gate[0, 0] = 1.0
    n_residual = len(vectors) * (n_groups + space.dim)
    pool = Pool(gate, np.zeros((n_residual, n_groups)), np.zeros(n_groups))
    return HorizonModel(horizon, experts, vectors, 0, pool, Spread(), (0.0, 1.0), {})


def _entry(topic: str, name: str, found: Forecast, columns: np.ndarray[Any, np.dtype[np.int64]]) -> dict[str, Any]:
    share, low, high = found.interval(columns)
    return {"topic": topic, "name": name, "share": rounded(share), "low": rounded(low), "high": rounded(high)}
