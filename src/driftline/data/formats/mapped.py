"""Any CSV, TSV, JSON lines or Parquet file, through a mapping from our columns to theirs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import polars as pl

from driftline.data.formats.columns_of import MOMENT
from driftline.data.formats.prepared import FileReport, Prepared
from driftline.data.formats.rows import LeftOut, Rows, read_csv, require
from driftline.data.formats.source import Source
from driftline.errors import DatasetError, RequestError

_NEEDED = ("user_id", "item_id")
_PATTERNS = ("*.csv", "*.csv.gz", "*.tsv", "*.tsv.gz", "*.txt", "*.jsonl", "*.parquet")


def read_mapped(source: Source, mapping: Mapping[str, str], *, event: str | None, separator: str | None) -> Prepared:
    """Events from one file; `mapping` is our column to theirs (`{"user_id": "CustomerID"}`), other columns stay.

    A column that already has our name needs no mapping. `event` is the kind of every row where no column says it.
    Times are read as ISO-8601 or as epoch numbers of one unit, which is detected and told; without a time column the
    order of the file is the order of the events (`order_only`). `separator` is a comma, or a tab for .tsv and .txt;
    the word `tab` means a tab.
    """
    path = source.need(*_PATTERNS, what="a table of events")
    rows = _renamed(_read(path, separator), mapping)
    require(path.name, _NEEDED, rows.frame.columns)
    rows = rows.needing(*_NEEDED)
    settings: dict[str, object] = {"name": path.name.split(".")[0]}
    notes = []
    if "time" in rows.frame.columns:
        rows, unit = _with_times(rows.needing("time"))
        notes.append(f"times were read as {_UNITS.get(unit, unit)}")
    else:
        settings["order_only"] = True
        notes.append("no column is mapped to time: the order of the file is the order of events (order_only = true)")
    if event is not None:
        if "event" in rows.frame.columns:
            raise RequestError("expected a column for event or one kind with --event, got both; leave one out")
        rows = rows.with_columns(pl.lit(event).alias("event"))
    return Prepared({"events": rows.frame}, settings, (FileReport.of(rows),), tuple(notes))


_UNITS = {
    "s": "epoch seconds",
    "ms": "epoch milliseconds",
    "us": "epoch microseconds",
    "ns": "epoch nanoseconds",
    "datetime": "they stand in the file",
}


def _read(path: Path, separator: str | None) -> Rows:
    name = path.name.lower()
    if name.endswith((".parquet", ".jsonl")):
        from driftline.data.tables import read_table

        table = read_table(path)
        left_out = (LeftOut("damaged_lines", table.damaged, table.damaged_example),) if table.damaged else ()
        return Rows(path.name, table.frame, table.frame.height + table.damaged, left_out)
    separator = {"\\t": "\t", "tab": "\t"}.get(separator or "", separator)
    if separator is not None and (len(separator) != 1 or not separator.isascii()):
        raise RequestError(f"expected one character as separator, such as ';' or tab, got {separator!r}")
    tabbed = name.endswith((".tsv", ".tsv.gz", ".txt"))
    return read_csv(path, (), separator=separator or ("\t" if tabbed else ","))


def _renamed(rows: Rows, mapping: Mapping[str, str]) -> Rows:
    require(rows.file, tuple(mapping.values()), rows.frame.columns)
    taken = [ours for ours, theirs in mapping.items() if ours != theirs and ours in rows.frame.columns]
    if taken and taken[0] not in mapping.values():
        raise DatasetError(f"expected one column for {taken[0]} in {rows.file}, got {taken[0]} and {mapping[taken[0]]}")
    if len(set(mapping.values())) < len(mapping):
        raise RequestError("expected each column to be mapped once, got one for two names; correct --map")
    return replace(rows, frame=rows.frame.rename({theirs: ours for ours, theirs in mapping.items()}))


def _with_times(rows: Rows) -> tuple[Rows, str]:
    """Times as moments, the unit by what most of the column agrees on; what has no readable time is left out."""
    from driftline.data.times import read_times

    reading = read_times(rows.frame["time"])
    read = pl.Series("read", reading.time_us).set(pl.Series(~reading.good), None).cast(MOMENT)
    rows = replace(rows, frame=rows.frame.with_columns(read))
    rows = rows.without("unreadable_time", pl.col("read").is_null())
    if rows.rows and not rows.frame.height:
        raise DatasetError(
            f"expected times as ISO-8601 or epoch numbers in {rows.file}, got {rows.left_out[-1].example!r}"
        )
    return replace(rows, frame=rows.frame.with_columns(pl.col("read").alias("time")).drop("read")), reading.unit
