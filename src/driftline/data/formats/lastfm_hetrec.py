"""Last.fm of HetRec 2011: who tagged which artist when, and who is whose friend (Cantador et al. 2011)."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from driftline.data.formats.columns_of import MOMENT
from driftline.data.formats.prepared import FileReport, Prepared
from driftline.data.formats.rows import Rows, read_csv
from driftline.data.formats.source import Source

_TAGGED = ("userID", "artistID", "tagID")
_TOPICS_FROM = 0.8
"""Topics of artists come from what was tagged before this share of events and of days: evaluation begins later."""
_N_TOPICS = 5


def read(source: Source) -> Prepared:
    """One event of kind `tag` per user, artist and moment, with the tags in a column; artists as items; friends.

    The topics of an artist are its five most used tags, counted over the first four fifths of the events and of the
    time span alone: a topic that came of later tagging would tell a model what it is asked to predict. An artist who
    was first tagged after that has no topics. Play counts (`user_artists.dat`) have no time, and were counted at the
    end: they are told in a note and left out.
    """
    path = source.need(
        "user_taggedartists-timestamps.dat*",
        "user_taggedartists*.dat*",
        "user_taggedartists*.tsv*",
        what="tags with times",
    )
    rows = _assignments(path)
    names = _read_optional(source, "tags.dat*", ("tagID", "tagValue"))
    artists = _read_optional(source, "artists.dat*", ("id", "name"))
    friends = _read_optional(source, "user_friends.dat*", ("userID", "friendID"))
    tags = _with_names(rows.frame, names)
    events = _events(tags)
    tables = {"events": events, "items": _items(tags, events, artists)}
    if friends is not None:
        tables["friends"] = friends.needing("userID", "friendID").frame.rename(
            {"userID": "user_id", "friendID": "friend_id"}
        )
    reports = [FileReport.of(one) for one in (rows, names, artists, friends) if one is not None]
    notes = [f"{rows.frame.height:,} tags given are {events.height:,} events: one per user, artist and moment"]
    if (plays := source.find("user_artists.dat*")) is not None:
        notes.append(
            f"{read_csv(plays, (), separator=_TAB, quote=None).rows:,} play counts have no time and are left out"
        )
    return Prepared(tables, {"name": "lastfm-hetrec"}, tuple(reports), tuple(notes))


_TAB = "\t"


def _read_optional(source: Source, pattern: str, columns: tuple[str, ...]) -> Rows | None:
    path = source.find(pattern)
    return None if path is None else read_csv(path, columns, separator=_TAB, quote=None).needing(columns[0])


def _assignments(path: Path) -> Rows:
    """Tags with their moment: epoch milliseconds, or a day, a month and a year."""
    rows = read_csv(path, _TAGGED, separator=_TAB, quote=None).needing(*_TAGGED)
    if "timestamp" in rows.frame.columns:
        rows = rows.needing("timestamp").with_columns(pl.col("timestamp").alias("time"))
        moment = (pl.col("time").cast(pl.Int64, strict=False) * 1000).cast(MOMENT)
    else:
        rows = rows.needing("day", "month", "year").with_columns(
            pl.concat_str("year", "month", "day", separator="-").alias("time")
        )
        moment = pl.col("time").str.to_datetime("%Y-%m-%d", time_unit="us", strict=False).dt.replace_time_zone("UTC")
    rows = rows.parsed("time", moment, "unreadable_time")
    frame = rows.frame.select(pl.col("userID").alias("user_id"), pl.col("artistID").alias("item_id"), "tagID", "time")
    return Rows(rows.file, frame, rows.rows, rows.left_out)


def _with_names(tags: pl.DataFrame, names: Rows | None) -> pl.DataFrame:
    if names is None:
        return tags.rename({"tagID": "tag"})
    table = names.frame.select("tagID", pl.col("tagValue").str.replace_all("|", "/", literal=True).alias("tag"))
    joined = tags.join(table.unique("tagID", keep="first"), on="tagID", how="left", maintain_order="left")
    return joined.with_columns(pl.col("tag").fill_null(pl.col("tagID"))).drop("tagID")


def _events(tags: pl.DataFrame) -> pl.DataFrame:
    return tags.group_by("user_id", "item_id", "time", maintain_order=True).agg(
        pl.lit("tag").alias("event"), pl.col("tag").str.join("|").alias("tags")
    )


def _items(tags: pl.DataFrame, events: pl.DataFrame, artists: Rows | None) -> pl.DataFrame:
    early = tags.filter(pl.col("time") < _topics_until(events["time"]))
    counts = early.group_by("item_id", "tag").agg(pl.len()).sort("len", "tag", descending=[True, False])
    topics = counts.group_by("item_id", maintain_order=True).agg(
        pl.col("tag").head(_N_TOPICS).str.join("|").alias("topics")
    )
    if artists is None:
        return tags.select(pl.col("item_id").unique(maintain_order=True)).join(topics, on="item_id", how="left")
    kept = {"id": "item_id", "name": "title", "url": "link"}
    items = artists.frame.select(name for name in kept if name in artists.frame.columns).rename(kept, strict=False)
    return items.join(topics, on="item_id", how="left", maintain_order="left")


def _topics_until(times: pl.Series) -> pl.Expr:
    """The earlier of the moments at which four fifths of the events, and of the days, have passed.

    Days are counted from the first percent of the events: a few dates of the file are decades before the service.
    """
    us = times.to_physical()
    first, last = us.quantile(0.01, "lower"), us.max()
    assert isinstance(first, float) and isinstance(last, int)  # noqa: S101, PT018  # a log without events is refused before
    share = us.quantile(_TOPICS_FROM, "lower") or 0.0
    return pl.lit(int(min(share, first + _TOPICS_FROM * (last - first)))).cast(MOMENT)
