"""What MovieLens and MovieTweetings share: ratings and films, in fields or in columns."""

from __future__ import annotations

import polars as pl

from driftline.data.formats.columns_of import epoch_seconds, number, topics, year_in
from driftline.data.formats.rows import Rows

RATING = ("user_id", "item_id", "value", "time")
FILM = ("item_id", "title", "topics")


def ratings_of(rows: Rows) -> Rows:
    """Readable ratings: `user_id, item_id, value, time, event`; times are epoch seconds."""
    rows = rows.needing(*RATING)
    rows = rows.parsed("time", epoch_seconds("time"), "unreadable_time")
    rows = rows.parsed("value", number("value"), "unreadable_rating")
    return rows.with_columns(pl.lit("rating").alias("event"))


def films_of(rows: Rows) -> Rows:
    """Films: `item_id, title, topics, year`, of which the year comes from the title; no genre is no topic."""
    rows = rows.needing("item_id")
    genres = topics("topics", "|").replace({"(no genres listed)": None, "": None})
    return rows.with_columns(year_in("title").alias("year"), genres.alias("topics"))
