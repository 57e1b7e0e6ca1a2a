"""RecBole atomic files: `.inter`, `.item`, `.user`, `.kg`, `.link`, whose headers carry types (Zhao et al. 2021)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import polars as pl

from driftline.data.formats.columns_of import epoch_seconds, number, topics
from driftline.data.formats.prepared import FileReport, Prepared
from driftline.data.formats.rows import Rows, read_csv, require
from driftline.data.formats.source import Source

_TITLES = ("movie_title", "title", "item_name", "name")
_TOPICS = ("class", "genre", "genres", "categories", "category", "tags")
_SAME = "same_as"


def read(source: Source) -> Prepared:
    """Interactions as events (a `rating` column makes them ratings), items, users; the knowledge graph as relations.

    Types in the header (`user_id:token`) say what is a number; a sequence of tokens named class, genre or categories
    is the topics. `.link` ties items to entities as the relation `same_as`. Without a `timestamp` the order of the
    file is the order of events (`order_only`). Several `.inter` files (train, valid, test) are read one after another.
    """
    paths = source.find_all("*.inter")
    if not paths:
        raise source.lacks("NAME.inter", "interactions")
    logs = [_interactions(path) for path in paths]
    events = pl.concat([rows.frame for rows in logs], how="diagonal")
    name = paths[0].name.split(".")[0]
    settings: dict[str, object] = {"name": name} | ({} if "time" in events.columns else {"order_only": True})
    tables, reports = {"events": events}, [FileReport.of(rows) for rows in logs]
    for suffix, table, first in (("item", "items", "item_id"), ("user", "users", "user_id")):
        if (path := source.find(f"{name}.{suffix}", f"*.{suffix}")) is not None:
            rows, types = _atomic(path, (first,))
            rows = rows.needing(first)
            tables[table] = _attributes(rows.frame, types) if table == "items" else rows.frame
            reports.append(FileReport.of(rows))
    relations = [rows for rows in (_graph(source), _links(source)) if rows is not None]
    if relations:
        tables["relations"] = pl.concat([rows.frame for rows in relations])
        reports += [FileReport.of(rows) for rows in relations]
    return Prepared(tables, settings, tuple(reports))


def _atomic(path: Path, needed: tuple[str, ...]) -> tuple[Rows, dict[str, str]]:
    """A file with plain column names, floats as numbers, and the type of each column."""
    rows = read_csv(path, (), separator="\t", quote=None)
    pairs = [column.partition(":") for column in rows.frame.columns]
    types = {name: type_ or "token" for name, _, type_ in pairs}
    require(path.name, needed, list(types))
    rows = replace(rows, frame=rows.frame.rename(dict(zip(rows.frame.columns, types, strict=True))))
    return rows.with_columns(
        *(number(name) for name, type_ in types.items() if type_ == "float" and name != "timestamp")
    ), types


def _interactions(path: Path) -> Rows:
    rows, _ = _atomic(path, ("user_id", "item_id"))
    rows = rows.needing("user_id", "item_id")
    names = {}
    if "timestamp" in rows.frame.columns:
        rows = rows.needing("timestamp").parsed("timestamp", epoch_seconds("timestamp"), "unreadable_time")
        names["timestamp"] = "time"
    if "rating" in rows.frame.columns:
        rows = rows.with_columns(pl.lit("rating").alias("event"))
        names["rating"] = "value"
    return replace(rows, frame=rows.frame.rename(names))


def _attributes(items: pl.DataFrame, types: dict[str, str]) -> pl.DataFrame:
    title = next((name for name in _TITLES if name in types), None)
    kinds = next((name for name in _TOPICS if name in types), None)
    if kinds is not None:
        items = items.with_columns(topics(kinds, ", " if _has_commas(items[kinds]) else " ").alias(kinds))
    names = {title: "title", kinds: "topics"}
    return items.rename({old: new for old, new in names.items() if old is not None and old != new})


def _has_commas(column: pl.Series) -> bool:
    return bool(column.str.contains(", ", literal=True).any())


def _graph(source: Source) -> Rows | None:
    path = source.find("*.kg")
    if path is None:
        return None
    columns = ("head_id", "relation_id", "tail_id")
    rows = _atomic(path, columns)[0].needing(*columns)
    frame = rows.frame.select(
        pl.col(old).alias(new) for old, new in zip(columns, ("head", "relation", "tail"), strict=True)
    )
    return replace(rows, frame=frame)


def _links(source: Source) -> Rows | None:
    path = source.find("*.link")
    if path is None:
        return None
    rows = _atomic(path, ("item_id", "entity_id"))[0].needing("item_id", "entity_id")
    same = pl.lit(_SAME).alias("relation")
    return replace(
        rows, frame=rows.frame.select(pl.col("item_id").alias("head"), same, pl.col("entity_id").alias("tail"))
    )
