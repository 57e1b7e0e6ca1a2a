"""Users who act like machines: too fast for a hand, or as regular as a clock."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from driftline.data.events import EventLog
from driftline.types import US_PER_DAY, US_PER_HOUR, US_PER_MINUTE, US_PER_SECOND, Times

RATE_MOMENTS = 150
RATE_US = 5 * US_PER_MINUTE
"""A robot by rate has this many distinct moments within this time: one every two seconds, without a pause."""

REGULAR_GAPS = 40
REGULAR_SHARE = 0.8
REGULAR_TOLERANCE = 0.05
"""A robot by regularity has so many gaps of which this share equal the gap before, within the tolerance."""

_RESOLUTIONS = (US_PER_DAY, US_PER_HOUR, US_PER_MINUTE, US_PER_SECOND)


def time_resolution_us(log: EventLog) -> int:
    """The coarsest of day, hour, minute, second that divides all times of a log; else one microsecond."""
    return next((unit for unit in _RESOLUTIONS if not (log.time_us % unit).any()), 1)


def moments(log: EventLog) -> tuple[NDArray[np.int32], Times, NDArray[np.int64]]:
    """Distinct (user, time) pairs of a log in its order: user rows, times, and the first event of each."""
    if not len(log):
        return log.user_row, log.time_us, np.zeros(0, np.int64)
    first = np.flatnonzero(np.concatenate([[True], np.diff(log.moment) > 0]))
    return log.user_row[first], log.time_us[first], first


def robots_by_rate(log: EventLog) -> NDArray[np.bool_]:
    """Which users had `RATE_MOMENTS` distinct moments within `RATE_US`; a basket of many lines is one moment."""
    user, time, _ = moments(log)
    robots = np.zeros(log.n_users, bool)
    ahead = RATE_MOMENTS - 1
    fast = (user[ahead:] == user[:-ahead]) & (time[ahead:] - time[:-ahead] < RATE_US)
    robots[user[ahead:][fast]] = True
    return robots


def robots_by_regularity(log: EventLog) -> NDArray[np.bool_]:
    """Which users act at nearly equal gaps.

    A gap of a few ticks of the clock (one day in a log of dates) says nothing and does not count as regular.
    """
    user, time, _ = moments(log)
    gap = np.diff(time)
    within = user[1:] == user[:-1]
    pair = within[1:] & within[:-1]
    telling = gap[:-1] >= 10 * time_resolution_us(log)
    equal = np.abs(np.diff(gap)) <= REGULAR_TOLERANCE * gap[:-1]
    pairs = np.bincount(user[2:][pair], minlength=log.n_users)
    regular = np.bincount(user[2:][pair & telling & equal], minlength=log.n_users)
    return (pairs >= REGULAR_GAPS) & (regular >= REGULAR_SHARE * pairs)
