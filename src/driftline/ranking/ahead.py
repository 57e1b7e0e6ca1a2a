"""Recommend for a horizon: what a user is moving into, before they ask.

The scores of a blend are utilities of a choice, so their softmax over the arms' candidates is a distribution over
items, and by that over topics. Looking ahead keeps its preferences within each topic and moves the topics' shares
toward the forecast:

    score(i) = blend(i) + log Σ_t w_it · 2 f_t / (f_t + m_t)

with item shares w_it of topics, forecast f_t and the blend's own topic mass m_t. A topic gains at most log 2, since the
whole quotient f_t / m_t lets topics rule that hardly any candidate is in. Items that no arm proposes follow as they
were. Source: Jeffrey 1965, "The Logic of Decision" (conditioning on a changed marginal), damped.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from driftline.data.events import EventLog
from driftline.interest.horizons import Horizon
from driftline.interest.model import InterestModel
from driftline.interest.reading import Past
from driftline.types import Rows

NAME = "forecast"

FLOOR = 1e-6
"""What keeps logarithms and quotients finite."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Ahead:
    """What a horizon adds to each item's score, shape [n_items], and the forecast behind it by topic number."""

    horizon: str
    lift: Floats
    expected: Floats
    interest: InterestModel

    def reason(self, item_row: int) -> str:
        """The item's topic and its share in the forecast."""
        weights = self.interest.topics.of_items(np.array([item_row], np.int32)).toarray()[0]
        topic = int(np.argmax(weights * self.expected))
        window = self.horizon if self.horizon.startswith("next") else f"next {self.horizon}"
        return f"{self.interest.topics.names[topic]} is forecast at {self.expected[topic]:.0%} of your {window}"


def look_ahead(
    interest: InterestModel, log: EventLog, user_id: str, at_us: int, horizon: str, scores: NDArray[np.float32]
) -> Ahead:
    """The lift of every item; `scores` [n_items] are the blend's, minus infinity where an item may not be shown."""
    asked = Horizon.parse(horizon)
    forecast, _ = interest.distribution(log, Past.of(log, user_id, at_us), asked)
    shares = np.asarray(forecast.shares, np.float64)
    weights = interest.topics.of_items(np.arange(len(scores), dtype=np.int32))
    proposed = scores > 0
    mass = np.asarray(weights.T @ _probabilities(scores, proposed)).ravel()
    # Items without a topic keep what they had, so the forecast is of the mass of the others alone.
    expected = shares * mass.sum()
    ratio = 2 * expected / np.maximum(expected + mass, FLOOR)
    lifted = np.asarray(weights @ ratio).ravel() + (1.0 - np.asarray(weights.sum(axis=1)).ravel())
    lift = np.where(proposed, np.log(np.maximum(lifted, FLOOR)), 0.0)
    lift[~proposed] = min(float((scores + lift)[proposed].min(initial=0.0)), 0.0)
    return Ahead(str(asked), lift, shares, interest)


def _probabilities(scores: NDArray[np.float32], proposed: NDArray[np.bool_]) -> Floats:
    """The softmax over the arms' candidates; zeros for all others."""
    odds = np.where(proposed, np.exp(np.where(proposed, scores - scores[proposed].max(initial=0), 0.0)), 0.0)
    return np.asarray(odds / max(odds.sum(), FLOOR), np.float64)


def with_forecast(shares: Mapping[str, Floats], totals: Floats, lift: Floats, items: Rows) -> dict[str, Floats]:
    """Shares of the arms with the forecast as one more; what it takes away from an item is no share of it."""
    own = np.maximum(lift[items], 0.0)
    whole = np.maximum(totals, FLOOR) + own
    return {name: part * np.maximum(totals, FLOOR) / whole for name, part in shares.items()} | {NAME: own / whole}
