"""The IDEA news log as it is bundled: what readers of a news app rated, bookmarked and marked as favourite."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from driftline.data.formats.columns_of import moment, number
from driftline.data.formats.prepared import FileReport, Prepared
from driftline.data.formats.rows import read_csv

_COLUMNS = ("user", "article", "kind", "question", "value", "time", "removed")
_FORM = "%Y-%m-%d %H:%M:%S"


def read_idea_news(path: Path) -> Prepared:
    """Events of three kinds: `answer`, `bookmark`, `favourite`; and their removal.

    An `answer` says whether an article was easy to understand or informative (`question`, `value` +1 or -1): it shows
    that somebody read it, not that they liked it, and so is not called a rating. The file writes beside each event
    when it was taken back; that is of the future, and becomes an event of its own at its own time (`answer_removed` …,
    weight 0, never a target). There is no text and no topic: nothing is known of an article but who met it.
    """
    rows = read_csv(path, _COLUMNS).needing("user", "article", "kind", "time")
    rows = rows.parsed("time", moment("time", _FORM), "unreadable_time")
    rows = rows.parsed("removed", moment("removed", _FORM), "unreadable_removal")
    done = rows.frame.select(
        pl.col("user").alias("user_id"),
        pl.col("article").alias("item_id"),
        "time",
        pl.col("kind").replace({"rating": "answer"}).alias("event"),
        number("value").alias("value"),
        "question",
        "removed",
    )
    undone = done.filter(pl.col("removed").is_not_null()).with_columns(
        pl.col("removed").alias("time"), (pl.col("event") + "_removed").alias("event")
    )
    events = pl.concat([done, undone]).drop("removed")
    kinds = {f"{kind}_removed": {"weight": 0.0, "target": False} for kind in ("answer", "bookmark", "favourite")}
    notes = (f"{undone.height} removals became events of their own",)
    return Prepared({"events": events}, {"name": "idea-news", "events": kinds}, (FileReport.of(rows),), notes)
