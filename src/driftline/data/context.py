"""Context as of a moment: the last value of a series that was known, and the occasions that were known, never later."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from driftline.errors import DatasetError
from driftline.types import US_PER_DAY, Times


def series_names(context: pl.DataFrame) -> list[str]:
    """The names of the series, in alphabetical order."""
    return context["name"].unique().sort().to_list()


def series_at(context: pl.DataFrame, name: str, at_us: Times) -> NDArray[np.float64]:
    """The value of a series at each moment: the latest in time of those with `known_at <= at`; NaN before the first.

    Of several values for one time the one that became known last counts. Shape [n_moments]. DatasetError where the
    series does not exist.
    """
    known, time, value = _series(context, name)
    place = np.searchsorted(known, np.asarray(at_us, np.int64), side="right") - 1
    best = _latest_so_far(time)
    found = np.full(len(place), np.nan)
    ok = place >= 0
    found[ok] = value[best[place[ok]]]
    return found


def mean_at(context: pl.DataFrame, name: str, at_us: Times, days: float) -> NDArray[np.float64]:
    """The mean of the values that became known in the `days` up to each moment; NaN where none did."""
    known, _, value = _series(context, name)
    at = np.asarray(at_us, np.int64)
    high = np.searchsorted(known, at, side="right")
    low = np.searchsorted(known, at - round(days * US_PER_DAY), side="right")
    total = np.concatenate([[0.0], np.cumsum(value)])
    with np.errstate(invalid="ignore"):
        return np.asarray((total[high] - total[low]) / np.where(high > low, high - low, np.nan), np.float64)


@dataclass(frozen=True, eq=False)
class OccasionDays:
    """How far the nearest occasions are, in days; [n_moments].

    `to_next` is 0 during an occasion and infinite where none is known to come; `since_last` counts from the end of
    the last one that is over, infinite where there was none.
    """

    to_next: NDArray[np.float64]
    since_last: NDArray[np.float64]


def occasions_at(occasions: pl.DataFrame, at_us: int) -> pl.DataFrame:
    """The occasions under way at a moment of which one knew by then."""
    return occasions.filter(
        (pl.col("known_from_us") <= at_us) & (pl.col("start_us") <= at_us) & (pl.col("end_us") > at_us)
    )


def occasions_known(occasions: pl.DataFrame, at_us: int) -> pl.DataFrame:
    """Every occasion, past, present or to come, of which one knew at a moment."""
    return occasions.filter(pl.col("known_from_us") <= at_us)


def days_to_occasions(
    occasions: pl.DataFrame, at_us: Times, *, kind: str | None = None, names: Sequence[str] | None = None
) -> OccasionDays:
    """Days to the next and since the last occasion at each moment, of one kind or of some names where given.

    An occasion counts only from `known_from` on. Distinct occasions are few, moments may be many: one pass over the
    moments for each occasion.
    """
    if kind is not None:
        occasions = occasions.filter(pl.col("kind") == kind)
    if names is not None:
        occasions = occasions.filter(pl.col("name").is_in(list(names)))
    at = np.asarray(at_us, np.int64)
    distinct, inverse = np.unique(at, return_inverse=True)
    to_next, since_last = np.full(len(distinct), np.inf), np.full(len(distinct), np.inf)
    for start, end, known in occasions.select("start_us", "end_us", "known_from_us").unique().iter_rows():
        knows = distinct >= known
        ahead = np.where(distinct < end, np.maximum(start - distinct, 0) / US_PER_DAY, np.inf)
        behind = np.where(distinct >= end, (distinct - end) / US_PER_DAY, np.inf)
        to_next = np.where(knows, np.minimum(to_next, ahead), to_next)
        since_last = np.where(knows, np.minimum(since_last, behind), since_last)
    return OccasionDays(to_next[inverse], since_last[inverse])


def _series(context: pl.DataFrame, name: str) -> tuple[Times, Times, NDArray[np.float64]]:
    rows = context.filter(pl.col("name") == name).sort("known_at_us", "time_us", maintain_order=True)
    if not rows.height:
        raise DatasetError(
            f"expected one of the series {', '.join(series_names(context)) or 'none'}, got {name!r}; name one of them"
        )
    return rows["known_at_us"].to_numpy(), rows["time_us"].to_numpy(), rows["value"].to_numpy()


def _latest_so_far(time: Times) -> NDArray[np.int64]:
    """For each row, the row up to it with the greatest time, the later one of equals; shape [n]."""
    leads = time >= np.maximum.accumulate(time)
    return np.maximum.accumulate(np.where(leads, np.arange(len(time)), 0))
