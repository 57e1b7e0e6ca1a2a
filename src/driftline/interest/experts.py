"""Experts of a forecast, and what their weights and the number of coming events are read from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from driftline.data.events import Histories
from driftline.interest.horizons import Horizon
from driftline.interest.state import Counts, HalfLife
from driftline.types import US_PER_DAY

N_FEATURES = 5
STEP = 4.0
"""By how much half-lives of a ladder differ."""
DEFAULT_SCALE = 30.0

Values = NDArray[Any]


@dataclass(frozen=True)
class Expert:
    """The mix of a user at one half-life, drawn toward everybody's; without a half-life, everybody's itself.

    By `prior_strength` less the more events there are; by `common` always: a part of what comes next is of the moment
    and not of the user, however well known. `everybody` is how fast the mix of everybody fades; None: as fast as the
    one that experts are drawn to.
    """

    half_life: HalfLife | None = None
    prior_strength: float = 1.0
    common: float = 0.0
    everybody: HalfLife | None = None

    def shares(self, counts: Counts, total: Counts, prior: Counts) -> Counts:
        """`(1 - common) · (s + strength · g) / (Σ s + strength) + common · g`; s and g broadcast with totals."""
        if self.half_life is None:
            return prior
        return np.asarray(drawn_to(prior, counts, total, self.prior_strength, self.common), np.float64)

    def __str__(self) -> str:
        """Words for a table."""
        if self.half_life is not None:
            return str(self.half_life)
        return "everybody" if self.everybody is None else f"everybody, {self.everybody}"


def drawn_to(prior: Values, counts: Values, total: Values, strength: float | Values, common: float | Values) -> Values:
    """What `Expert.shares` says, of one expert or, with an axis for them in every array, of many at once."""
    own = (counts + strength * prior) / (total + strength)
    return np.asarray((1 - common) * own + common * prior)


def ladder(span_days: float, *, order_only: bool) -> tuple[HalfLife, ...]:
    """Half-lives at which a user's past is read, wherever it is forecast: the whole, and log-spaced shorter ones.

    In time from a third of the log's span down by steps of four, and in events.

    >>> [str(one) for one in ladder(288.0, order_only=False)]
    ['all history', '96 days', '24 days', '6 days', '8 events', '32 events']
    """
    events = (HalfLife(events=8.0), HalfLife(events=32.0))
    if order_only:
        return (HalfLife(events=np.inf), *events, HalfLife(events=2.0), HalfLife(events=128.0))
    longest = max(span_days, 1.0) / 3
    days = tuple(HalfLife(days=longest / STEP**place) for place in range(3))
    return (HalfLife(days=np.inf), *days, *events)


def vector_half_lives(steps: tuple[HalfLife, ...]) -> tuple[HalfLife, ...]:
    """Those of a ladder at which vectors are read too: the whole, the middle one in time, and the first in events."""
    whole = steps[0]
    in_time = [one for one in steps[1:] if one.days is not None]
    in_events = [one for one in steps[1:] if one.events is not None]
    middle = in_time[1:2] or in_events[1:2]
    return tuple(dict.fromkeys((whole, *middle, *in_events[:1])))


def gate_features(n_known: Counts, idle_us: Counts, scale_days: float, departure: Counts) -> Counts:
    """What the weights of the experts depend on; shape [n, n_features].

    A constant, `l = ln(1 + n) - 2` for n events, `ln(1 + idle / scale) - 1` for the time since the last event, d, how
    far the last events depart from all (0 to 1), and d · l: of a long history a departure says more.
    """
    idle = np.maximum(idle_us, 0) / US_PER_DAY / max(scale_days, 1e-6)
    return np.stack(
        [
            np.ones(len(n_known)),
            np.log1p(n_known) - 2,
            np.log1p(idle) - 1,
            departure,
            departure * (np.log1p(n_known) - 2),
        ],
        axis=1,
    )


def scale_days(experts: tuple[Expert, ...]) -> float:
    """The days by which idleness is measured: the middle one of the finite half-lives in time, or 30."""
    lengths = sorted(
        one.half_life.length
        for one in experts
        if one.half_life is not None and one.half_life.days is not None and np.isfinite(one.half_life.length)
    )
    return lengths[len(lengths) // 2] if lengths else DEFAULT_SCALE


def idle_us(past: Histories, *, order_only: bool) -> Counts:
    """Time since the last event of each history; 0 without one, and for data without times; shape [n_queries]."""
    if order_only or not len(past.log):
        return np.zeros(len(past))
    last = past.log.time_us[np.maximum(past.end - 1, 0)]
    return np.where(past.lengths > 0, past.at_us - last, 0).astype(np.float64)


def promised_events(n_faded: Counts, half_life: HalfLife, age_days: Counts, horizon: Horizon) -> Counts:
    """Events that a recent rate promises in the window: faded events over the time that they stand for, times days.

    A half-life h stands for `h / ln 2 · (1 - 2^(-age / h))` days of a history that is `age` days old.
    """
    if horizon.days is None:
        return np.full(len(n_faded), float(horizon.events or 1))
    age = np.maximum(age_days, 1.0)
    if half_life.days is None or not np.isfinite(half_life.length):
        return np.asarray(n_faded / age * horizon.days, np.float64)
    stands_for = -np.expm1(-np.log(2) * age / half_life.length) * half_life.length / np.log(2)
    return np.asarray(n_faded / stands_for * horizon.days, np.float64)


def history_age_days(past: Histories) -> Counts:
    """How long ago each history began; 0 without one; shape [n_queries]."""
    if not len(past.log):
        return np.zeros(len(past))
    first = past.log.time_us[np.minimum(past.start, len(past.log) - 1)]
    return np.where(past.lengths > 0, (past.at_us - first) / US_PER_DAY, 0.0)
