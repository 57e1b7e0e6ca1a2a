"""A column of times into int64 microseconds UTC: ISO-8601 in any usual form, or epoch numbers of one detected unit.

The unit is detected on the whole column, never row by row: what most values agree on is the unit, and a value whose
magnitude belongs to another is not converted but reported.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from driftline.data.settings import TimeSettings
from driftline.errors import DatasetError
from driftline.types import US_PER_DAY, US_PER_HOUR, US_PER_MINUTE, US_PER_SECOND, Times

_FACTOR = {"s": 1_000_000, "ms": 1_000, "us": 1}
_UNITS = ("s", "ms", "us", "ns")
_LIMITS = np.array([1e11, 1e14, 1e17])
"""An epoch number below the first is seconds (until the year 5138), below the second milliseconds, and so on."""

_LAST_US = 253_402_300_799_999_999
"""The last microsecond of the year 9999: what a datetime can hold."""

_ISO = (
    r"^\s*(?P<year>\d{4})(?:-?(?P<month>\d{2})(?:-?(?P<day>\d{2}))?)?"
    r"(?:[Tt ]\s*(?P<hour>\d{2})(?::?(?P<minute>\d{2})(?::?(?P<second>\d{2})(?:[.,](?P<fraction>\d{1,9})\d*)?)?)?"
    r"\s*(?P<zone>[Zz]|UTC|[+-]\d{2}(?::?\d{2})?)?)?\s*$"
)
_NUMBER = r"^\s*[+-]?\d+(\.\d*)?([eE][+-]?\d+)?\s*$"
_YEAR = r"^\s*\d{4}\s*$"
_SLICE = 1_000_000
_UNREADABLE = np.iinfo(np.int64).min


@dataclass(frozen=True, eq=False)
class TimeReading:
    """Times of a column: `time_us` [n] (int64 minimum where there is none), and what is wrong with which rows."""

    time_us: Times
    unit: str
    missing: NDArray[np.bool_]
    unreadable: NDArray[np.bool_]
    mixed: NDArray[np.bool_]
    impossible: NDArray[np.bool_]

    @property
    def good(self) -> NDArray[np.bool_]:
        """Rows that have a time."""
        return ~(self.missing | self.unreadable | self.mixed | self.impossible)


def read_times(column: pl.Series, settings: TimeSettings | None = None) -> TimeReading:
    """Read a column of any type.

    Text is ISO-8601 (a `T` or a space, any fraction, with a zone or UTC without one, a bare date is 00:00Z, a bare
    year its first day) or epoch numbers; numbers are epoch s, ms, us or ns, or whole years where all are. Before 1970
    and after 9999 is impossible. DatasetError for a column of another type.

    >>> read_times(pl.Series(["1970-01-02", "1970-01-01T00:00:01.5Z"])).time_us.tolist()
    [86400000000, 1500000]
    """
    settings = settings or TimeSettings()
    dtype = column.dtype
    if dtype in (pl.Date, pl.Datetime):
        return _reading(_from_datetime(column), "datetime", column.is_null().to_numpy())
    if dtype.is_numeric():
        return _from_numbers(column, settings)
    if dtype not in (pl.String, pl.Categorical, pl.Enum, pl.Null):
        raise DatasetError(f"expected times as text, numbers or datetimes in {column.name}, got {dtype}; convert them")
    text = column.cast(pl.String, strict=False)
    missing = (text.is_null() | text.str.strip_chars().is_in(["", "NaN", "nan", "NaT"])).fill_null(True).to_numpy()
    if settings.format:
        parsed = text.str.to_datetime(settings.format, time_unit="us", strict=False)
        return _reading(_from_datetime(parsed), settings.format, missing)
    return _from_text(text, missing, settings)


def read_positions(column: pl.Series) -> TimeReading:
    """The times of an order-only table: whole numbers that say which event came first, kept as they are."""
    numbers = column.cast(pl.Int64, strict=False)
    time_us = numbers.fill_null(_UNREADABLE).to_numpy()
    missing = column.is_null().to_numpy()
    nothing = np.zeros(len(column), bool)
    return TimeReading(time_us, "position", missing, (time_us == _UNREADABLE) & ~missing, nothing, nothing)


def _reading(time_us: Times, unit: str, missing: NDArray[np.bool_]) -> TimeReading:
    unreadable = (time_us == _UNREADABLE) & ~missing
    impossible = ((time_us < 0) | (time_us > _LAST_US)) & ~missing & ~unreadable
    return TimeReading(time_us, unit, missing, unreadable, np.zeros(len(time_us), bool), impossible)


def _from_datetime(column: pl.Series) -> Times:
    return column.cast(pl.Datetime("us")).to_physical().fill_null(_UNREADABLE).to_numpy()


def _from_text(text: pl.Series, missing: NDArray[np.bool_], settings: TimeSettings) -> TimeReading:
    """The form of most rows is the form of the column; rows in the other form are mixed."""
    numeric = text.str.contains(_NUMBER).fill_null(False).to_numpy() & ~missing
    if not (numeric | missing).all():
        # Beside dates, four digits are a year.
        numeric &= ~text.str.contains(_YEAR).fill_null(False).to_numpy()
    if not numeric.any():
        return _reading(_from_iso(text), "ISO-8601", missing)
    if numeric.sum() * 2 < (~missing).sum():
        reading = _reading(_from_iso(text.set(pl.Series(numeric), None)), "ISO-8601", missing)
        mixed = numeric
    else:
        reading = _from_numbers(_numbers(text.set(pl.Series(~numeric), None)), settings)
        mixed = reading.mixed | (~numeric & ~missing & (_from_iso(text) != _UNREADABLE))
    unreadable = (reading.unreadable | reading.missing) & ~missing & ~mixed
    return TimeReading(reading.time_us, reading.unit, missing, unreadable, mixed, reading.impossible & ~mixed)


def _numbers(text: pl.Series) -> pl.Series:
    """Whole numbers exactly (nanoseconds need 61 bits), others as floats."""
    text = text.str.strip_chars()
    whole = text.cast(pl.Int64, strict=False)
    return whole if (whole.is_null() == text.is_null()).all() else text.cast(pl.Float64, strict=False)


def _from_numbers(column: pl.Series, settings: TimeSettings) -> TimeReading:
    if column.dtype.is_integer():
        missing = column.is_null().to_numpy()
        values = column.cast(pl.Int64, strict=False).fill_null(0).to_numpy()
    else:
        floats = column.cast(pl.Float64).fill_null(np.nan).to_numpy()
        missing = ~np.isfinite(floats)
        values = np.where(missing, 0.0, floats)
    present = values[~missing & (values != 0)]
    if settings.unit is None and len(present) and (calendar := _calendar(present)):
        return _reading(_from_iso(_digits(column)), calendar, missing)
    classes = np.searchsorted(_LIMITS, np.abs(values), side="right").astype(np.int8)
    counts = np.bincount(classes[~missing & (values > 0)], minlength=4)
    unit = settings.unit or _UNITS[int(counts.argmax())]
    # Zero is 1970 in every unit and less is before it; a declared unit is believed, whatever it makes of the times.
    detected = settings.unit is None
    mixed = ~missing & (values > 0) & (classes != _UNITS.index(unit)) if detected else missing & False
    time_us = _scaled(values, unit)
    impossible = ~missing & ~mixed & ((time_us < 0) | (time_us > _LAST_US))
    return TimeReading(time_us, unit, missing, missing & False, mixed, impossible)


def _scaled(values: NDArray[np.int64] | NDArray[np.float64], unit: str) -> Times:
    if unit == "ns":
        return (values // 1000).astype(np.int64)
    factor = _FACTOR[unit]
    limit = (_LAST_US + 1) // factor
    scaled = np.clip(values, -limit, limit) * factor
    return (np.rint(scaled) if scaled.dtype.kind == "f" else scaled).astype(np.int64, copy=False)


def _calendar(values: NDArray[np.int64] | NDArray[np.float64]) -> str | None:
    """Whether all numbers are years (2011) or dates in digits (20110901): as an epoch they would all be 1970."""
    low, high = values.min(), values.max()
    if low >= 1900 and high <= 2100:
        return "year"
    month, day = values // 100 % 100, values % 100
    if low >= 19_000_101 and high <= 21_001_231 and ((month >= 1) & (month <= 12) & (day >= 1) & (day <= 31)).all():
        return "yyyymmdd"
    return None


def _digits(column: pl.Series) -> pl.Series:
    return column.cast(pl.Int64, strict=False).cast(pl.String)


def _from_iso(text: pl.Series) -> Times:
    """ISO-8601 text, int64 minimum where it is none; each distinct text is read once."""
    distinct = text.drop_nulls().unique()
    if not len(distinct):
        return np.full(len(text), _UNREADABLE, np.int64)
    # In slices: the groups of a match take many times the room of the text.
    known = np.concatenate([_iso_us(part) for part in distinct.to_frame().iter_slices(_SLICE)])
    codes = text.cast(pl.Enum(distinct)).to_physical()
    return np.where(codes.is_null().to_numpy(), _UNREADABLE, known[codes.fill_null(0).to_numpy()])


def _iso_us(texts: pl.DataFrame) -> Times:
    part = texts.to_series().str.extract_groups(_ISO).struct.unnest()
    number = {name: part[name].cast(pl.Int64).fill_null(0).to_numpy() for name in ("year", "hour", "minute", "second")}
    month = part["month"].cast(pl.Int64).fill_null(1).to_numpy()
    day = part["day"].cast(pl.Int64).fill_null(1).to_numpy()
    fraction = part["fraction"].str.pad_end(6, "0").str.slice(0, 6).cast(pl.Int64).fill_null(0).to_numpy()
    valid = part["year"].is_not_null().to_numpy() & (month >= 1) & (month <= 12)
    valid &= (number["hour"] < 24) & (number["minute"] < 60) & (number["second"] < 60)
    first = (number["year"] - 1970).astype("M8[Y]").astype("M8[M]") + (np.clip(month, 1, 12) - 1)
    days = first.astype("M8[D]").astype(np.int64) + day - 1
    valid &= (day >= 1) & (days < (first + 1).astype("M8[D]").astype(np.int64))
    clock = number["hour"] * US_PER_HOUR + number["minute"] * US_PER_MINUTE + number["second"] * US_PER_SECOND
    time_us = days * US_PER_DAY + clock + fraction - _zone_us(part["zone"])
    return np.where(valid, time_us, _UNREADABLE)


def _zone_us(zone: pl.Series) -> Times:
    """How far each zone is ahead of UTC."""
    sign = np.where(zone.str.starts_with("-").fill_null(False).to_numpy(), -1, 1)
    hours = zone.str.extract(r"^[+-](\d{2})").cast(pl.Int64).fill_null(0).to_numpy()
    minutes = zone.str.extract(r"^[+-]\d{2}:?(\d{2})").cast(pl.Int64).fill_null(0).to_numpy()
    return np.asarray(sign * (hours * US_PER_HOUR + minutes * US_PER_MINUTE), np.int64)
