"""Evaluate forecasts of interests: what users did after rolling origins, against every baseline.

In time: everything is learned before the last fifth of the span and asked at origins inside it, one per length of the
horizon. In events: everything is learned from one half of the users, whenever they were, and asked of the other, after
every n events. What a forecast reads of a user, and of everybody's mix, is from before its origin.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from driftline.data.dataset import Dataset
from driftline.data.events import EventLog
from driftline.data.split import user_halves
from driftline.errors import NotEnoughDataError, RequestError
from driftline.evaluation.coverage import Coverage, coverage_of, coverages_json, inside
from driftline.interest.baselines import NAMES, View, fit_baselines
from driftline.interest.dynamics import bulk_start_us
from driftline.interest.fitting import Questions
from driftline.interest.horizons import Horizon, ask, ask_at, ask_next
from driftline.interest.model import InterestModel, fit_horizons, fit_interest_model
from driftline.interest.spread import Spread
from driftline.interest.state import Counts
from driftline.metrics.bootstrap import Estimate, estimates, resampled_means
from driftline.metrics.distributions import (
    brier_score,
    js_divergence,
    log_score,
    shares_of,
    topic_ndcg,
)
from driftline.types import US_PER_DAY, format_time

DRIFTLINE = "driftline"
BLIND = "order-blind"
"""The same forecast from how often things were had and not from when: what it loses is what order is worth."""

ASKED_SHARE = 0.2
"""The last part of the time span, in which the origins lie."""

MOST_ORIGINS = 12
LEAST_USERS = 100
"""With fewer users a skill is not measurable: its interval would be wider than any skill."""

LEAST_PAIRS = 2_000
"""With fewer pairs of user and topic coverage is not judged."""

METRICS = ("log_score", "brier", "js", "ndcg@10")


@dataclass(frozen=True, eq=False)
class ForecastEvaluation:
    """What one horizon's evaluation found; `as_json` is the contract's shape.

    `models[name]` has METRICS, "coverage@90" and "skill"; `skill` is 1 - L / L(`best`), `best` the baseline of least
    log score. `versus[a][b]` is a - b, paired over users. `weights` is each part's mean share in the pool;
    `by_origin` is the skill at each moment of asking.
    """

    data: Mapping[str, Any]
    horizon: Horizon
    origins: int
    users: int
    windows: int
    pairs: Mapping[str, int]
    models: Mapping[str, Mapping[str, Estimate]]
    versus: Mapping[str, Mapping[str, Mapping[str, Estimate]]]
    best: str
    weights: Mapping[str, float]
    coverage: Mapping[str, Coverage]
    by_origin: Sequence[OriginSkill]
    seed: int
    seconds: float

    def as_json(self) -> dict[str, Any]:
        """One document in the contract's shape."""
        return {
            "data": dict(self.data),
            "protocol": "rolling-origin" if self.horizon.days is not None else "other-users",
            "task": "forecast",
            "horizon": str(self.horizon),
            "seeds": [self.seed],
            "seconds": self.seconds,
            "origins": self.origins,
            "users": self.users,
            "windows": self.windows,
            "pairs": dict(self.pairs),
            "best_baseline": self.best,
            "weights": dict(self.weights),
            "coverage": coverages_json(self.coverage),
            "by_origin": [one.as_json() for one in self.by_origin],
            "models": _json(self.models),
            "versus": {name: _json(others) for name, others in self.versus.items()},
        }


