"""Score forecasts that were written before the time that they speak of, on what really came in it.

Beside them stand the same baselines as in any evaluation of forecasts, made of what the dataset holds from before the
moment of the forecast: chosen at origins before it, and asked at it.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse

from driftline.data.dataset import Dataset
from driftline.data.events import EventLog, histories
from driftline.errors import NotEnoughDataError, RequestError, UnknownUserError
from driftline.evaluation.forecast_files import WrittenForecasts
from driftline.evaluation.forecasting import DRIFTLINE, ForecastEvaluation, Scored, foretold
from driftline.interest.baselines import View, fit_baselines
from driftline.interest.fitting import Questions, fit_dynamics, questions
from driftline.interest.horizons import Horizon, ask
from driftline.interest.topics import Topics
from driftline.types import US_PER_DAY, Rows, format_time

PROTOCOL = "written-before"


@dataclass(frozen=True, eq=False)
class WrittenEvaluation:
    """The figures of a file of forecasts, and what it says of itself; `share_without` of the events had no topic."""

    figures: ForecastEvaluation
    forecasts: WrittenForecasts
    share_without: float

    @property
    def hindsight(self) -> bool:
        """Whether the model had seen events from after the moment of the forecast."""
        return bool(self.forecasts.model["hindsight"])

    def as_json(self) -> dict[str, Any]:
        """As `ForecastEvaluation.as_json`, with `forecasts`, what was scored."""
        about = self.forecasts.as_json() | {"without_topic": round(self.share_without, 6)}
        return self.figures.as_json() | {"protocol": PROTOCOL, "forecasts": about}


def evaluate_written(dataset: Dataset, forecasts: WrittenForecasts, *, seed: int = 0) -> WrittenEvaluation:
    """Score a file of forecasts on the events of `dataset`, which must hold the whole horizon.

    A user counts who did something in it, under `next-n` who did n things. RequestError where users or topics are
    unknown, or the horizon is not over; NotEnoughDataError where nothing came, or nothing from before is there to make
    baselines of.
    """
    began = time.perf_counter()
    horizon, log, at_us = forecasts.horizon, dataset.log.positive, forecasts.at_us
    users, topics = _known_users(dataset, forecasts), _topics(dataset, forecasts)
    asked, rows = _asked(dataset, log, forecasts, topics, users, seed)
    learned = log.before(at_us)
    dynamics = fit_dynamics(learned, topics, order_only=dataset.order_only, seed=seed)
    fitted = View.of(learned, topics, dynamics, ask(learned, topics, horizon, seed=seed))
    if not len(fitted.asked.query):
        raise NotEnoughDataError(
            f"expected events of users before and after some earlier moment to choose baselines of {horizon} by, got "
            f"none before {format_time(at_us)}; bring the history from before it"
        )
    view = View.of(log, topics, dynamics, asked)
    baselines = fit_baselines(learned, fitted, horizon, order_only=dataset.order_only)
    compared = {name: foretold(one.shares(view), one.spread, view.n_known) for name, one in baselines.items()}
    compared[DRIFTLINE] = (forecasts.shares[rows], forecasts.concentration[rows])
    scored = Scored(compared, asked, len(topics), seed)
    figures = ForecastEvaluation(
        data={
            "name": dataset.name,
            "users": log.n_users,
            "items": log.n_items,
            "events": len(log),
            "topics": len(topics),
            "learned_events": len(learned),
            "cutoff": format_time(at_us),
        },
        horizon=horizon,
        origins=1,
        users=len(np.unique(asked.query)),
        windows=len(np.unique(asked.query)),
        pairs=scored.pairs,
        models=scored.models,
        versus=scored.versus,
        best=scored.best,
        weights={},
        coverage=scored.coverage,
        by_origin=(),
        seed=seed,
        seconds=time.perf_counter() - began,
    )
    return WrittenEvaluation(figures, forecasts, topics.share_without(log))


def _known_users(dataset: Dataset, forecasts: WrittenForecasts) -> Rows:
    rows = dataset.log.users.rows(forecasts.users)
    unknown = [forecasts.users[place] for place in np.flatnonzero(rows < 0)]
    if unknown:
        raise UnknownUserError(_strange(f"users of {dataset.name}", unknown, "it does not know"))
    return rows


def _strange(expected: str, unknown: list[str], why: str) -> str:
    more = f" and {len(unknown) - 1:,} more" if len(unknown) > 1 else ""
    return (
        f"expected forecasts of {expected}, got {unknown[0]!r}{more} that {why}; "
        "name the folder that the run was fitted on, or a later one of it"
    )


def _topics(dataset: Dataset, forecasts: WrittenForecasts) -> Topics:
    """The forecast's topics over the dataset's items: those of the file where they were learned, else the catalog's.

    An item keeps the shares that it has among them; one that has others alone is without a topic.
    """
    items, catalog = dataset.log.items, dataset.catalog
    if forecasts.members is not None:
        rows = [items.rows(list(forecasts.members[topic])) for topic in forecasts.topics]
        item, column = np.concatenate(rows), np.repeat(np.arange(len(rows)), [len(some) for some in rows])
        known = item >= 0
        cells = (np.ones(int(known.sum())), (item[known], column[known]))
        weights = sparse.csr_matrix(cells, shape=(len(items), len(rows)))
        return Topics(forecasts.topics, forecasts.topics, weights, ((),) * len(rows), items, learned=True)
    column_of = {name: place for place, name in enumerate(catalog.topic_names)}
    unknown = [name for name in forecasts.topics if name not in column_of]
    if unknown:
        raise RequestError(_strange(f"topics that items of {dataset.name} carry", unknown, "none does"))
    own = sparse.csr_matrix(catalog.topics[:, [column_of[name] for name in forecasts.topics]], dtype=np.float64)
    total = np.asarray(own.sum(axis=1), np.float64).ravel()
    scale = np.divide(1, total, out=np.zeros(len(total)), where=total > 0)
    weights = sparse.csr_matrix(sparse.diags(scale) @ own)
    weights.eliminate_zeros()
    return Topics(forecasts.topics, forecasts.topics, weights, ((),) * len(forecasts.topics), items)


def _asked(
    dataset: Dataset, log: EventLog, forecasts: WrittenForecasts, topics: Topics, users: Rows, seed: int
) -> tuple[Questions, Rows]:
    """What the users did within the horizon, and which rows of the forecasts are theirs."""
    _require_over(dataset, log, forecasts, users)
    before = histories(log, users, np.full(len(users), forecasts.at_us, np.int64))
    if forecasts.horizon.days is None:
        end = before.end + (forecasts.horizon.events or 1)
        whole = end <= log.user_offsets[users + 1]
    else:
        end = histories(log, users, before.at_us + _length(forecasts.horizon)).end
        whole = end > before.end
    rows = np.flatnonzero(whole).astype(np.int32)
    asked = questions(before.take(whole), topics, before.end[whole], end[whole], seed=seed)
    if not len(asked.query):
        raise NotEnoughDataError(
            f"expected events with a topic of some of the {len(users):,} users within {forecasts.horizon} from "
            f"{format_time(forecasts.at_us)} in {dataset.name}, got none: there is nothing to score"
        )
    return asked, rows


def _require_over(dataset: Dataset, log: EventLog, forecasts: WrittenForecasts, users: Rows) -> None:
    """RequestError where the dataset ends before the horizon does, or is of another kind of time."""
    horizon, at_us = forecasts.horizon, forecasts.at_us
    if horizon.days is not None and dataset.order_only:
        raise RequestError(f"expected forecasts such as next-20 for data without times, got {horizon}")
    if horizon.days is not None:
        over, last = at_us + _length(horizon), dataset.log.last_us if len(dataset.log) else at_us
        if last + 1 < over:
            raise RequestError(
                f"expected events of the whole {horizon} up to {format_time(over)} in {dataset.name}, got the last at "
                f"{format_time(last)}: the horizon is not over; score it when they are in"
            )
        return
    later = log.user_offsets[users + 1] - histories(log, users, np.full(len(users), at_us, np.int64)).end
    if later.max(initial=0) < (horizon.events or 1):
        raise RequestError(
            f"expected a user with {horizon.events} events from {format_time(at_us)} on in {dataset.name}, got "
            f"{int(later.max(initial=0))} at most: the horizon is not over for anybody; score it later"
        )


def _length(horizon: Horizon) -> int:
    return round((horizon.days or 0.0) * US_PER_DAY)
