"""DeskDrop: what employees did with articles on an internal platform (CI&T 2016-2017)."""

from __future__ import annotations

import polars as pl

from driftline.data.formats.columns_of import MOMENT, epoch_seconds
from driftline.data.formats.prepared import FileReport, Prepared
from driftline.data.formats.rows import Rows, read_csv
from driftline.data.formats.source import Source

_EVENT = ("timestamp", "eventType", "contentId", "personId", "sessionId")
_ARTICLE = ("timestamp", "eventType", "contentId")
_NAMES = {"personId": "user_id", "contentId": "item_id", "timestamp": "time", "sessionId": "session_id"}


def read(source: Source) -> Prepared:
    """Events `view`, `like`, `follow`, `bookmark`, `comment_created`; articles as items, where their table is there.

    An article can be had from the moment at which it was first shared. That one was taken down later is not used.
    """
    path = source.need("users_interactions.csv*", what="interactions")
    rows = read_csv(path, _EVENT).needing("personId", "contentId", "timestamp", "eventType")
    rows = rows.parsed("timestamp", epoch_seconds("timestamp"), "unreadable_time")
    kind = pl.col("eventType").str.to_lowercase().str.replace_all(" ", "_", literal=True).alias("event")
    rows = rows.with_columns(kind)
    events = rows.frame.rename(_NAMES).drop("eventType")
    tables, reports = {"events": events}, [FileReport.of(rows)]
    if (table := source.find("shared_articles.csv*")) is not None:
        articles = read_csv(table, _ARTICLE).needing("contentId", "timestamp")
        articles = articles.parsed("timestamp", epoch_seconds("timestamp"), "unreadable_time")
        tables["items"] = _items(articles)
        reports.append(FileReport.of(articles))
    return Prepared(tables, {"name": "deskdrop"}, tuple(reports))


def _items(rows: Rows) -> pl.DataFrame:
    """One row per article: what was said when it was first shared."""
    shared = rows.frame.filter(pl.col("eventType") == "CONTENT SHARED")
    first = shared.sort("timestamp", maintain_order=True).unique("contentId", keep="first", maintain_order=True)
    names = {"contentId": "item_id", "timestamp": "available_from", "url": "link", "authorPersonId": "author_id"}
    kept = [name for name in (*names, "title", "text", "lang", "contentType") if name in first.columns]
    return first.select(kept).rename(names, strict=False).with_columns(pl.col("available_from").cast(MOMENT))
