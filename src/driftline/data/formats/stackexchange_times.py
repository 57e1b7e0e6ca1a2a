"""Times as Stack Exchange publishes them: to the millisecond, but for favourites, of which only the day is known."""

from __future__ import annotations

import polars as pl

from driftline.data.formats.columns_of import MOMENT

FORM = "%Y-%m-%dT%H:%M:%S%.f"


def with_day_ends(events: pl.DataFrame) -> pl.DataFrame:
    """Events in which a favourite, of which only the day is known, stands at the last second of that day."""
    end = (pl.col("time").dt.truncate("1d") + pl.duration(days=1) - pl.duration(seconds=1)).cast(MOMENT)
    return events.with_columns(pl.when(pl.col("event") == "favorite").then(end).otherwise("time").alias("time"))
