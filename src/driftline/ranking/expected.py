"""Items ahead: which ones a user is likely to have within a horizon, in order, and by when.

    chance(i)  = v · (1 - (1 + h_i / s)^(-s))        v: the chance that anything comes in the window
    h_i        = e^level · (n · p_i)^power           n: how many events come, if any does
    p          = (1 - tail) · softmax(sharpness · blend) over the arms' candidates + tail · popularity

(1 + h / s)^(-s) is the chance of none where a count is negative binomial with mean h: Poisson around a rate that is
gamma with shape s, and between that rate's 5th and 95th percentile the interval lies. v is logistic and n log-linear in
what `pace_features` reads of a history; a window of other length is reached at the same hazard, in days of everybody's
mean activity (`interest.rhythm`): a Saturday on which a shop is closed has none. Everything is learned
in time that the blend was not fitted on (`expected_fitting`). An item comes with the visits, so that, given that it
comes, half of the chance has gone by at ln(1 - chance / 2) / ln(1 - chance) of the window, counted in everybody's
weekly rhythm. Sources: Mullahy 1986 (hurdle models of counts), Ehrenberg 1959 (negative binomial purchases).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit
from scipy.stats import gamma

from driftline.data.catalog import Catalog
from driftline.data.dataset import Repeats
from driftline.data.events import EventLog, Histories, histories
from driftline.errors import RequestError, RunError
from driftline.interest.horizons import Horizon
from driftline.interest.rhythm import Rhythm
from driftline.metrics.ranks import top_items
from driftline.ranking.blend import FittedBlend
from driftline.ranking.rules import personal, showable
from driftline.types import US_PER_DAY, format_time

MAX_K = 1_000
LOW, HIGH = 0.05, 0.95

N_PACE = 5
IDLE_DAYS = 30.0
"""The scale on which a user's silence is read."""

PLAIN_COMES = (-1.0, 0.0, -1.0, 1.0, 0.0)
PLAIN_EVENTS = (0.0, 0.0, 0.0, 0.0, 1.0)
"""Where nothing could be fitted: one event a visit or the user's mean, and visits by how often they came."""

FLOOR = 1e-12

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Expected:
    """What was learned of items ahead for one horizon; the names are those of the equations above.

    `comes` and `events` are weights of the features of a pace. `n_windows` says on how many windows all was fitted; 0
    is of a plain one.
    """

    horizon: Horizon
    comes: tuple[float, ...] = PLAIN_COMES
    events: tuple[float, ...] = PLAIN_EVENTS
    level: float = 0.0
    power: float = 1.0
    sharpness: float = 1.0
    tail: float = 0.1
    shape: float = 1.0
    n_windows: int = 0

    def window(self, past: Histories, horizon: Horizon, days: float | None = None) -> tuple[Floats, Floats]:
        """The chance that anything comes within a horizon, and how many events then; both shape [n_queries].

        `days` is how many days of mean activity the window has (`Rhythm.days`), by default as many as on the clock.
        """
        if horizon.events is not None:
            return np.ones(len(past)), np.full(len(past), float(horizon.events))
        fitted_days = self.horizon.days or 1.0
        features = pace_features(past, fitted_days)
        comes = np.clip(expit(features @ self.comes), 1e-6, 1 - 1e-6)
        events = np.exp(np.clip(features @ self.events, 0.0, 12.0))
        ratio = (days or horizon.days or fitted_days) / fitted_days
        then = -np.expm1(np.log1p(-comes) * ratio)
        return np.asarray(then, np.float64), np.maximum(comes * events * ratio / then, 1.0)

    def shares(self, scores: Floats, popularity: Floats) -> Floats:
        """What part of the next events is each item's, of scores and popularity; [n_items], 0 where both say never.

        `scores` are minus infinity and `popularity` is 0 for an item that may not be had.
        """
        proposed = scores > 0
        among = np.asarray(popularity / max(popularity.sum(), FLOOR), np.float64)
        if not proposed.any():
            return among
        best = scores[proposed].max()
        odds = np.where(proposed, np.exp(self.sharpness * np.where(proposed, scores - best, 0.0)), 0.0)
        return np.asarray((1 - self.tail) * odds / odds.sum() + self.tail * among, dtype=np.float64)

    def rates(self, shares: Floats, events: Floats | float) -> Floats:
        """h: how often each item is expected to come if anything does."""
        return np.asarray(np.exp(self.level) * (shares * events) ** self.power, np.float64)

    def interval(self, rates: Floats) -> tuple[Floats, Floats, Floats]:
        """Chance, low and high of each item if anything comes."""
        chance = chance_of(rates, self.shape)
        low, high = (-np.expm1(-gamma.ppf(q, self.shape) * rates / self.shape) for q in (LOW, HIGH))
        return chance, np.minimum(low, chance), np.maximum(high, chance)

    def as_json(self) -> dict[str, Any]:
        """JSON values."""
        return asdict(self) | {"horizon": str(self.horizon)}

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Expected:
        """The value that `as_json` described; RunError where something is missing."""
        try:
            weights = {name: tuple(float(one) for one in document[name]) for name in ("comes", "events")}
            if any(len(one) != N_PACE for one in weights.values()):
                raise ValueError("weights of other features")
            found = cls(**{**document, **weights, "horizon": Horizon.parse(document["horizon"])})
            if not (0 <= found.tail <= 1 and found.shape > 0):
                raise ValueError("a tail or shape out of range")
        except (KeyError, TypeError, ValueError, RequestError) as error:
            raise RunError(f"expected what was learned of items ahead, got {error!r}; fit again") from error
        return found