def evaluate_forecast(dataset: Dataset, horizon: Horizon, *, seed: int = 0) -> ForecastEvaluation:
    """Forecast and score one horizon; NotEnoughDataError under LEAST_USERS users that can be asked.

    RequestError for a horizon in time where the data has an order alone.
    """
    if horizon.days is not None and dataset.order_only:
        raise RequestError(f"expected a horizon such as next-20 for data without times, got {horizon}")
    began = time.perf_counter()
    log = dataset.log.positive
    learned, model = _learned(dataset, log, horizon, seed)
    fitted = View.of(log, model.topics, model.dynamics, ask(learned, model.topics, horizon, seed=seed))
    asked = _asked(log, model, horizon, seed)
    n_users = len(np.unique(asked.histories.user_row[asked.query]))
    if n_users < LEAST_USERS or not len(fitted.asked.query):
        raise NotEnoughDataError(
            f"expected at least {LEAST_USERS} users with events before and after an origin to measure a forecast of"
            f" {horizon}, got {n_users}; take a shorter horizon or bring more events"
        )
    view = View.of(log, model.topics, model.dynamics, asked)
    baselines = fit_baselines(learned, fitted, horizon, order_only=dataset.order_only)
    forecasts = {name: foretold(one.shares(view), one.spread, view.n_known) for name, one in baselines.items()}
    own = model.distributions(log, asked.histories, horizon)
    forecasts[DRIFTLINE] = foretold(own.shares, own.spread, own.n_known)
    twin = _blind(model, learned, horizon, seed).distributions(log, asked.histories, horizon)
    forecasts[BLIND] = foretold(twin.shares, twin.spread, twin.n_known)
    scored = Scored(forecasts, asked, len(model.topics), seed)
    return ForecastEvaluation(
        data={
            "name": dataset.name,
            "users": log.n_users,
            "items": log.n_items,
            "events": len(log),
            "topics": len(model.topics),
            "learned_events": len(learned),
            "cutoff": format_time(learned.last_us + 1) if horizon.days is not None else None,
        },
        horizon=horizon,
        origins=len(np.unique(asked.histories.at_us)) if horizon.days is not None else 0,
        users=n_users,
        windows=int(np.count_nonzero(asked.totals)),
        pairs=scored.pairs,
        models=scored.models,
        versus=scored.versus,
        best=scored.best,
        coverage=scored.coverage,
        by_origin=scored.by_origin(asked) if horizon.days is not None else (),
        weights={name: float(one) for name, one in zip(own.parts, own.weights.mean(axis=0), strict=True)},
        seed=seed,
        seconds=time.perf_counter() - began,
    )


def _learned(dataset: Dataset, log: EventLog, horizon: Horizon, seed: int) -> tuple[EventLog, InterestModel]:
    """The part of the log that is learned from, and what is learned."""
    if horizon.days is not None:
        learned = log.before(_cut(log))
    else:
        learned = log.select(user_halves(log.users, seed=seed)[log.user_row])
    if not len(learned):
        raise NotEnoughDataError(f"expected events to learn a forecast of {dataset.name} from, got none")
    model = fit_interest_model(learned, dataset.catalog, order_only=dataset.order_only, seed=seed)
    return learned, model


def _blind(model: InterestModel, learned: EventLog, horizon: Horizon, seed: int) -> InterestModel:
    """The twin of a model that does not know in which order things were had."""
    return replace(
        model, horizons=fit_horizons(learned, model.topics, model.dynamics, (horizon,), blind=True, seed=seed)
    )


def _asked(log: EventLog, model: InterestModel, horizon: Horizon, seed: int) -> Questions:
    if horizon.days is None:
        users = np.flatnonzero(~user_halves(log.users, seed=seed)).astype(np.int32)
        return ask_next(log, model.topics, horizon.events or 1, users, seed=seed)
    length = round(horizon.days * US_PER_DAY)
    origins = np.arange(_cut(log), log.last_us + 2 - length, length, dtype=np.int64)
    few = np.unique(np.linspace(0, len(origins) - 1, MOST_ORIGINS).astype(np.int64)) if len(origins) else origins
    return ask_at(log, model.topics, origins[few], length, seed=seed)


def _cut(log: EventLog) -> int:
    """The first origin."""
    return log.last_us + 1 - round(ASKED_SHARE * (log.last_us + 1 - bulk_start_us(log))) if len(log) else 0


def foretold(shares: Counts, spread: Spread, n_known: Counts) -> tuple[Counts, Counts]:
    """Shares, and the concentration around each; both [n, n_topics]."""
    return shares, spread.at(n_known[:, None], shares)


class OriginSkill(NamedTuple):
    """What a forecast was worth at one origin, and how many users were asked there."""

    at_us: int
    users: int
    skill: Estimate

    def as_json(self) -> dict[str, Any]:
        """As JSON values."""
        return {"at": format_time(self.at_us), "users": self.users, "skill": self.skill.as_json()}


