"""What everybody took before a moment: the slate of those of whom nothing is known, and a checkable reason."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from driftline.data.events import EventLog
from driftline.types import US_PER_DAY, Scores, format_time

DAYS = 7
MIN_EVENTS = 1_000
"""The window is the last 7 days, or as many as hold 1,000 events."""


@dataclass(frozen=True, eq=False)
class Popular:
    """Positive events per item strictly before `at_us`: in the last `days` and in all; both shape [n_items]."""

    at_us: int
    days: int
    recent: NDArray[np.int64]
    ever: NDArray[np.int64]

    @classmethod
    def before(cls, log: EventLog, at_us: int, *, dated: bool = True) -> Popular:
        """Count what came before a moment; where times are only an order (`dated` is False) there is no window."""
        past = log.positive.before(at_us)
        if not dated:
            return cls(at_us, 0, np.zeros(past.n_items, np.int64), past.item_counts())
        ages = np.sort((at_us - past.time_us) // US_PER_DAY)
        days = max(DAYS, int(ages[min(MIN_EVENTS, len(ages)) - 1]) + 1) if len(ages) else DAYS
        recent = past.select(past.time_us >= at_us - days * US_PER_DAY)
        return cls(at_us, days, recent.item_counts(), past.item_counts())

    def scores(self) -> Scores:
        """Recent counts, those of all time between equals; 0 … 1, shape [n_items]."""
        recent = self.recent / max(self.recent.max(initial=0), 1)
        ever = self.ever / max(self.ever.max(initial=0), 1)
        # A tie-break that is smaller than one recent event.
        scores = recent + ever / (2 * max(self.recent.max(initial=0), 1))
        return np.asarray(scores, np.float32)

    def reason(self, item_row: int) -> str:
        """How often the item was taken lately, or ever."""
        if self.recent[item_row]:
            return f"popular: taken {_times(self.recent[item_row])} in the {self.days} days before {self.day}"
        if self.ever[item_row]:
            return f"popular: taken {_times(self.ever[item_row])} by everybody"
        return "in the catalog, and nobody has taken it yet"

    @property
    def day(self) -> str:
        """The day of the moment."""
        return format_time(self.at_us)[:10]


def _times(n: np.int64) -> str:
    return "once" if n == 1 else f"{n:,} times"
