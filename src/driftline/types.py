"""Scalars and arrays that every room shares: moments, durations, rows, scores.

Time inside Driftline is int64 microseconds since 1970-01-01T00:00:00 UTC (`time_us`); text and datetimes exist
only at the edge, where `parse_time` and `format_time` stand.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from driftline.errors import RequestError

Rows = NDArray[np.int32]
"""Internal row numbers of users or items."""
Times = NDArray[np.int64]
"""Moments in microseconds UTC."""
Scores = NDArray[np.float32]
"""Numbers to sort by; higher is better; shape [n_queries, n_items]."""

US_PER_SECOND = 1_000_000
US_PER_MINUTE = 60 * US_PER_SECOND
US_PER_HOUR = 60 * US_PER_MINUTE
US_PER_DAY = 24 * US_PER_HOUR

END_OF_TIME: int = np.iinfo(np.int64).max
"""A moment after every event."""
ALWAYS: int = np.iinfo(np.int64).min
"""A moment before every event: known, or to be had, from the start."""

Progress = Callable[[int, int, str], None]
"""Called as `progress(done, total, what)` by work that takes long; drawing is the caller's business."""

Size = Literal["small", "medium", "large"]
"""The one dial of how big models are; everything else is derived from it."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(m|min|h|d|w)", re.ASCII)
_SHORTEST_US, _LONGEST_US = US_PER_MINUTE, 36_525 * US_PER_DAY
"""A minute and a hundred years: what is shorter or longer is a slip of the keyboard."""
_UNIT_US = {"m": US_PER_MINUTE, "min": US_PER_MINUTE, "h": US_PER_HOUR, "d": US_PER_DAY, "w": 7 * US_PER_DAY}


_FIRST_US, _LAST_US = -62_135_596_800_000_000, 253_402_300_799_999_999
"""The calendar's first and last microsecond: years 1 and 9999. Positions, and what follows the last, lie beyond."""


def parse_time(text: str) -> int:
    """Read one ISO-8601 moment as microseconds UTC; without a zone it is UTC, a bare date is 00:00Z.

    >>> parse_time("1970-01-02")
    86400000000
    """
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        raise RequestError(
            f"expected a time such as 2011-09-01 or 2011-09-01T14:30:00Z, got {text!r}; write it as ISO-8601"
        ) from None
    return to_us(moment)


def to_us(moment: datetime) -> int:
    """Microseconds UTC of a datetime; a naive one is read as UTC."""
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return (aware - _EPOCH) // timedelta(microseconds=1)


def format_time(time_us: int) -> str:
    """RFC 3339 UTC text of a moment, without a fraction when there is none; beyond the calendar, the calendar's end.

    >>> format_time(86_400_000_000)
    '1970-01-02T00:00:00Z'
    """
    moment = _EPOCH + timedelta(microseconds=min(max(int(time_us), _FIRST_US), _LAST_US))
    return moment.isoformat().replace("+00:00", "Z")


def parse_duration(text: str) -> int:
    """Read a duration such as `90min`, `12h`, `7d` or `2w` as microseconds.

    >>> parse_duration("7d") == 7 * US_PER_DAY
    True
    """
    match = _DURATION.fullmatch(text.strip())
    duration = float(match[1]) * _UNIT_US[match[2]] if match else 0.0
    if not _SHORTEST_US <= duration <= _LONGEST_US:
        raise RequestError(f"expected a duration of a minute to a hundred years, such as 12h, 7d or 2w, got {text!r}")
    return round(duration)