class Scored:
    """All figures of some forecasts, paired over users."""

    def __init__(self, forecasts: Mapping[str, tuple[Counts, Counts]], asked: Questions, n_topics: int, seed: int):
        came = np.zeros((len(asked.histories), n_topics))
        came[asked.query, asked.topic] = asked.count
        there = came.sum(axis=1) > 0
        came, self._user = came[there], np.unique(asked.histories.user_row[there], return_inverse=True)[1]
        self._there, self._events, self._losses = there, came.sum(axis=1), {}
        known = asked.histories.lengths[there].astype(np.float64)
        columns, covered, pairs, self.coverage = {}, {}, {}, {}
        for name, (every, around) in forecasts.items():
            shares, concentration = every[there], around[there]
            self._losses[name] = log_score(shares, came)
            columns[name] = self._by_user(shares, came, self._losses[name])
            window, hit = inside(shares, came, concentration, seed)
            pairs[name], covered[name] = len(hit), self._covered(window, hit)
            self.coverage[name] = coverage_of(shares, came, concentration, known, seed)
        self.pairs = pairs
        losses = {name: float(np.mean(one[:, 0])) for name, one in columns.items() if name in NAMES}
        self.best = min(losses, key=lambda name: losses[name])
        self.models, self.versus = _figures(columns, covered, self.best)

    def by_origin(self, asked: Questions) -> tuple[OriginSkill, ...]:
        """The skill of Driftline's forecast at each moment at which all are asked, with its interval over users."""
        at = asked.histories.at_us[self._there]
        found = []
        for moment in np.unique(at):
            pair = np.stack([self._losses[name][at == moment] for name in (DRIFTLINE, self.best)], axis=1)
            mean, drawn = pair.mean(axis=0), resampled_means(pair)
            (skill,) = estimates(np.array([1 - mean[0] / mean[1]]), 1 - drawn[:, :1] / drawn[:, 1:])
            found.append(OriginSkill(int(moment), len(pair), skill))
        return tuple(found)

    def _by_user(self, shares: Counts, came: Counts, losses: Counts) -> Counts:
        """METRICS of each user: nats per event over all of them, the others as means over windows."""
        n = self._user.max() + 1
        events, windows = np.bincount(self._user, self._events, minlength=n), np.bincount(self._user, minlength=n)
        nats = np.bincount(self._user, losses * self._events, minlength=n) / events
        by_window = (
            brier_score(shares, came),
            js_divergence(shares, shares_of(came)),
            topic_ndcg(shares, came),
        )
        others = [np.bincount(self._user, one, minlength=n) / windows for one in by_window]
        return np.stack([nats, *others], axis=1)

    def _covered(self, window: NDArray[np.int64], hit: Counts) -> Counts:
        """Of each user how many pairs lie inside the interval, and how many there are; [n_users, 2]."""
        user, n = self._user[window], self._user.max() + 1
        return np.stack([np.bincount(user, hit, minlength=n), np.bincount(user, minlength=n)], axis=1)


def _figures(
    columns: Mapping[str, Counts], covered: Mapping[str, Counts], best: str
) -> tuple[dict[str, dict[str, Estimate]], dict[str, dict[str, dict[str, Estimate]]]]:
    """Every model's metrics, coverage and skill, and the differences of metrics; all resampled with the same users."""
    names, k = list(columns), len(METRICS)
    joined = np.concatenate([*columns.values(), *covered.values()], axis=1)
    mean, drawn = joined.mean(axis=0), resampled_means(joined)
    at = {name: slice(place * k, (place + 1) * k) for place, name in enumerate(names)}
    first = k * len(names)
    models: dict[str, dict[str, Estimate]] = {}
    for place, name in enumerate(names):
        own = dict(zip(METRICS, estimates(mean[at[name]], drawn[:, at[name]]), strict=True))
        hit, n = first + 2 * place, first + 2 * place + 1
        base = at[best].start
        ratios = np.array([mean[hit] / max(mean[n], 1e-12), 1 - mean[at[name].start] / mean[base]])
        resampled = np.stack(
            [drawn[:, hit] / np.maximum(drawn[:, n], 1e-12), 1 - drawn[:, at[name].start] / drawn[:, base]], axis=1
        )
        own |= dict(zip(("coverage@90", "skill"), estimates(ratios, resampled), strict=True))
        models[name] = own
    versus = {
        a: {
            b: dict(zip(METRICS, estimates(mean[at[a]] - mean[at[b]], drawn[:, at[a]] - drawn[:, at[b]]), strict=True))
            for b in names
            if b != a
        }
        for a in names
    }
    return models, versus


def _json(figures: Mapping[str, Mapping[str, Estimate]]) -> dict[str, Any]:
    return {name: {key: one.as_json() for key, one in own.items()} for name, own in figures.items()}
