"""A dataset folder into one value: tables found, read by the contract, cleaned, and joined by row."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from driftline.data import columns
from driftline.data.catalog import Catalog
from driftline.data.dataset import Dataset, Problem, ReadReport
from driftline.data.events import EventLog
from driftline.data.filters import session_numbers
from driftline.data.ingest import Ingested, ingest, stable_order
from driftline.data.items_table import grown, read_items
from driftline.data.problems import merged
from driftline.data.quality import examine, strict_mask
from driftline.data.settings import DatasetSettings, Table, read_dataset_settings
from driftline.data.side_tables import read_side_table
from driftline.data.tables import find_table, read_table
from driftline.data.vocabulary import Vocabulary
from driftline.errors import DatasetError

Clean = Literal["default", "strict"]

_SIDE: tuple[Table, ...] = ("users", "relations", "friends", "context", "occasions", "impressions")


def read_dataset(folder: Path, *, clean: Clean = "default") -> Dataset:
    """Read a dataset folder.

    Items are numbered as the items table lists them, then as the events name others; users as the events name them,
    in the order of the file. Cleaning drops what cannot be read and exact duplicates; `clean="strict"` also drops
    near duplicates, double clicks and the events of robots. Everything found is in `report`.

    DatasetError in one line: no such folder, no events, a missing column, two files for one table, an unknown key in
    `dataset.toml`, nothing readable.
    """
    if not folder.is_dir():
        raise DatasetError(f"expected a dataset folder, got {folder}; make one with driftline prepare")
    settings = read_dataset_settings(folder)
    catalog, problems = _catalog(folder, settings)
    known = catalog.items if catalog else Vocabulary([])
    events = ingest(read_table(_events_file(folder)), settings, users=Vocabulary([]), items=known)
    findings = examine(events, len(known), order_only=settings.order_only)
    problems = [*events.problems, *(finding.problem for finding in findings), *problems]
    if clean == "strict":
        events = _strictly_cleaned(events, strict_mask(findings, len(events.log)), len(known))
    log = with_baskets(with_sessions(events.log, settings), settings)
    sides, side_problems = _side_tables(folder, settings)
    return Dataset(
        log,
        grown(catalog, log.items) if catalog else Catalog.empty(log.items),
        name=settings.name or folder.resolve().name,
        repeats=settings.repeats,
        order_only=settings.order_only,
        report=ReadReport(events.rows, len(log), events.time_unit, merged([*problems, *side_problems])),
        settings=settings,
        **sides,
    )


def with_sessions(log: EventLog, settings: DatasetSettings) -> EventLog:
    """The log with a `session_id` where events have none and `session_gap_minutes` says what a session is.

    The id is the time of the session's first event, so more events never take an id that is in use.
    """
    has = log.extra is not None and columns.SESSION_ID in log.extra.columns
    if has or settings.session_gap_minutes is None or settings.order_only:
        return log
    numbers = session_numbers(log, settings.session_gap_minutes)
    first = log.time_us[np.searchsorted(numbers, np.arange(numbers[-1] + 1))] if len(log) else log.time_us
    column = pl.Series(columns.SESSION_ID, first[numbers]).cast(pl.String)
    return replace(log, extra=column.to_frame() if log.extra is None else log.extra.with_columns(column))


def with_baskets(log: EventLog, settings: DatasetSettings) -> EventLog:
    """The log in which all events of a basket have the time of its last: it counts from when it is complete."""
    if settings.basket is None:
        return log
    if log.extra is None or settings.basket not in log.extra.columns:
        raise DatasetError(f"expected column {settings.basket!r}, which is declared as basket; correct dataset.toml")
    baskets = pl.DataFrame({"user": log.user_row, "basket": log.extra[settings.basket], "time": log.time_us})
    last = pl.col("time").max().over("user", "basket")
    time = pl.when(pl.col("basket").is_null()).then("time").otherwise(last)
    time_us = baskets.select(time.alias("time"))["time"].to_numpy()
    order = stable_order(log.user_row, time_us)
    return replace(log.select(order), time_us=time_us[order])


def _events_file(folder: Path) -> Path:
    path = find_table(folder, "events")
    if path is None:
        there = ", ".join(sorted(one.name for one in folder.iterdir())[:8]) or "nothing"
        raise DatasetError(
            f"expected events.parquet, .csv, .csv.gz or .jsonl in {folder}, got {there}; add the table of events"
        )
    return path


def _catalog(folder: Path, settings: DatasetSettings) -> tuple[Catalog | None, list[Problem]]:
    path = find_table(folder, "items")
    return read_items(read_table(path), settings) if path else (None, [])


def _side_tables(folder: Path, settings: DatasetSettings) -> tuple[dict[str, Any], list[Problem]]:
    tables: dict[str, Any] = {}
    problems: list[Problem] = []
    for name in _SIDE:
        if path := find_table(folder, name):
            tables[name], found = read_side_table(name, read_table(path), settings)
            problems += found
    return tables, problems


def _strictly_cleaned(events: Ingested, drop: NDArray[np.bool_], n_listed: int) -> Ingested:
    """The events that strict cleaning keeps; users and unlisted items without one left lose their row."""
    if drop.all():
        raise DatasetError("expected events left after strict cleaning, got none; read with the default cleaning")
    if not drop.any():
        return events
    kept = events.select(~drop)
    log = kept.log
    user_row, users = _compacted(log.user_row, log.users, 0)
    item_row, items = _compacted(log.item_row, log.items, n_listed)
    return replace(kept, log=replace(log, users=users, items=items, user_row=user_row, item_row=item_row))


def _compacted(rows: NDArray[np.int32], vocabulary: Vocabulary, n_always: int) -> tuple[NDArray[np.int32], Vocabulary]:
    used = np.bincount(rows, minlength=len(vocabulary)) > 0
    used[:n_always] = True
    place = (np.cumsum(used) - 1).astype(np.int32)
    return place[rows], Vocabulary(vocabulary.ids[used])
