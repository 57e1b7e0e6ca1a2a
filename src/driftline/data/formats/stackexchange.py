"""Stack Exchange: who asked, answered, commented on and marked which question, from tables or from a data dump."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from driftline.data.formats.columns_of import moment, topics
from driftline.data.formats.prepared import FileReport, Prepared
from driftline.data.formats.rows import Rows, read_csv
from driftline.data.formats.source import Source
from driftline.data.formats.stackexchange_times import FORM, with_day_ends


def read(source: Source) -> Prepared:
    """Events `ask`, `answer`, `comment` and `favorite`, each on a question; questions as items with tags as topics.

    Two tables of events and items, or a dump: `Posts.xml`, with `Comments.xml` and `Votes.xml` where they are there. A
    question can be had from the moment at which it was asked. Of a favourite only the day is published: it counts
    from the end of that day, so that nothing is known before it happened.
    """
    if (posts := source.find("posts.xml")) is not None:
        from driftline.data.formats.stackexchange_dump import read_dump

        return read_dump(source, posts)
    return _read_tables(source)


def _read_tables(source: Source) -> Prepared:
    path = source.need("*events*.csv*", what="events, or Posts.xml of a dump")
    rows = read_csv(path, ("user_id", "question_id", "event", "time"))
    rows = rows.needing("user_id", "question_id", "event", "time").parsed(
        "time", moment("time", FORM), "unreadable_time"
    )
    others = [name for name in rows.frame.columns if name not in ("user_id", "question_id", "event", "time")]
    events = with_day_ends(
        rows.frame.select("user_id", pl.col("question_id").alias("item_id"), "time", "event", *others)
    )
    tables, reports = {"events": events}, [FileReport.of(rows)]
    if (table := source.find("*items*.csv*")) is not None:
        questions = _questions(table)
        tables["items"] = questions.frame
        reports.append(FileReport.of(questions))
    return Prepared(tables, {"name": "stackexchange"}, tuple(reports))


def _questions(path: Path) -> Rows:
    rows = read_csv(path, ("question_id", "created", "title", "tags")).needing("question_id")
    rows = rows.parsed("created", moment("created", FORM), "unreadable_time")
    names = {"question_id": "item_id", "created": "available_from", "body_excerpt": "text", "tags": "topics"}
    rows = rows.with_columns(topics("tags", " ").alias("tags"))
    return Rows(rows.file, rows.frame.rename(names, strict=False), rows.rows, rows.left_out)
