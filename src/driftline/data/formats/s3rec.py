"""The sequences of S3-Rec and what follows it: `user item item …` a line (Zhou et al. 2020), or with times."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl

from driftline.data.formats.columns_of import epoch_seconds
from driftline.data.formats.prepared import FileReport, Prepared
from driftline.data.formats.rows import Rows, read_csv, read_text
from driftline.data.formats.source import Source
from driftline.errors import DatasetError

_TIMED = ("user_id", "item_id", "timestamp")


def read(source: Source) -> Prepared:
    """Sequences as events, item attributes (`NAME_item2attributes.json` beside) as topics.

    `NAME.txt` has an order and no times: `time` is the place in the sequence and `order_only` is set. `NAME*.tsv` with
    `user_id, item_id, timestamp` has times, and is taken where a folder holds both. The papers rank what a user has not
    had, so repeats are excluded.
    """
    timed = [path for path in source.find_all("*time*.tsv", "*.tsv") if path == source.single or source.single is None]
    untimed = [path for path in source.find_all("*.txt") if path == source.single or source.single is None]
    path = _only(source, timed or untimed)
    attributes = source.find(f"{path.stem.split('_s3rec')[0]}_item2attributes.json")
    settings: dict[str, object] = {"name": path.stem.split("_s3rec")[0].lower(), "repeats": "exclude"}
    if timed:
        rows = _timed(path)
        events, reports = rows.frame, [FileReport.of(rows)]
    else:
        events, report = _ordered(path)
        settings["order_only"] = True
        reports = [report]
    tables = {"events": events}
    if attributes is not None:
        tables["items"], report = _attributes(attributes)
        reports.append(report)
    return Prepared(tables, settings, tuple(reports))


def _only(source: Source, paths: list[Path]) -> Path:
    if not paths:
        raise source.lacks("NAME.txt of sequences or NAME.tsv with times", "user item item …")
    if len(paths) > 1:
        names = ", ".join(path.name for path in paths[:6])
        raise DatasetError(f"expected one file of sequences in {source.name}, got {names}; name one of them")
    return paths[0]


def _timed(path: Path) -> Rows:
    rows = read_csv(path, _TIMED, separator="\t", quote=None).needing(*_TIMED)
    rows = rows.parsed("timestamp", epoch_seconds("timestamp"), "unreadable_time")
    return Rows(rows.file, rows.frame.rename({"timestamp": "time"}), rows.rows, rows.left_out)


def _ordered(path: Path) -> tuple[pl.DataFrame, FileReport]:
    """One event per item of each line; `time` counts a user's events from 0."""
    lines = pl.Series("line", read_text(path).replace("\r\n", "\n").split("\n"), dtype=pl.String).str.strip_chars()
    lines = lines.filter(lines != "")
    fields = pl.DataFrame([lines]).with_columns(pl.col("line").str.split(" ").alias("fields"))
    rows = Rows(path.name, fields, fields.height).without("user_without_items", pl.col("fields").list.len() < 2)
    if not rows.frame.height:
        raise DatasetError(f"expected lines of a user and items in {path.name}, got none; is this the right file?")
    events = rows.frame.select(
        pl.col("fields").list.first().alias("user_id"), pl.col("fields").list.slice(1).alias("item_id")
    )
    events = events.explode("item_id").filter(pl.col("item_id") != "")
    place = pl.int_range(pl.len(), dtype=pl.Int64).over("user_id").alias("time")
    return events.with_columns(place), FileReport.of(rows)


def _attributes(path: Path) -> tuple[pl.DataFrame, FileReport]:
    try:
        document = json.loads(read_text(path))
        pairs = [(str(item), "|".join(str(one) for one in values)) for item, values in document.items()]
    except (ValueError, AttributeError, TypeError) as error:
        raise DatasetError(
            f"expected item numbers with lists in {path.name}, got: {error}; take the file again"
        ) from None
    items = pl.DataFrame(pairs, schema={"item_id": pl.String, "topics": pl.String}, orient="row")
    return items, FileReport(path.name, items.height, items.height)
