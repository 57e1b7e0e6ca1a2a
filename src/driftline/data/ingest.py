"""From a table of events to a sorted log: what cannot be read and what stands there twice is counted and left out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from driftline.data import columns
from driftline.data.dataset import Problem
from driftline.data.events import EventLog
from driftline.data.kinds import INTERACTION, Kind
from driftline.data.problems import DROPPED, problem, problem_at
from driftline.data.settings import DatasetSettings
from driftline.data.tables import TableFile, as_text, infer_numbers, require, with_aliases
from driftline.data.times import TimeReading, read_positions, read_times
from driftline.data.vocabulary import Vocabulary
from driftline.errors import DatasetError
from driftline.types import Times

_KNOWN = (columns.USER_ID, columns.ITEM_ID, columns.TIME, columns.EVENT, columns.VALUE)
_MAX_KINDS = 127

FILE_ORDER = "file order"
"""The unit of times of an order-only table that has none: the row in the file."""


@dataclass(frozen=True, eq=False)
class Ingested:
    """A log with what was found on the way.

    `file_row` [n_events] is each event's row in the file, from 0; `rows` counts the rows of the file.
    """

    log: EventLog
    file_row: NDArray[np.int64]
    rows: int
    time_unit: str
    problems: tuple[Problem, ...]

    def select(self, keep: NDArray[np.bool_]) -> Ingested:
        """The events of a mask."""
        return replace(self, log=self.log.select(keep), file_row=self.file_row[keep])


@dataclass(frozen=True, eq=False)
class _Columns:
    """Readable rows in file order."""

    user: pl.Series
    item: pl.Series
    time_us: Times
    kind: NDArray[np.int8]
    kinds: tuple[Kind, ...]
    value: NDArray[np.float32]
    extra: pl.DataFrame | None
    file_row: NDArray[np.int64]


def ingest(
    table: TableFile,
    settings: DatasetSettings,
    *,
    users: Vocabulary,
    items: Vocabulary,
    kinds: tuple[Kind, ...] = (),
    lenient: bool = False,
) -> Ingested:
    """Read a table of events under the rules of `settings`; the vocabularies and kinds given come first.

    New users and items follow in the order in which the file names them. Events of one user and one time keep the
    order of the file. Rows without a readable user, item or time, and exact duplicates, are problems and left out.
    """
    frame = with_aliases(table.frame, settings.columns.get("events", {}), table.path, lenient=lenient)
    require(frame, (columns.USER_ID, columns.ITEM_ID), table.path)
    if columns.TIME not in frame.columns and not settings.order_only:
        raise DatasetError(
            f"expected columns user_id, item_id, time in {table.path.name}, got {', '.join(frame.columns[:12])}; "
            "name the time's alias in dataset.toml, or set order_only = true there to take the file's order"
        )
    reading = _times(frame, settings)
    parts, problems = _readable(frame, reading, settings, kinds)
    problems = _file_problems(table) + problems
    log, file_row = _sorted_log(parts, users, items)
    problems += _small_times(log, reading)
    keep = ~duplicate_mask(log)
    if not keep.all():
        gone = ~keep
        where = _describe(log, file_row, int(gone.argmax()))
        problems.append(problem("exact_duplicates", int(gone.sum()), where, DROPPED))
    ingested = Ingested(log, file_row, frame.height, reading.unit, tuple(problems))
    return ingested if keep.all() else ingested.select(keep)


def duplicate_mask(log: EventLog) -> NDArray[np.bool_]:
    """Which events stood earlier in the log already: the same `event_id`, else all columns equal; shape [n_events]."""
    mask = np.zeros(len(log), bool)
    named = np.zeros(len(log), bool)
    if log.extra is not None and columns.EVENT_ID in log.extra.columns:
        ids = log.extra[columns.EVENT_ID]
        named = ids.is_not_null().to_numpy()
        mask |= named & ~ids.is_first_distinct().to_numpy()
    # Only events that share user and time with a neighbour can be equal; everything else need not be compared.
    same = np.zeros(len(log), bool)
    if len(log) > 1:
        same[1:] = np.diff(log.moment) == 0
        same[:-1] |= same[1:]
    rows = np.flatnonzero(same & ~named)
    if len(rows):
        part = log.select(rows)
        frame = pl.DataFrame(
            {"moment": log.moment[rows], "item": part.item_row, "kind": part.kind, "value": part.value}
        )
        frame = frame if part.extra is None else frame.hstack(part.extra.rename(lambda name: f"extra {name}"))
        mask[rows] = ~frame.select(pl.struct(pl.all()).is_first_distinct()).to_series().to_numpy()
    return mask


def _times(frame: pl.DataFrame, settings: DatasetSettings) -> TimeReading:
    if not settings.order_only:
        return read_times(frame[columns.TIME], settings.time_of("events"))
    if columns.TIME in frame.columns:
        return read_positions(frame[columns.TIME])
    nothing = np.zeros(frame.height, bool)
    return TimeReading(np.arange(frame.height, dtype=np.int64), FILE_ORDER, nothing, nothing, nothing, nothing)


def _readable(
    frame: pl.DataFrame, reading: TimeReading, settings: DatasetSettings, kinds: tuple[Kind, ...]
) -> tuple[_Columns, list[Problem]]:
    user, item = as_text(frame[columns.USER_ID]), as_text(frame[columns.ITEM_ID])
    bad = {
        "missing_user_id": user.is_null().to_numpy(),
        "missing_item_id": item.is_null().to_numpy(),
        "missing_time": reading.missing,
        "unreadable_time": reading.unreadable,
        "mixed_time_units": reading.mixed,
        "impossible_time": reading.impossible,
    }
    problems = [problem_at(code, mask, frame, DROPPED) for code, mask in bad.items() if mask.any()]
    keep = ~np.logical_or.reduce(list(bad.values()))
    if not keep.any():
        raise _nothing_readable(frame, problems)
    value, value_problems = _values(frame)
    kind, kinds = _kinds(frame, settings, kinds)
    others = [name for name in frame.columns if name not in _KNOWN]
    extra = _extra(frame.select(others)) if others else None
    file_row = np.arange(frame.height)
    if not keep.all():
        user, item, kind, value, file_row = (
            user.filter(keep),
            item.filter(keep),
            kind[keep],
            value[keep],
            file_row[keep],
        )
        extra = None if extra is None else extra.filter(keep)
    time_us = reading.time_us if keep.all() else reading.time_us[keep]
    return _Columns(user, item, time_us, kind, kinds, value, extra, file_row), problems + value_problems


def _nothing_readable(frame: pl.DataFrame, problems: list[Problem]) -> DatasetError:
    if not frame.height:
        return DatasetError("expected at least one event, got a table of events without rows; fill it")
    worst = max(problems, key=lambda one: one.count)
    hint = ", or say in dataset.toml how its times are written" if "time" in worst.code else ""
    return DatasetError(
        f"expected at least one readable event, got {frame.height} rows of which {worst.count} have {worst.code} "
        f"(such as {worst.example}); correct the file{hint}"
    )


def _values(frame: pl.DataFrame) -> tuple[NDArray[np.float32], list[Problem]]:
    """The value column as float32; text that is no number and infinities become NaN and are counted."""
    if columns.VALUE not in frame.columns:
        return np.full(frame.height, np.nan, np.float32), []
    column = frame[columns.VALUE]
    text = column.cast(pl.String, strict=False).str.strip_chars() if column.dtype == pl.String else column
    number = text.cast(pl.Float64, strict=False)
    unreadable = number.is_null().to_numpy() & text.is_not_null().to_numpy()
    if text.dtype == pl.String:
        unreadable &= ~text.str.to_lowercase().is_in(["", "nan", "null"]).fill_null(True).to_numpy()
    with np.errstate(over="ignore"):
        values = number.fill_null(np.nan).to_numpy().astype(np.float32)
    infinite = np.isinf(values)
    action = "value read as none"
    problems = [
        problem_at(code, mask, frame, action)
        for code, mask in (("unreadable_value", unreadable), ("infinite_value", infinite))
        if mask.any()
    ]
    return np.where(infinite, np.float32(np.nan), values), problems


def _kinds(
    frame: pl.DataFrame, settings: DatasetSettings, known: tuple[Kind, ...]
) -> tuple[NDArray[np.int8], tuple[Kind, ...]]:
    """The kind of each row as a number, and the kinds: those known, then new ones in order of first appearance."""
    names = {kind.name: place for place, kind in enumerate(known)}
    if columns.EVENT not in frame.columns:
        place = names.setdefault(INTERACTION, len(names))
        return np.full(frame.height, place, np.int8), _as_kinds(names, settings, known)
    column = as_text(frame[columns.EVENT]).fill_null(INTERACTION)
    distinct = column.unique(maintain_order=True)
    for name in distinct:
        names.setdefault(name, len(names))
    if len(names) > _MAX_KINDS:
        raise DatasetError(
            f"expected at most {_MAX_KINDS} kinds in column event, got {len(names)} such as {distinct[0]!r}; "
            "rename the column if it holds something else"
        )
    place_of = np.array([names[name] for name in distinct], np.int8)
    codes = column.cast(pl.Enum(distinct)).to_physical().to_numpy()
    return place_of[codes], _as_kinds(names, settings, known)


def _as_kinds(names: Mapping[str, int], settings: DatasetSettings, known: tuple[Kind, ...]) -> tuple[Kind, ...]:
    return known + tuple(settings.kind(name) for name in list(names)[len(known) :])


def _extra(frame: pl.DataFrame) -> pl.DataFrame:
    ids = [name for name in (columns.SESSION_ID, columns.EVENT_ID) if name in frame.columns]
    return infer_numbers(frame.with_columns(as_text(frame[name]).alias(name) for name in ids))


def _sorted_log(parts: _Columns, users: Vocabulary, items: Vocabulary) -> tuple[EventLog, NDArray[np.int64]]:
    user_row, users = encode(parts.user, users)
    item_row, items = encode(parts.item, items)
    order = stable_order(user_row, parts.time_us)
    log = EventLog(
        users,
        items,
        parts.kinds,
        user_row[order],
        item_row[order],
        parts.time_us[order],
        parts.kind[order],
        parts.value[order],
        None if parts.extra is None else parts.extra[order],
    )
    return log, parts.file_row[order]


def encode(ids: pl.Series, known: Vocabulary) -> tuple[NDArray[np.int32], Vocabulary]:
    """The row of each id; ids that the vocabulary does not know are added in order of first appearance."""
    all_ids = ids.unique(maintain_order=True)
    if len(known):
        all_ids = pl.concat([pl.Series(known.ids.tolist(), dtype=pl.String), all_ids]).unique(maintain_order=True)
    rows = ids.cast(pl.Enum(all_ids)).to_physical().cast(pl.Int32).to_numpy()
    return rows, known if len(all_ids) == len(known) else Vocabulary(all_ids)


def stable_order(user_row: NDArray[np.int32], time_us: Times) -> NDArray[np.int64]:
    """The order that sorts by (user, time) and keeps the file's order among equals."""
    if len(time_us) < 2 or (np.diff(time_us) >= 0).all():
        return np.argsort(user_row, kind="stable")
    by_time = np.argsort(time_us, kind="stable")
    return by_time[np.argsort(user_row[by_time], kind="stable")]


def _file_problems(table: TableFile) -> list[Problem]:
    problems = []
    if table.damaged:
        problems.append(problem("damaged_lines", table.damaged, table.damaged_example, DROPPED))
    if table.undecodable:
        action = "kept; bytes that are not UTF-8 read as \ufffd"
        problems.append(problem("undecodable_text", table.undecodable, table.undecodable_example, action))
    return problems


def _small_times(log: EventLog, reading: TimeReading) -> list[Problem]:
    """Epoch numbers that all lie within a few days of 1970 are positions, most likely."""
    if reading.unit != "s" or log.last_us >= 10_000_000 * 1_000_000:
        return []
    example = f"largest time {log.last_us // 1_000_000}"
    return [problem("times_look_like_positions", len(log), example, "kept as seconds; set order_only = true if so")]


def _describe(log: EventLog, file_row: NDArray[np.int64], event: int) -> str:
    return f"row {file_row[event] + 1}: {log.users[log.user_row[event]]}, {log.items[log.item_row[event]]}"
