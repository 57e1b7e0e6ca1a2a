"""The week's rhythm: at which hours of which days people come, and so by when a part of a window has passed for them.

Time is counted in everybody's events: an hour of the week counts as many as came in it, a tenth of all spread evenly.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from driftline.data.events import EventLog
from driftline.types import US_PER_DAY

HOURS = 168
US_PER_HOUR = US_PER_DAY // 24
EVENLY = 0.1
"""What part of all events is thought to come at any hour alike."""

MOST_STEPS = 20_000
"""A window is cut into hours, or into so many parts where it has more."""


@dataclass(frozen=True, eq=False)
class Rhythm:
    """The share of all events in each hour of the week, from Monday 00:00 UTC on; shape [HOURS], sums to 1."""

    shares: NDArray[np.float64]

    @classmethod
    def before(cls, log: EventLog, at_us: int) -> Rhythm:
        """Counted over the events strictly before a moment; even where there is none."""
        counts = np.bincount(_hour(log.time_us[log.time_us < at_us]), minlength=HOURS).astype(np.float64)
        own = counts / counts.sum() if counts.sum() else np.full(HOURS, 1 / HOURS)
        return cls((1 - EVENLY) * own + EVENLY / HOURS)

    def moments(self, at_us: int, length_us: int, parts: NDArray[np.float64]) -> NDArray[np.int64]:
        """The moments by which so great a part (0 … 1) of a window's events is expected to have come; as `parts`."""
        ends, passed = self._passed(at_us, length_us)
        gone = np.interp(parts * passed[-1], passed, ends)
        return np.asarray(at_us + gone.astype(np.int64), np.int64)

    def days(self, at_us: int, length_us: int) -> float:
        """How many days of mean activity a window has: 7 for any whole week, fewer for a quiet weekend."""
        return 7 * float(self._passed(at_us, length_us)[1][-1])

    def _passed(self, at_us: int, length_us: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Steps into a window, in microseconds, and the weeks of activity that have passed by then."""
        n_steps = int(np.clip(-(-length_us // US_PER_HOUR), 1, MOST_STEPS))
        ends = np.linspace(0, length_us, n_steps + 1)
        # Each step counts as the hour of its middle.
        middle = at_us + ((ends[1:] + ends[:-1]) / 2).astype(np.int64)
        share = self.shares[_hour(middle)] * np.diff(ends) / US_PER_HOUR
        return ends, np.concatenate([[0.0], np.cumsum(share)])


def _hour(time_us: NDArray[np.int64]) -> NDArray[np.int64]:
    """The hour of the week, 0 … 167; 1970 began on a Thursday."""
    return np.asarray((time_us // US_PER_HOUR + 3 * 24) % HOURS, np.int64)
