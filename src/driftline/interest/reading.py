"""A user's interests in words and numbers, as they stood at a moment; nothing at or after it is read."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.special import betaincinv

from driftline.data.events import EventLog, Histories, histories
from driftline.errors import UnknownUserError
from driftline.interest.dynamics import Dynamics
from driftline.interest.evidence import event_weights
from driftline.interest.state import Counts, Evidence, HalfLife
from driftline.interest.topics import Topics
from driftline.interest.trend import Trends, lifecycles, moments_of, trends
from driftline.types import US_PER_DAY, Times, format_time

LOW, HIGH = 0.05, 0.95
MOST_TOPICS = 12
MOST_SHORT = 5
N_EVIDENCE = 3
MOST_TREND_EVENTS = 20_000
"""Trends are read from the last events of a very long history."""


@dataclass(frozen=True, eq=False)
class Past:
    """What one user did before a moment, as a log of its own that knows of nothing else.

    `n_events` counts all kept events; `log` holds those that are signs of interest.
    """

    user_id: str
    at_us: int
    n_events: int
    asked: Histories

    @classmethod
    def of(cls, log: EventLog, user_id: str, at_us: int) -> Past:
        """Cut out of a log; empty for a user that the log does not know."""
        whole = log.history(user_id, before=at_us)
        own = log.select(np.arange(whole.start[0], whole.end[0])).positive
        asked = histories(own, whole.user_row, whole.at_us)
        return cls(user_id, at_us, int(whole.lengths[0]), asked)

    @property
    def log(self) -> EventLog:
        """The signs of interest."""
        return self.asked.log

    def evidence(self, dynamics: Dynamics) -> Evidence:
        """Each event's weight and age."""
        return Evidence.of(self.asked, dynamics.ratings)

    def counts(self, topics: Topics, dynamics: Dynamics, half_life: HalfLife) -> Counts:
        """Faded pseudo-counts; shape [n_topics]."""
        return np.asarray(self.evidence(dynamics).counts(topics, half_life).toarray()[0], np.float64)


@dataclass(frozen=True, eq=False)
class Reading:
    """The parts of an answer about one user: evidence per event, the posterior, and the trends."""

    past: Past
    topics: Topics
    dynamics: Dynamics
    prior: Counts

    @cached_property
    def evidence(self) -> Evidence:
        """Each event's weight and age."""
        return self.past.evidence(self.dynamics)

    @cached_property
    def shares(self) -> sparse.csr_matrix:
        """Topic shares of each event's item; shape [n_events, n_topics]."""
        return self.topics.of_items(self.past.log.item_row)

    @cached_property
    def carried(self) -> NDArray[np.bool_]:
        """Topics that any event of this user carries; shape [n_topics]."""
        return np.bincount(self.shares.indices, minlength=len(self.topics)) > 0

    def faded(self, half_life: HalfLife) -> Counts:
        """What is left of each event's weight; shape [n_events]."""
        return self.evidence.weight * half_life.remaining(self.evidence.age_us, self.evidence.age_events)

    def entries(self, half_life: HalfLife, most: int) -> list[dict[str, Any]]:
        """The strongest topics at a half-life with events of this user behind them; without events, of the prior."""
        counts = np.asarray(self.faded(half_life) @ self.shares, np.float64)
        alpha = self.dynamics.posterior(counts, self.prior)
        strength, low, high = beta_intervals(alpha, alpha.sum())
        has = self.carried if self.carried.any() else np.ones(len(self.topics), bool)
        best = [topic for topic in np.argsort(-strength, kind="stable") if has[topic]][:most]
        return [
            {
                "topic": self.topics.ids[topic],
                "name": self.topics.names[topic],
                "group": self.topics.group(topic),
                "strength": rounded(strength[topic]),
                "low": rounded(low[topic]),
                "high": rounded(high[topic]),
            }
            for topic in best
        ]

    def evidence_items(self, topic: int) -> list[str]:
        """The user's own items that carry the topic, those first that still count the most, then the latest."""
        worth = self.faded(self.dynamics.half_life) * self.shares[:, [topic]].toarray().ravel()
        items = self.past.log.item_row
        own = np.unique(items[worth > 0])
        total = np.bincount(items, worth, minlength=self.past.log.n_items)[own]
        order = np.lexsort((own, -total))[:N_EVIDENCE]
        return [self.past.log.items[int(row)] for row in own[order]]

    @cached_property
    def trends(self) -> tuple[Trends, list[str]]:
        """Where each topic is going, and the word for it."""
        half_life, late = self.dynamics.trend, slice(-MOST_TREND_EVENTS, None)
        age = self.evidence.age_events if self.dynamics.order_only else self.evidence.age_us / US_PER_DAY
        shares = self.shares[late].toarray().astype(np.float64)
        moments = moments_of(
            age[late].astype(np.float64), self.evidence.weight[late], self.faded(half_life)[late], shares
        )
        found = trends(moments)
        return found, lifecycles(found, moments, half_life=half_life.length, times=not self.dynamics.order_only)


