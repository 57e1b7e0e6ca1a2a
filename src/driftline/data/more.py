"""More events for a dataset that is there already: read under its rules, numbered after its rows, never twice."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from driftline.data import columns
from driftline.data.dataset import Dataset, Problem
from driftline.data.events import EventLog
from driftline.data.ingest import FILE_ORDER, duplicate_mask, ingest, stable_order
from driftline.data.items_table import grown
from driftline.data.problems import DROPPED, merged, problem
from driftline.data.reading import with_baskets, with_sessions
from driftline.data.settings import DatasetSettings
from driftline.data.tables import read_table
from driftline.errors import DatasetError


@dataclass(frozen=True, eq=False)
class MoreEvents:
    """New events, numbered by vocabularies that extend the dataset's; of `rows` read, `problems` fell out."""

    log: EventLog
    rows: int
    time_unit: str
    problems: tuple[Problem, ...] = ()


def read_more_events(path: Path, dataset: Dataset) -> MoreEvents:
    """Read a file of events by the rules of the dataset (aliases, time unit, kinds, baskets).

    Events that the dataset already has (the same `event_id`; where there is none, all columns equal) are dropped and
    counted, so reading the same file twice adds nothing. DatasetError as in `read_dataset`.
    """
    if not path.is_file():
        raise DatasetError(f"expected a file of events, got {path}; name a parquet, csv, csv.gz or jsonl file")
    old = dataset.log
    read = ingest(read_table(path), dataset.settings, users=old.users, items=old.items, kinds=old.kinds, lenient=True)
    log = read.log
    if read.time_unit == FILE_ORDER and len(old):
        log = replace(log, time_us=log.time_us + old.last_us + 1)
    if dataset.settings.basket is None:
        known = known_mask(_as_in_the_file(old, log, dataset.settings), log)
        log = with_sessions(log, dataset.settings)
    else:
        log = with_baskets(with_sessions(log, dataset.settings), dataset.settings)
        known = known_mask(old, log)
    problems = list(read.problems)
    if known.any():
        example = f"{log.users[log.user_row[known][0]]}, {log.items[log.item_row[known][0]]}"
        problems.append(problem("known_events", int(known.sum()), example, DROPPED))
    return MoreEvents(log.select(~known), read.rows, read.time_unit, merged(problems))


def known_mask(old: EventLog, new: EventLog) -> NDArray[np.bool_]:
    """Which new events the old log already has; shape [n_new]."""
    users = np.zeros(new.n_users, bool)
    users[new.user_row] = True
    both, source = _merge(_under(old.select(users[old.user_row]), new), new)
    mask = np.zeros(len(new), bool)
    twice = source[duplicate_mask(both)]
    mask[twice[twice >= 0]] = True
    return mask


def appended(old: EventLog, new: EventLog) -> EventLog:
    """Both logs as one, under the vocabularies and kinds of the new one (which extend the old); old events first."""
    return _merge(_under(old, new), new)[0]


def with_events(dataset: Dataset, new: EventLog) -> Dataset:
    """The dataset with new events in its log and a catalog that has a row for every item."""
    log = appended(dataset.log, new)
    report = replace(dataset.report, rows=dataset.report.rows + len(new), kept=len(log))
    return replace(dataset, log=log, catalog=grown(dataset.catalog, log.items), report=report)


def _as_in_the_file(old: EventLog, new: EventLog, settings: DatasetSettings) -> EventLog:
    """The old log without sessions that were cut by gap, so that events compare by what their files say."""
    named = new.extra is not None and columns.SESSION_ID in new.extra.columns
    if named or settings.session_gap_minutes is None or old.extra is None:
        return old
    rest = old.extra.drop(columns.SESSION_ID, strict=False)
    return replace(old, extra=rest if rest.width else None)


def _under(old: EventLog, new: EventLog) -> EventLog:
    """The old log under the vocabularies of the new one; its rows stay what they are."""
    return replace(old, users=new.users, items=new.items, kinds=new.kinds)


def _merge(first: EventLog, second: EventLog) -> tuple[EventLog, NDArray[np.int64]]:
    """Two logs under the same vocabularies, sorted as one; with it the position in `second` of each event, or -1."""
    user_row = np.concatenate([first.user_row, second.user_row])
    time_us = np.concatenate([first.time_us, second.time_us])
    order = stable_order(user_row, time_us)
    extra = _stacked(first, second)
    log = replace(
        second,
        user_row=user_row[order],
        item_row=np.concatenate([first.item_row, second.item_row])[order],
        time_us=time_us[order],
        kind=np.concatenate([first.kind, second.kind])[order],
        value=np.concatenate([first.value, second.value])[order],
        extra=None if extra is None else extra[order],
    )
    source = np.concatenate([np.full(len(first), -1, np.int64), np.arange(len(second))])
    return log, source[order]


def _stacked(first: EventLog, second: EventLog) -> pl.DataFrame | None:
    """Extra columns of both logs: the union of the columns, with the types of the first; null where a log has none."""
    if first.extra is None and second.extra is None:
        return None
    top, bottom = _extra_or_nothing(first, second.extra), _extra_or_nothing(second, first.extra)
    bottom = bottom.with_columns(
        pl.col(name).cast(dtype, strict=False) for name, dtype in top.schema.items() if name in bottom.columns
    )
    return pl.concat([top, bottom], how="diagonal_relaxed")


def _extra_or_nothing(log: EventLog, like: pl.DataFrame | None) -> pl.DataFrame:
    """The extra columns of a log; where it has none, those of the other log filled with nulls."""
    if log.extra is not None:
        return log.extra
    return pl.DataFrame(schema=like.schema if like is not None else {}).clear(n=len(log))
