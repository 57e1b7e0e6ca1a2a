"""The XML files of a Stack Exchange data dump, row by row: streamed, without entities and without a document type."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from pathlib import Path
from xml.parsers import expat

import polars as pl

from driftline.data.formats.columns_of import moment
from driftline.data.formats.prepared import FileReport, Prepared
from driftline.data.formats.rows import Rows
from driftline.data.formats.source import Source
from driftline.data.formats.stackexchange_times import FORM, with_day_ends
from driftline.errors import DatasetError

_QUESTION, _ANSWER, _FAVORITE = "1", "2", "5"
_POST = ("Id", "PostTypeId", "ParentId", "CreationDate", "OwnerUserId", "Title", "Tags", "Body", "ContentLicense")
_MARKUP = re.compile(r"<[^>]*>")
_MAX_TEXT = 4000


def read_dump(source: Source, path: Path) -> Prepared:
    """A dump as tables. What no account did (deleted users, votes that are kept secret) is left out and counted."""
    posts = read_rows(path, _POST)
    posts = posts.without("other_post_type", ~pl.col("PostTypeId").is_in([_QUESTION, _ANSWER]))
    posts = posts.needing("Id", "CreationDate").parsed("CreationDate", moment("CreationDate", FORM), "unreadable_time")
    answered = pl.when(pl.col("PostTypeId") == _ANSWER).then("ParentId").otherwise("Id").alias("item_id")
    posts = posts.with_columns(answered)
    question_of = posts.frame.select(pl.col("Id").alias("PostId"), "item_id")
    signed = posts.needing("OwnerUserId")
    kind = pl.when(pl.col("PostTypeId") == _ANSWER).then(pl.lit("answer")).otherwise(pl.lit("ask"))
    parts = [_events(signed.frame, "OwnerUserId", kind)]
    reports = [FileReport.of(signed)]
    for name, event in (("comments.xml", "comment"), ("votes.xml", "favorite")):
        if (more := source.find(name)) is not None:
            rows = _on_questions(more, question_of, favorites=event == "favorite")
            parts.append(_events(rows.frame, "UserId", pl.lit(event)))
            reports.append(FileReport.of(rows))
    events = with_day_ends(pl.concat(parts).sort("time", maintain_order=True))
    questions = posts.frame.filter(pl.col("PostTypeId") == _QUESTION)
    return Prepared({"events": events, "items": _items(questions)}, {"name": "stackexchange"}, tuple(reports))


def read_rows(path: Path, names: Sequence[str]) -> Rows:
    """The attributes `names` of every `<row>` of a file; DatasetError for damaged XML or a document type."""
    columns: dict[str, list[str | None]] = {name: [] for name in names}

    def start(tag: str, attributes: dict[str, str]) -> None:
        if tag == "row":
            for name, column in columns.items():
                column.append(attributes.get(name))

    def refuse(*_: object) -> None:
        raise DatasetError(f"expected rows alone in {path.name}, got a document type; take the dump as it is published")

    parser = expat.ParserCreate()
    parser.StartElementHandler = start
    parser.StartDoctypeDeclHandler = refuse
    try:
        with path.open("rb") as file:
            parser.ParseFile(file)
    except expat.ExpatError as error:
        raise DatasetError(f"expected whole XML in {path.name}, got: {error}; unpack the dump again") from None
    frame = pl.DataFrame(columns, schema=dict.fromkeys(names, pl.String))
    return Rows(path.name, frame, frame.height)


def _on_questions(path: Path, question_of: pl.DataFrame, *, favorites: bool) -> Rows:
    """Comments, or the votes that are favourites, with the question that their post belongs to."""
    names = ("PostId", "CreationDate", "UserId", *(("VoteTypeId",) if favorites else ()))
    rows = read_rows(path, names)
    if favorites:
        rows = rows.without("other_vote_type", pl.col("VoteTypeId") != _FAVORITE)
    rows = rows.needing("UserId", "PostId", "CreationDate")
    rows = rows.parsed("CreationDate", moment("CreationDate", FORM), "unreadable_time")
    joined = rows.frame.join(question_of, on="PostId", how="left", maintain_order="left")
    return Rows(rows.file, joined, rows.rows, rows.left_out).without("unknown_post", pl.col("item_id").is_null())


def _events(frame: pl.DataFrame, user: str, kind: pl.Expr) -> pl.DataFrame:
    return frame.select(
        pl.col(user).alias("user_id"), "item_id", pl.col("CreationDate").alias("time"), kind.alias("event")
    )


def _items(questions: pl.DataFrame) -> pl.DataFrame:
    """Questions with tags as topics (`<a><b>` in older dumps, `|a|b|` in newer ones) and the body without markup."""
    text = [html.unescape(_MARKUP.sub(" ", body or ""))[:_MAX_TEXT] for body in questions["Body"]]
    return questions.select(
        "item_id",
        pl.col("CreationDate").alias("available_from"),
        pl.col("Title").alias("title"),
        pl.col("Tags").str.replace_all("><", "|", literal=True).str.strip_chars("<>|").alias("topics"),
        pl.Series("text", [" ".join(one.split()) for one in text], dtype=pl.String),
        pl.col("ContentLicense").alias("licence"),
        pl.col("OwnerUserId").alias("owner_id"),
    )
