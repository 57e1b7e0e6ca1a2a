"""What a reader of a forecast has to be told in words: whose mix it follows, and what it cannot know."""

from __future__ import annotations

from typing import Literal

import numpy as np

from driftline.data.events import EventLog
from driftline.interest.horizons import Horizon
from driftline.interest.state import Counts
from driftline.types import US_PER_DAY

LedBy = Literal["everybody", "own history"]


def led_by(shares: Counts, own: Counts, prior: Counts) -> LedBy:
    """Whether a forecast lies closer to the mix of everybody or to the user's own; all [n_topics], `own` are counts.

    Closeness is total variation, Σ |p - q| / 2.

    >>> led_by(np.array([0.6, 0.4]), np.array([1.0, 0.0]), np.array([0.5, 0.5]))
    'everybody'
    """
    if own.sum() <= 0:
        return "everybody"
    from_own, from_all = (float(np.abs(shares - mix).sum()) for mix in (own / own.sum(), prior))
    return "everybody" if from_all <= from_own else "own history"


def forecast_notes(log: EventLog, at_us: int, horizon: Horizon, n_events: int, led: LedBy) -> list[str]:
    """Sentences for one forecast; of `log` only what is before `at_us` is read."""
    notes = []
    if not n_events:
        notes.append("no events before this moment: what everybody wants")
    elif led == "everybody":
        events = "1 event" if n_events == 1 else f"{n_events:,} events"
        notes.append(f"{events} before this moment: led by what everybody wants")
    elif n_events == 1:
        notes.append("1 event before this moment: all that is known of this user")
    if beyond := _beyond(log, at_us, horizon):
        notes.append(beyond)
    return notes


def _beyond(log: EventLog, at_us: int, horizon: Horizon) -> str | None:
    """What to say of a horizon that is longer than anything that was ever seen."""
    before = log.time_us < at_us
    if not before.any():
        return None
    if horizon.events is not None:
        longest = int(np.bincount(log.user_row[before]).max())
        return (
            f"{horizon} looks further than the longest history, {longest:,} events"
            if horizon.events > longest
            else None
        )
    days = (at_us - int(log.time_us[before].min())) / US_PER_DAY
    return (
        f"{horizon} looks further ahead than the {days:,.1f} days that are known"
        if (horizon.days or 0) > days
        else None
    )
