"""Horizons: how far a forecast looks, in days or in events, and the questions that measure one."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from driftline.data.events import EventLog, Histories, histories
from driftline.errors import RequestError
from driftline.interest.dynamics import bulk_start_us
from driftline.interest.fitting import Questions, questions, within_budget
from driftline.interest.topics import Topics
from driftline.types import US_PER_DAY, Rows, Times, parse_duration

N_ORIGINS = 24
USED_SHARE = 0.75
"""Origins stand in this last part of the time span (or of each user's events)."""

_NEXT = re.compile(r"next-([1-9]\d{0,5})", re.ASCII)


@dataclass(frozen=True)
class Horizon:
    """So many days from the origin on, or so many events of the user."""

    days: float | None = None
    events: int | None = None

    @classmethod
    def parse(cls, text: str) -> Horizon:
        """Read `7d`, `12h`, `2w` or `next-20`; RequestError for anything else.

        >>> Horizon.parse("2w"), Horizon.parse("next-20")
        (Horizon(days=14.0, events=None), Horizon(days=None, events=20))
        """
        if match := _NEXT.fullmatch(text.strip()):
            return cls(events=int(match[1]))
        try:
            return cls(days=parse_duration(text) / US_PER_DAY)
        except RequestError:
            raise RequestError(
                f"expected a horizon such as 7d, 12h, 2w (time) or next-20 (events), got {text!r}"
            ) from None

    def __str__(self) -> str:
        """The text that `parse` reads.

        >>> str(Horizon(days=7.0)), str(Horizon(events=20))
        ('7d', 'next-20')
        """
        return f"{self.days:g}d" if self.days is not None else f"next-{self.events}"

    def distance(self, other: Horizon) -> float:
        """How far two horizons are apart, in natural logarithms; infinite between days and events."""
        if self.days is not None and other.days is not None:
            return float(abs(np.log(self.days / other.days)))
        if self.events is not None and other.events is not None:
            return float(abs(np.log(self.events / other.events)))
        return float("inf")


def ask(log: EventLog, topics: Topics, horizon: Horizon, *, seed: int = 0) -> Questions:
    """What users did within a horizon after rolling origins, with their histories before them.

    In time: up to N_ORIGINS origins in the later part of the log, each window whole and none overlapping the next; a
    user counts who has an event before the origin and in the window. In events: origins after each `n` events of a
    user, moved to the next moment, in the later part of the user's events. `log` holds positive events.
    """
    if not len(log):
        return _asked(log, topics, *(np.zeros(0, np.int64) for _ in range(3)), seed=seed)
    if horizon.days is not None:
        return ask_at(log, topics, _origins(log, horizon.days), round(horizon.days * US_PER_DAY), seed=seed)
    return _by_events(log, topics, horizon.events or 1, seed)


def ask_at(log: EventLog, topics: Topics, origins: Times, length_us: int, *, seed: int = 0) -> Questions:
    """What users did within so long after each origin, with their histories before it."""
    each = np.arange(log.n_users, dtype=np.int32)
    users, moments = np.tile(each, len(origins)), np.repeat(origins, log.n_users)
    now, then = histories(log, users, moments), histories(log, users, moments + length_us)
    counted = np.flatnonzero((now.lengths > 0) & (then.end > now.end))
    chosen = within_budget(counted, now.lengths[counted], seed=seed)
    return _asked(log, topics, now.end[chosen], then.end[chosen], now.at_us[chosen], seed=seed)


def ask_next(log: EventLog, topics: Topics, n: int, users: Rows, *, seed: int = 0) -> Questions:
    """What some users did in their next `n` events, asked after their first n, 2 n, 3 n … events.

    An origin inside a moment is moved behind it; a user counts there with n events left.
    """
    place, _ = _places(log)
    return _next(log, topics, n, np.isin(log.user_row, users) & (place >= n), seed)


def _origins(log: EventLog, days: float) -> Times:
    """Moments, oldest first; the last window ends just after the last event."""
    length = round(days * US_PER_DAY)
    first = bulk_start_us(log)
    end, span = log.last_us + 1, log.last_us + 1 - first
    step = max(length, round(USED_SHARE * span / N_ORIGINS))
    origins = end - length - step * np.arange(N_ORIGINS, dtype=np.int64)
    earliest = max(end - round(USED_SHARE * span) - length, first + 1)
    return origins[origins >= earliest][::-1].copy()


def _by_events(log: EventLog, topics: Topics, n: int, seed: int) -> Questions:
    place, length = _places(log)
    inside = place >= np.maximum(np.minimum(n, length // 2), 1)
    return _next(log, topics, n, inside & (place >= (1 - USED_SHARE) * length), seed)


def _places(log: EventLog) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The how many-th of its user each event is, from 0, and how many this user has."""
    return np.arange(len(log)) - log.user_offsets[log.user_row], np.diff(log.user_offsets)[log.user_row]


def _next(log: EventLog, topics: Topics, n: int, wanted: NDArray[np.bool_], seed: int) -> Questions:
    """Of each `n` events of a user the first wanted one that begins a moment and has n events from itself on."""
    place, length = _places(log)
    begins = np.searchsorted(log.moment, log.moment) == np.arange(len(log))
    candidates = np.flatnonzero(wanted & begins & (place + n <= length))
    key = log.user_row[candidates].astype(np.int64) * (int(place.max(initial=0)) + 1) + place[candidates] // n
    candidates = candidates[np.unique(key, return_index=True)[1]]
    chosen = within_budget(candidates, place[candidates], seed=seed)
    return _asked(log, topics, chosen, chosen + n, log.time_us[chosen], seed=seed)


def _asked(
    log: EventLog, topics: Topics, start: NDArray[np.int64], end: NDArray[np.int64], at_us: Times, *, seed: int
) -> Questions:
    user = log.user_row[start] if len(start) else np.zeros(0, np.int32)
    first = log.user_offsets[user] if len(start) else start
    return questions(Histories(log, first, start, at_us, user), topics, start, end, seed=seed)