@dataclass(frozen=True)
class ExpectedItem:
    """One item ahead: between `low` and `high` its chance lies, depending on how much the user does.

    `by_us` is the moment, under a horizon of events `by_event` the event, before which it comes more likely than not if
    it comes in the window.
    """

    item_id: str
    title: str
    chance: float
    low: float
    high: float
    by_us: int | None = None
    by_event: int | None = None

    def as_json(self) -> dict[str, Any]:
        """The contract's shape."""
        return {
            "item_id": self.item_id,
            "title": self.title,
            "chance": round(self.chance, 6),
            "low": round(self.low, 6),
            "high": round(self.high, 6),
            "by": None if self.by_us is None else format_time(self.by_us),
            "by_event": self.by_event,
        }


@dataclass(frozen=True)
class Ahead:
    """The items ahead of one user, likeliest first, and the chance that anything comes at all in the window."""

    any_event: float
    items: tuple[ExpectedItem, ...]

    def as_json(self) -> dict[str, Any]:
        """What joins the document of a forecast."""
        return {"any_event": round(self.any_event, 6), "items": [one.as_json() for one in self.items]}


@dataclass(frozen=True, eq=False)
class ItemsAhead:
    """A blend over a log and a catalog, asked for items ahead; `fitted` is empty where nothing could be learned."""

    log: EventLog
    catalog: Catalog
    blend: FittedBlend
    repeats: Repeats
    fitted: Sequence[Expected] = ()

    def ask(self, user_id: str, *, at_us: int, horizon: Horizon, k: int = 10) -> Ahead:
        """The k likeliest items of a user from a moment on; nothing at or after it is read.

        Items that `recommend` may not show have no chance. RequestError for a k outside 1 … MAX_K.
        """
        if not 1 <= k <= MAX_K:
            raise RequestError(f"expected k between 1 and {MAX_K}, got {k}")
        row, model = self.log.users.row(user_id), self._model_for(horizon)
        allowed = showable(self.log, self.catalog, row, at_us, self.repeats)
        past = histories(self.log.positive, np.array([row], np.int32), np.array([at_us], np.int64))
        scores = self.blend.score(past, allowed=allowed)[0] if personal(past) else np.zeros(len(allowed), np.float32)
        rhythm, length = Rhythm.before(self.log.positive, at_us), round((horizon.days or 0.0) * US_PER_DAY)
        comes, events = (float(one[0]) for one in model.window(past, horizon, rhythm.days(at_us, length)))
        popularity = np.where(allowed, smoothed(self.blend.popularity, len(allowed)), 0.0)
        shares = model.shares(np.where(allowed, scores, -np.inf).astype(np.float64), popularity)
        best = top_items(np.where(allowed, shares, -np.inf).astype(np.float32)[None], min(k, len(shares)))[0]
        best = best[best >= 0]
        chance, low, high = (comes * one for one in model.interval(model.rates(shares[best], events)))
        parts = half_gone(chance)
        when: list[dict[str, int]] = [{"by_us": int(one)} for one in rhythm.moments(at_us, length, parts)]
        if horizon.events is not None:
            when = [{"by_event": int(one)} for one in np.ceil(parts * horizon.events)]
        items = (
            ExpectedItem(
                self.catalog.items[int(item)], self.catalog.label(int(item)), float(c), float(lo), float(hi), **by
            )
            for item, c, lo, hi, by in zip(best, chance, low, high, when, strict=True)
        )
        return Ahead(comes, tuple(items))

    def _model_for(self, horizon: Horizon) -> Expected:
        """What was fitted for the closest horizon, else a plain one."""
        close = min(self.fitted, key=lambda one: one.horizon.distance(horizon), default=None)
        if close is None:
            return Expected(horizon)
        if np.isfinite(close.horizon.distance(horizon)):
            return close
        # How sharp the blend is and what the tail holds is learned alike from either kind of window.
        return replace(close, horizon=horizon, comes=PLAIN_COMES, events=PLAIN_EVENTS)


