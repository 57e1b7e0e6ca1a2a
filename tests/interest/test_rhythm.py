"""The week's rhythm says by when a part of a window has passed, and reads nothing at or after the moment."""

from __future__ import annotations

import numpy as np
import pytest

from driftline.data.events import EventLog
from driftline.data.kinds import Kind
from driftline.data.vocabulary import Vocabulary
from driftline.interest.rhythm import EVENLY, HOURS, US_PER_HOUR, Rhythm

MONDAY = 4 * 24 * US_PER_HOUR  # 1970-01-05


def log_of(hours) -> EventLog:
    """One user's events at these hours after the first Monday of 1970."""
    times = MONDAY + np.asarray(hours, np.int64) * US_PER_HOUR
    rows = np.zeros(len(times), np.int32)
    return EventLog.from_columns(Vocabulary(["u"]), Vocabulary(["i"]), rows, rows, times, kinds=[Kind("purchase")])


def test_a_shop_that_opens_on_tuesdays_fills_tuesdays():
    rhythm = Rhythm.before(log_of([24 + 10, 168 + 24 + 11]), MONDAY + 20 * 24 * US_PER_HOUR)
    assert rhythm.shares.sum() == pytest.approx(1)
    assert rhythm.shares[24 + 10] == pytest.approx((1 - EVENLY) / 2 + EVENLY / HOURS)
    half = rhythm.moments(MONDAY, 7 * 24 * US_PER_HOUR, np.array([0.5]))
    assert (half[0] - MONDAY) / US_PER_HOUR == pytest.approx(24 + 11, abs=1.0)


def test_without_events_time_passes_evenly():
    rhythm = Rhythm.before(log_of([30]), MONDAY)
    length = 10 * 24 * US_PER_HOUR
    found = rhythm.moments(MONDAY, length, np.array([0.0, 0.25, 1.0]))
    assert (found - MONDAY).tolist() == pytest.approx([0, length / 4, length], rel=1e-6)


def test_events_at_or_after_the_moment_are_not_read():
    early = Rhythm.before(log_of([1, 2, 3]), MONDAY + 3 * US_PER_HOUR)
    assert early.shares.tolist() == Rhythm.before(log_of([1, 2, 77]), MONDAY + 3 * US_PER_HOUR).shares.tolist()


@pytest.mark.parametrize("hours", [0.001, 0.5, 400_000])
def test_very_short_and_very_long_windows_stay_inside(hours):
    length = round(hours * US_PER_HOUR)
    found = Rhythm.before(log_of([5]), MONDAY + 9 * US_PER_HOUR).moments(MONDAY, length, np.linspace(0, 1, 5))
    assert (np.diff(found) >= 0).all()
    assert MONDAY <= found[0] <= found[-1] <= MONDAY + length


def test_a_closed_day_has_little_activity_and_a_whole_week_seven_days():
    rhythm = Rhythm.before(log_of([24 + 10, 168 + 24 + 11]), MONDAY + 20 * 24 * US_PER_HOUR)
    day = 24 * US_PER_HOUR
    assert rhythm.days(MONDAY + 30 * US_PER_HOUR // 7, 7 * day) == pytest.approx(7, abs=0.05)
    assert rhythm.days(MONDAY + day, day) == pytest.approx(7 * (1 - EVENLY) + EVENLY)
    assert rhythm.days(MONDAY + 3 * day, day) == pytest.approx(EVENLY)