def require_user(log: EventLog, user_id: str) -> None:
    """UnknownUserError for a user that the log does not know."""
    if log.users.row(user_id) < 0:
        some = ", ".join(str(one) for one in log.users.ids[:3])
        raise UnknownUserError(f"expected a user of this run ({some} …), got {user_id!r}; check the id")


def interests(log: EventLog, topics: Topics, dynamics: Dynamics, user_id: str, at_us: int) -> dict[str, Any]:
    """One user's interests at a moment, in the shape of the contract.

    `strength` is the posterior mean share, `low` and `high` its 90 % interval (Beta marginals of the Dirichlet).
    `trend` is how much the share has changed over the last 30 days, or since the first event: 0 unless its 95 %
    interval (`trend_low`, `trend_high`) leaves 0 out. Topics are those with events of this user behind them; `other`
    is the strength of all the rest. Without a history: what everybody wants, with `n_events` 0 and no evidence.
    """
    past = Past.of(log, user_id, at_us)
    reading = Reading(past, topics, dynamics, dynamics.priors(log, topics, np.array([at_us], np.int64))[0])
    listed = reading.entries(dynamics.half_life, MOST_TOPICS)
    without = np.diff(reading.shares.indptr) == 0
    return {
        "user_id": user_id,
        "at": format_time(at_us),
        "n_events": past.n_events,
        "topics": [_with_trend(entry, reading) for entry in listed],
        "other": rounded(max(1 - sum(entry["strength"] for entry in listed), 0.0)),
        "short_term": reading.entries(dynamics.short, MOST_SHORT),
        "long_term": reading.entries(dynamics.long, MOST_SHORT),
        "half_lives": {
            "topics": str(dynamics.half_life),
            "short_term": str(dynamics.short),
            "long_term": str(dynamics.long),
        },
        "without_topic": rounded(float(without.mean()) if len(without) else 0.0),
    }


def interest_series(
    log: EventLog, topics: Topics, dynamics: Dynamics, user_id: str, times_us: Times
) -> tuple[Counts, Counts, Counts]:
    """One user's strengths through time with both ends of their intervals, each [n_times, n_topics].

    What stands at a moment is made of what is strictly before it, as in `interests`.
    """
    past = Past.of(log, user_id, int(times_us.max()))
    asked = histories(past.log, np.full(len(times_us), past.asked.user_row[0], np.int32), times_us)
    weights = event_weights(past.log, dynamics.ratings)
    counts = Evidence.of(asked, dynamics.ratings, weights).counts(topics, dynamics.half_life).toarray()
    alpha = dynamics.posterior(counts, dynamics.priors(log, topics, times_us))
    return beta_intervals(alpha, alpha.sum(axis=1, keepdims=True))


def beta_intervals(
    alpha: Counts, total: Counts | float, low: float = LOW, high: float = HIGH
) -> tuple[Counts, Counts, Counts]:
    """Mean and quantiles of the Beta marginals of a Dirichlet; a topic that is all there is has 1, 1, 1.

    Where a share is so small that its mean lies outside its quantiles, the interval is widened to hold it.
    """
    rest = np.maximum(total - alpha, 0.0)
    mean = alpha / total
    alone = rest <= 1e-12
    ends = [np.where(alone, 1.0, betaincinv(alpha, np.where(alone, 1.0, rest), level)) for level in (low, high)]
    return np.asarray(mean, np.float64), np.minimum(ends[0], mean), np.maximum(ends[1], mean)


def rounded(value: float | np.floating[Any]) -> float:
    """A share with six digits, as it leaves the program."""
    return round(float(value), 6)


def _with_trend(entry: dict[str, Any], reading: Reading) -> dict[str, Any]:
    topic = reading.topics.column(entry["topic"])
    found, words = reading.trends
    moving = found.low[topic] > 0 or found.high[topic] < 0
    return {
        **entry,
        "trend": rounded(found.change[topic] if moving else 0.0),
        "trend_low": rounded(found.low[topic]),
        "trend_high": rounded(found.high[topic]),
        "lifecycle": words[topic],
        "evidence": reading.evidence_items(topic),
    }