def pace_features(past: Histories, days: float) -> Floats:
    """What says how much a user will do in so many days; `past` is of positive events; shape [n_queries, N_PACE].

    A constant, ln(1 + visits), ln(1 + days of silence / 30), ln(1 + visits that the mean pace promises), and ln(events
    a visit). Visits are moments with events.
    """
    n_visits, n_events = _visits(past).astype(np.float64), past.lengths.astype(np.float64)
    if len(past.log):
        safe = np.minimum(past.start, len(past.log) - 1)
        age = (past.at_us - past.log.time_us[safe]) / US_PER_DAY
        idle = (past.at_us - past.log.time_us[np.maximum(past.end - 1, 0)]) / US_PER_DAY
    else:
        age = idle = np.zeros(len(past))
    known = n_events > 0
    age, idle = np.where(known, np.maximum(age, 1.0), 1.0), np.where(known, np.maximum(idle, 0.0), 0.0)
    return np.stack(
        [
            np.ones(len(past)),
            np.log1p(n_visits),
            np.log1p(idle / IDLE_DAYS),
            np.log1p(n_visits / age * days),
            np.log(np.maximum(n_events, 1) / np.maximum(n_visits, 1)),
        ],
        axis=1,
    )


def chance_of(rates: Floats, shape: float) -> Floats:
    """The chance of at least one, of a negative binomial count: 1 - (1 + h / s)^(-s)."""
    return np.asarray(-np.expm1(-shape * np.log1p(rates / shape)), np.float64)


def half_gone(chance: Floats) -> Floats:
    """The part of a window before which half of a chance falls, at a steady hazard: one half or less.

    >>> half_gone(np.array([0.0001, 0.75])).round(2).tolist()
    [0.5, 0.34]
    """
    safe = np.clip(chance, 1e-9, 1 - 1e-9)
    return np.asarray(np.log1p(-safe / 2) / np.log1p(-safe), np.float64)


def smoothed(counts: NDArray[np.floating[Any]], n_items: int) -> Floats:
    """Counts and half an event more each, so that nothing is impossible; 0 for items that were not counted."""
    found = np.zeros(n_items)
    found[: len(counts)] = counts[:n_items] + 0.5
    return found


def _visits(past: Histories) -> NDArray[np.int64]:
    """How many moments each history has; [n_queries]."""
    log = past.log
    if not len(log):
        return np.zeros(len(past), np.int64)
    begins = np.concatenate([[0], np.cumsum(np.diff(log.moment, prepend=-1) != 0)])
    return np.asarray(begins[past.end] - begins[past.start], np.int64)
