"""Moments as days, for a page that people read."""

from __future__ import annotations

from typing import overload

import numpy as np
from numpy.typing import NDArray

from driftline.types import US_PER_DAY, format_time


@overload
def day_of(time_us: int) -> int: ...
@overload
def day_of(time_us: NDArray[np.int64]) -> NDArray[np.int64]: ...
def day_of(time_us: int | NDArray[np.int64]) -> int | NDArray[np.int64]:
    """Whole days since 1970 of moments.

    >>> day_of(US_PER_DAY + 5)
    1
    """
    return time_us // US_PER_DAY


def iso_day(day: int | np.integer) -> str:
    """The ISO date of a day since 1970.

    >>> iso_day(1)
    '1970-01-02'
    """
    return format_time(int(day) * US_PER_DAY)[:10]
