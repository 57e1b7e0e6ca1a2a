"""What any forecast of interests has to beat: mixes of the past, each drawn to that of everybody.

    share = (1 - w) · own + w · everybody        everybody's alone where there is nothing of one's own

w, and what else a baseline has to choose, is what foretold best at earlier origins. Intervals are beta-binomial
with a spread fitted at the same origins.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from driftline.data.events import EventLog
from driftline.interest.dynamics import Dynamics
from driftline.interest.fitting import Questions, candidates
from driftline.interest.horizons import Horizon
from driftline.interest.spread import Spread, fit_spread
from driftline.interest.state import Counts, Evidence, Fading, HalfLife
from driftline.interest.topics import Topics
from driftline.types import US_PER_DAY

WEIGHTS = np.array([0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1.0])
"""What is tried for w."""

WINDOWS = (2, 4, 7, 12)
"""Over how many of the latest windows a moving average is tried."""

YEAR_DAYS, MONTH_DAYS = 365.0, 28.0

GLOBAL = "global"
NAMES = (GLOBAL, "all-history", "persistence", "moving-average", "ewma", "seasonal")

Ages = NDArray[np.int64]


@dataclass(frozen=True)
class Window:
    """Events whose age is at least `newest` and below `oldest`, in days, or in events where `days` is false."""

    newest: float
    oldest: float
    days: bool

    def remaining(self, age_us: Ages, age_events: Ages) -> Counts:
        """1 inside, 0 outside."""
        age = age_us / US_PER_DAY if self.days else age_events
        return np.asarray((age >= self.newest) & (age < self.oldest), np.float64)


@dataclass(frozen=True, eq=False)
class View:
    """Questions, and what a baseline reads for them: the evidence of their histories, everybody's mix before them."""

    topics: Topics
    asked: Questions
    evidence: Evidence
    prior: Counts

    @classmethod
    def of(cls, log: EventLog, topics: Topics, dynamics: Dynamics, asked: Questions) -> View:
        """Nothing at or after the moment of a question is read; `prior` is [n_queries, n_topics]."""
        evidence = Evidence.of(asked.histories, dynamics.ratings)
        return cls(topics, asked, evidence, dynamics.priors(log, topics, asked.histories.at_us))

    @property
    def n_known(self) -> Counts:
        """How many events each history has; [n_queries]."""
        return self.asked.histories.lengths.astype(np.float64)

    def own(self, fading: Fading) -> Counts:
        """The counts of each history; [n_queries, n_topics]."""
        return np.asarray(self.evidence.counts(self.topics, fading).toarray(), np.float64)


Own = Callable[[View], Counts]
"""Counts or shares of a user's own past, [n_queries, n_topics]; what they sum to does not matter."""


@dataclass(frozen=True, eq=False)
class Baseline:
    """A fitted baseline: whose past it reads, w, and how far counts lie from what it says."""

    own: Own
    weight: float
    spread: Spread

    def shares(self, view: View) -> Counts:
        """Shares of topics; [n_queries, n_topics], rows sum to 1."""
        return drawn_to(self.own(view), view.prior, self.weight)


def fit_baselines(log: EventLog, view: View, horizon: Horizon, *, order_only: bool) -> dict[str, Baseline]:
    """All baselines of a horizon, chosen on the questions of `view`, which lie inside `log`."""
    options = {
        GLOBAL: [lambda seen: np.zeros_like(seen.prior)],
        "all-history": [_faded(HalfLife(events=np.inf))],
        "persistence": [_inside(_windows(horizon, 1)[0])],
        "moving-average": [_mean_of(_windows(horizon, n)) for n in WINDOWS],
        "ewma": [_faded(one) for one in candidates(log, order_only=order_only)],
        "seasonal": [_inside(_season(log, horizon))],
    }
    if horizon.events is not None and not order_only:
        options["ewma"] += [_faded(one) for one in candidates(log, order_only=True)]
    if order_only:
        options.pop("seasonal")
    return {name: _best(owns, view) for name, owns in options.items()}


def drawn_to(own: Counts, prior: Counts, weight: float) -> Counts:
    """`(1 - weight) · own mix + weight · prior`; the prior where there is nothing of one's own."""
    total = own.sum(axis=1, keepdims=True)
    mix = np.where(total > 0, own / np.where(total > 0, total, 1), prior)
    return np.asarray((1 - weight) * mix + weight * prior, np.float64)


def _best(owns: list[Own], view: View) -> Baseline:
    """The past and the weight of least log score, then the spread."""
    tried = []
    prior = view.asked.at_pairs(view.prior)
    for own in owns:
        mix = view.asked.at_pairs(drawn_to(own(view), view.prior, 0.0))
        share = (1 - WEIGHTS) * mix[:, None] + WEIGHTS * prior[:, None]
        losses = view.asked.mean_over_users(-np.log(share))
        tried.append((float(losses.min()), float(WEIGHTS[int(np.argmin(losses))])))
    place = int(np.argmin([loss for loss, _ in tried]))
    own, weight = owns[place], tried[place][1]
    shares = drawn_to(own(view), view.prior, weight)
    return Baseline(own, weight, fit_spread(shares, view.asked.came(shares.shape[1]), view.n_known))


def _faded(half_life: HalfLife) -> Own:
    return lambda view: view.own(half_life)


def _inside(window: Window) -> Own:
    return lambda view: view.own(window)


def _mean_of(windows: list[Window]) -> Own:
    """The mean of the mixes of those windows in which anything happened."""

    def own(view: View) -> Counts:
        total = np.zeros_like(view.prior)
        for window in windows:
            counts = view.own(window)
            total += counts / np.maximum(counts.sum(axis=1, keepdims=True), 1e-12)
        return total

    return own


def _windows(horizon: Horizon, n: int) -> list[Window]:
    """The latest windows of the horizon's length, newest first."""
    length, days = _length(horizon)
    return [Window(place * length, (place + 1) * length, days) for place in range(n)]


def _season(log: EventLog, horizon: Horizon) -> Window:
    """The same window a year ago; the last four weeks where the log is shorter than that."""
    length = horizon.days if horizon.days is not None else MONTH_DAYS
    if (log.last_us - log.first_us) / US_PER_DAY < YEAR_DAYS + length:
        return Window(0.0, MONTH_DAYS, days=True)
    return Window(YEAR_DAYS - length, YEAR_DAYS, days=True)


def _length(horizon: Horizon) -> tuple[float, bool]:
    return (horizon.days, True) if horizon.days is not None else (float(horizon.events or 1), False)
