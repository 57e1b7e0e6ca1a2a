"""Users, relations, friends, context, occasions and impressions: tidy frames with times as int64 microseconds.

users        user_id, attributes
relations    head, relation, tail
friends      user_id, friend_id, time_us (int64 minimum: always)
context      time_us, name, value, known_at_us; sorted by (name, known_at_us)
occasions    name, start_us, end_us (the microsecond after the last day), kind, text, known_from_us
impressions  item_id, time_us, user_id, slate_id, position, propensity, reward (null where absent)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import polars as pl

from driftline.data import columns
from driftline.data.dataset import Problem
from driftline.data.problems import DROPPED, problem_at
from driftline.data.settings import DatasetSettings, Table
from driftline.data.tables import TableFile, as_text, infer_numbers, require, with_aliases
from driftline.data.times import read_times
from driftline.types import ALWAYS, US_PER_DAY

HOLIDAY = "holiday"
"""Occasions of this kind are always known."""

_Read = tuple[pl.DataFrame, list[Problem]]


def read_side_table(name: Table, table: TableFile, settings: DatasetSettings) -> _Read:
    """One side table with the columns that its reader promises; rows that cannot be read are reported and left out."""
    frame = with_aliases(table.frame, settings.columns.get(name, {}), table.path)
    require(frame, _REQUIRED[name], table.path)
    return _READERS[name](_Raw(name, frame, settings))


class _Raw:
    """A raw side table that is being read: columns by name, and a mask of the rows that stay."""

    def __init__(self, name: Table, frame: pl.DataFrame, settings: DatasetSettings) -> None:
        self.name, self.frame, self.settings = name, frame, settings
        self.bad = np.zeros(frame.height, bool)

    def text(self, column: str, *, needed: bool = False) -> pl.Series:
        if column not in self.frame.columns:
            return pl.Series(column, [None] * self.frame.height, dtype=pl.String)
        values = as_text(self.frame[column])
        if needed:
            self.bad |= values.is_null().to_numpy()
        return values.alias(column)

    def number(self, column: str, *, needed: bool = False) -> pl.Series:
        if column not in self.frame.columns:
            return pl.Series(column, [None] * self.frame.height, dtype=pl.Float64)
        values = self.frame[column].cast(pl.Float64, strict=False)
        finite = values.is_finite().fill_null(False)
        if needed:
            self.bad |= ~finite.to_numpy()
        return values.set(~finite, None).alias(column)

    def times(self, column: str, *, otherwise: pl.Series | int) -> pl.Series:
        """Times as int64; a missing one takes `otherwise`, an unreadable one spoils the row."""
        name = f"{column}_us"
        default = otherwise if isinstance(otherwise, pl.Series) else pl.Series(np.full(self.frame.height, otherwise))
        if column not in self.frame.columns:
            return default.alias(name)
        reading = read_times(self.frame[column], self.settings.time_of(self.name))
        self.bad |= reading.unreadable | reading.mixed | reading.impossible
        return pl.Series(name, np.where(reading.missing, default.to_numpy(), reading.time_us))

    def needed_times(self, column: str) -> pl.Series:
        """Times as int64 where a missing one spoils the row too."""
        values = self.times(column, otherwise=ALWAYS)
        self.bad |= (values == ALWAYS).to_numpy()
        return values

    def others(self, known: Sequence[str]) -> list[pl.Series]:
        rest = self.frame.select(name for name in self.frame.columns if name not in known)
        return infer_numbers(rest).get_columns()

    def done(self, series: Sequence[pl.Series]) -> _Read:
        frame = pl.DataFrame(series).filter(~self.bad)
        if not self.bad.any():
            return frame, []
        return frame, [problem_at(f"unreadable_{self.name}", self.bad, self.frame, DROPPED)]


def _users(raw: _Raw) -> _Read:
    users = raw.text(columns.USER_ID, needed=True)
    raw.bad |= (~users.is_first_distinct()).to_numpy()
    return raw.done([users, *raw.others((columns.USER_ID,))])


def _relations(raw: _Raw) -> _Read:
    known = (columns.HEAD, columns.RELATION, columns.TAIL)
    return raw.done([*(raw.text(name, needed=True) for name in known), *raw.others(known)])


def _friends(raw: _Raw) -> _Read:
    known = (columns.USER_ID, columns.FRIEND_ID)
    ids = [raw.text(name, needed=True) for name in known]
    return raw.done([*ids, raw.times(columns.TIME, otherwise=ALWAYS), *raw.others((*known, columns.TIME))])


def _context(raw: _Raw) -> _Read:
    time, name = raw.needed_times(columns.TIME), raw.text(columns.NAME, needed=True)
    value = raw.number(columns.VALUE, needed=True)
    known = raw.times(columns.KNOWN_AT, otherwise=ALWAYS)
    others = raw.others((columns.TIME, columns.NAME, columns.VALUE, columns.KNOWN_AT))
    frame, problems = raw.done([time, name, value, known, *others])
    return _with_known_at(frame), problems


def _with_known_at(frame: pl.DataFrame) -> pl.DataFrame:
    """Where `known_at` is not given, a value is known one step of its series after its time.

    The step is the median distance of the series' times (a day where there is only one), or the distance to the next
    time where that is longer and under two steps: the mean of a long month is not known before the month is over.
    """
    frame = frame.sort(columns.NAME, "time_us", maintain_order=True)
    gap = pl.col("time_us").unique().sort().diff().median().over(columns.NAME).fill_null(US_PER_DAY).cast(pl.Int64)
    following = (pl.col("time_us").shift(-1).over(columns.NAME) - pl.col("time_us")).fill_null(0)
    frame = frame.with_columns(gap.alias("step"), following.alias("following"))
    longer = (pl.col("following") > pl.col("step")) & (pl.col("following") < 2 * pl.col("step"))
    wait = pl.when(longer).then("following").otherwise("step")
    known = pl.when(pl.col("known_at_us") == ALWAYS).then(pl.col("time_us") + wait).otherwise("known_at_us")
    frame = frame.with_columns(known.alias("known_at_us")).drop("step", "following")
    return frame.sort(columns.NAME, "known_at_us", "time_us", maintain_order=True)


def _occasions(raw: _Raw) -> _Read:
    start = raw.needed_times(columns.START)
    end = raw.times(columns.END, otherwise=start)
    start, end = start // US_PER_DAY * US_PER_DAY, (end // US_PER_DAY + 1) * US_PER_DAY
    raw.bad |= (end <= start).to_numpy()
    kind = raw.text(columns.KIND)
    holiday = kind.str.to_lowercase().str.contains(HOLIDAY, literal=True).fill_null(False).to_numpy()
    default = pl.Series(np.where(holiday, ALWAYS, start.to_numpy()))
    known = raw.times(columns.KNOWN_FROM, otherwise=default)
    names = (columns.NAME, columns.START, columns.END, columns.KIND, columns.TEXT, columns.KNOWN_FROM)
    series = [raw.text(columns.NAME, needed=True), start.alias("start_us"), end.alias("end_us"), kind]
    frame, problems = raw.done([*series, raw.text(columns.TEXT), known, *raw.others(names)])
    return frame.sort("start_us", columns.NAME, maintain_order=True), problems


def _impressions(raw: _Raw) -> _Read:
    item, time = raw.text(columns.ITEM_ID, needed=True), raw.needed_times(columns.TIME)
    user, slate = raw.text(columns.USER_ID), raw.text(columns.SLATE_ID)
    numbers = [raw.number(name) for name in (columns.POSITION, columns.PROPENSITY, columns.REWARD)]
    known = (columns.ITEM_ID, columns.TIME, columns.USER_ID, columns.SLATE_ID, *(one.name for one in numbers))
    return raw.done([item, time, user, slate, *numbers, *raw.others(known)])


_READERS: dict[Table, Callable[[_Raw], _Read]] = {
    "users": _users,
    "relations": _relations,
    "friends": _friends,
    "context": _context,
    "occasions": _occasions,
    "impressions": _impressions,
}
_REQUIRED: dict[Table, tuple[str, ...]] = {
    "users": (columns.USER_ID,),
    "relations": (columns.HEAD, columns.RELATION, columns.TAIL),
    "friends": (columns.USER_ID, columns.FRIEND_ID),
    "context": (columns.TIME, columns.NAME, columns.VALUE),
    "occasions": (columns.NAME, columns.START),
    "impressions": (columns.ITEM_ID, columns.TIME),
}
