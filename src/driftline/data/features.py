"""Features of events and of histories, each computed from what is strictly before the moment that is asked about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from driftline.data.context import days_to_occasions
from driftline.data.events import EventLog, Histories
from driftline.errors import DatasetError, NotEnoughDataError
from driftline.types import US_PER_DAY, US_PER_HOUR, Times

Features = dict[str, NDArray[np.float64]]
"""Named columns of equal length; NaN where a feature has no value."""

_EPOCH_WEEKDAY = 3
"""1970-01-01 was a Thursday; Monday is 0."""


def clock_features(at_us: Times, occasions: pl.DataFrame | None = None) -> Features:
    """Hour of the day (0-23) and weekday (Monday 0) in UTC at each moment, and days to and since an occasion."""
    at = np.asarray(at_us, np.int64)
    features = {
        "hour": (at % US_PER_DAY // US_PER_HOUR).astype(np.float64),
        "weekday": ((at // US_PER_DAY + _EPOCH_WEEKDAY) % 7).astype(np.float64),
    }
    if occasions is not None:
        days = days_to_occasions(occasions, at)
        features |= {"days_to_occasion": days.to_next, "days_since_occasion": days.since_last}
    return features


def history_features(
    histories: Histories, *, dwell: NDArray[np.float64] | None = None, occasions: pl.DataFrame | None = None
) -> Features:
    """One row per query.

    `recency` days since the last event (infinite for an empty history), `frequency` events, `rate` events per day
    between the first and `at`, `mean_value`, and `mean_dwell` of a column [n_events] of the log where it is given;
    with `clock_features`.
    """
    log, at = histories.log, histories.at_us
    some = histories.lengths > 0
    last, first = np.where(some, histories.end - 1, 0), np.where(some, histories.start, 0)
    time = log.time_us if len(log) else np.zeros(1, np.int64)
    recency = np.where(some, (at - time[last]) / US_PER_DAY, np.inf)
    span = np.where(some, (at - time[first]) / US_PER_DAY, np.nan)
    features = {
        "recency": recency,
        "frequency": histories.lengths.astype(np.float64),
        "rate": histories.lengths / np.maximum(span, 1.0),
        "mean_value": mean_before(histories, log.value.astype(np.float64)),
    }
    if dwell is not None:
        features["mean_dwell"] = mean_before(histories, dwell)
    return features | clock_features(at, occasions)


def event_features(log: EventLog, *, occasions: pl.DataFrame | None = None) -> Features:
    """One row per event of a log, each from what the user did at earlier moments alone.

    `recency` days since the user's moment before (infinite for the first), `frequency` events before this moment,
    `times_before` how often this user had this item before this moment; with `clock_features`.
    """
    start = _moment_starts(log)
    own = log.user_offsets[log.user_row]
    before = np.where(start > own, log.time_us[np.maximum(start - 1, 0)], 0) if len(log) else log.time_us
    features = {
        "recency": np.where(start > own, (log.time_us - before) / US_PER_DAY, np.inf),
        "frequency": (start - own).astype(np.float64),
        "times_before": _times_before(log).astype(np.float64),
    }
    return features | clock_features(log.time_us, occasions)


def mean_before(histories: Histories, column: NDArray[np.float64]) -> NDArray[np.float64]:
    """The mean of a column [n_events] over each history, without its NaN; NaN where nothing is left; [n_queries]."""
    fine = np.isfinite(column)
    total = np.concatenate([[0.0], np.cumsum(np.where(fine, column, 0.0))])
    count = np.concatenate([[0], np.cumsum(fine)])
    n = count[histories.end] - count[histories.start]
    difference = total[histories.end] - total[histories.start]
    return np.asarray(difference / np.where(n > 0, n, np.nan), np.float64)


def dwell_seconds(log: EventLog, *, column: str | None = None, limit: float = 1800.0) -> NDArray[np.float64]:
    """Seconds that each event held its user; shape [n_events].

    A column of the log where one is named, else the time to the user's next moment. That time is known only when the
    next moment has come, so an estimate for the last events of a history needs `dwell_before`. Longer than `limit` is
    absence, not attention, and NaN.
    """
    if column is not None:
        if log.extra is None or column not in log.extra.columns:
            raise DatasetError(f"expected column {column!r} in the events, got none of that name; name another")
        seconds = log.extra[column].cast(pl.Float64, strict=False).fill_null(np.nan).to_numpy()
    else:
        end = _moment_ends(log)
        last = log.user_offsets[log.user_row + 1]
        seconds = np.full(len(log), np.nan)
        follows = end < last
        seconds[follows] = (log.time_us[end[follows]] - log.time_us[follows]) / 1e6
    return np.where((seconds >= 0) & (seconds <= limit), seconds, np.nan)


def dwell_before(histories: Histories, *, limit: float = 1800.0) -> NDArray[np.float64]:
    """Mean seconds to the next moment over each history, of the pairs that both lie in it; [n_queries].

    The last moment of a history has no next one yet: reading it from the log would be reading the future.
    """
    log = histories.log
    inner = _moment_starts(log)[np.maximum(histories.end - 1, 0)] if len(log) else histories.end
    earlier = Histories(log, histories.start, np.maximum(inner, histories.start), histories.at_us, histories.user_row)
    return mean_before(earlier, dwell_seconds(log, limit=limit))


@dataclass(frozen=True, eq=False)
class PriceBands:
    """Bands of a price or amount, cut at quantiles of the training part; band b starts at `edges[b - 1]`."""

    edges: NDArray[np.float64]

    @classmethod
    def fit(cls, values: NDArray[np.floating], n_bands: int = 5) -> PriceBands:
        """Bands of about equal share of the finite values; NotEnoughDataError where there is none."""
        finite = np.asarray(values, np.float64)[np.isfinite(values)]
        if not len(finite):
            raise NotEnoughDataError("expected values to cut into bands, got none; name a column that has some")
        return cls(np.unique(np.quantile(finite, np.arange(1, n_bands) / n_bands)))

    def of(self, values: NDArray[np.floating]) -> NDArray[np.int64]:
        """The band of each value from 0; -1 where it is not finite."""
        band = np.searchsorted(self.edges, np.asarray(values, np.float64), side="right")
        return np.where(np.isfinite(values), band, -1)


@dataclass(frozen=True)
class Normalisation:
    """Features on one scale: `(f(x) − mean) / deviation` with f the logarithm of 1 + x for the names in `logged`.

    The numbers come from the training part alone. Infinite and missing values become 0, the mean.
    """

    means: Mapping[str, float]
    deviations: Mapping[str, float]
    logged: frozenset[str] = frozenset({"recency", "frequency", "rate", "times_before", "mean_dwell"})

    @classmethod
    def fit(cls, train: Features, *, logged: frozenset[str] | None = None) -> Normalisation:
        """Means and deviations of the finite values; a feature that never varies gets the deviation 1."""
        logs = cls.logged if logged is None else logged
        means, deviations = {}, {}
        for name, values in train.items():
            scaled = _log1p(values) if name in logs else values
            finite = scaled[np.isfinite(scaled)]
            means[name] = float(finite.mean()) if len(finite) else 0.0
            spread = float(finite.std()) if len(finite) else 0.0
            deviations[name] = spread if spread > 0 else 1.0
        return cls(means, deviations, logs)

    def apply(self, features: Features) -> NDArray[np.float32]:
        """The features of the fit, in its order, as a matrix [n_rows, n_features]."""
        scaled = []
        for name, mean in self.means.items():
            values = _log1p(features[name]) if name in self.logged else features[name]
            z = (values - mean) / self.deviations[name]
            scaled.append(np.where(np.isfinite(z), z, 0.0))
        return np.stack(scaled, axis=1).astype(np.float32)


def _log1p(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.sign(values) * np.log1p(np.abs(values)), np.float64)


def _moment_starts(log: EventLog) -> NDArray[np.int64]:
    """The first event of each event's moment; shape [n_events]."""
    return np.searchsorted(log.moment, log.moment)


def _moment_ends(log: EventLog) -> NDArray[np.int64]:
    """One past the last event of each event's moment; shape [n_events]."""
    return np.searchsorted(log.moment, log.moment, side="right")


def _times_before(log: EventLog) -> NDArray[np.int64]:
    """How often each event's user had its item at an earlier moment; shape [n_events]."""
    if not len(log):
        return np.zeros(0, np.int64)
    order = np.lexsort((log.moment, log.item_row, log.user_row))
    user, item, moment = log.user_row[order], log.item_row[order], log.moment[order]
    place = np.arange(len(order))
    new_pair = np.concatenate([[True], (np.diff(user) != 0) | (np.diff(item) != 0)])
    new_moment = new_pair | np.concatenate([[True], np.diff(moment) != 0])
    pair_start = np.maximum.accumulate(np.where(new_pair, place, 0))
    moment_start = np.maximum.accumulate(np.where(new_moment, place, 0))
    counts = np.empty(len(order), np.int64)
    counts[order] = moment_start - pair_start
    return counts
