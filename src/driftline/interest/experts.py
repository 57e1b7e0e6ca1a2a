"""Experts of a forecast, and what their weights and the number of coming events are read from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from driftline.data.events import Histories
from driftline.interest.horizons import Horizon
from driftline.interest.state import Counts, HalfLife
from driftline.types import US_PER_DAY

N_FEATURES = 3


@dataclass(frozen=True)
class Expert:
    """The mix of a user at one half-life, drawn toward everybody's; without a half-life, everybody's itself.

    By `prior_strength` less the more events there are; by `common` always: a part of what comes next is of the moment
    and not of the user, however well known.
    """

    half_life: HalfLife | None = None
    prior_strength: float = 1.0
    common: float = 0.0

    def shares(self, counts: Counts, total: Counts, prior: Counts) -> Counts:
        """`(1 - common) · (s + strength · g) / (Σ s + strength) + common · g`; s and g broadcast with totals."""
        if self.half_life is None:
            return prior
        own = (counts + self.prior_strength * prior) / (total + self.prior_strength)
        return np.asarray((1 - self.common) * own + self.common * prior, np.float64)

    def __str__(self) -> str:
        """Words for a table."""
        return "everybody" if self.half_life is None else str(self.half_life)


def gate_features(n_faded: Counts, idle_us: Counts, scale_days: float) -> Counts:
    """What the weights of the experts depend on; shape [n, n_features].

    A constant, `ln(1 + n) - 2` for n faded events, and `ln(1 + idle / scale) - 1` for the time since the last event.
    """
    idle = np.maximum(idle_us, 0) / US_PER_DAY / max(scale_days, 1e-6)
    return np.stack([np.ones(len(n_faded)), np.log1p(n_faded) - 2, np.log1p(idle) - 1], axis=1)


def softmax(logits: Counts) -> Counts:
    """Each row as positive numbers that sum to 1."""
    raised = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=-1, keepdims=True), np.float64)


def scale_days(experts: tuple[Expert, ...]) -> float:
    """The days by which idleness is measured: the main half-life, or 30 where that is not a finite time."""
    main = experts[0].half_life
    return main.length if main is not None and main.days is not None and np.isfinite(main.length) else 30.0


def idle_us(past: Histories, *, order_only: bool) -> Counts:
    """Time since the last event of each history; 0 without one, and for data without times; shape [n_queries]."""
    if order_only or not len(past.log):
        return np.zeros(len(past))
    last = past.log.time_us[np.maximum(past.end - 1, 0)]
    return np.where(past.lengths > 0, past.at_us - last, 0).astype(np.float64)


def promised_events(n_faded: Counts, experts: tuple[Expert, ...], age_days: Counts, horizon: Horizon) -> Counts:
    """Events that a recent rate promises in the window: faded events over the time that they stand for, times days.

    A half-life h stands for `h / ln 2 · (1 - 2^(-age / h))` days of a history that is `age` days old.
    """
    if horizon.days is None:
        return np.full(len(n_faded), float(horizon.events or 1))
    main = experts[0].half_life
    age = np.maximum(age_days, 1.0)
    if main is None or main.days is None or not np.isfinite(main.length):
        return np.asarray(n_faded / age * horizon.days, np.float64)
    stands_for = -np.expm1(-np.log(2) * age / main.length) * main.length / np.log(2)
    return np.asarray(n_faded / stands_for * horizon.days, np.float64)


def history_age_days(past: Histories) -> Counts:
    """How long ago each history began; 0 without one; shape [n_queries]."""
    if not len(past.log):
        return np.zeros(len(past))
    first = past.log.time_us[np.minimum(past.start, len(past.log) - 1)]
    return np.where(past.lengths > 0, (past.at_us - first) / US_PER_DAY, 0.0)
