"""MIND: news impressions with what was clicked, and the news (Wu et al. 2020)."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl

from driftline.data.formats.columns_of import moment
from driftline.data.formats.prepared import FileReport, Prepared
from driftline.data.formats.rows import Rows, read_fields
from driftline.data.formats.source import Source

_BEHAVIOUR = ("impression_id", "user_id", "time", "history", "shown")
_NEWS = ("item_id", "category", "subcategory", "title", "text", "link", "title_entities", "abstract_entities")
_FORM = "%m/%d/%Y %I:%M:%S %p"
_HISTORY_STEP_S = 3


def read(source: Source) -> Prepared:
    """Clicks as events and impressions as they were shown; news as items: category and subcategory are the topics.

    A user's history is known in its order but not in its times: it was clicked before the log begins. Its items become
    events of kind `history`, three seconds apart, the last of them before the first impression of the whole log: they
    are read in their order and never come from anybody's future. As their times are made up they are no
    targets, and gaps among them mean nothing. The history of a user's first impression counts; it is the same in all
    of them. Positions within an impression are shuffled in the published files, so none is given.
    """
    paths = source.find_all("behaviors.tsv")
    if not paths:
        raise source.lacks("behaviors.tsv", "impressions")
    logs = [_behaviours(path, prefix=f"{path.parent.name}-" if len(paths) > 1 else "") for path in paths]
    behaviours = pl.concat([rows.frame for rows in logs])
    shown, bad = _impressions(behaviours)
    clicks = shown.filter(pl.col("reward") == 1).select(
        "user_id", "item_id", "time", pl.lit("click").alias("event"), pl.col("slate_id").alias("session_id")
    )
    events = pl.concat([_history(behaviours), clicks], how="diagonal")
    tables = {"events": events, "impressions": shown}
    reports = [FileReport.of(rows) for rows in logs]
    news = [
        read_fields(path, _NEWS, separator="\t", n_needed=4).needing("item_id") for path in source.find_all("news.tsv")
    ]
    if news:
        table = pl.concat([rows.frame for rows in news]).unique("item_id", keep="first", maintain_order=True)
        tables |= {"items": _items(table), "relations": _relations(table)}
        reports += [FileReport.of(rows) for rows in news]
    settings = {"name": "mind", "events": {"history": {"target": False}}}
    notes = (f"{bad} shown news without a mark of clicked or not are left out",) if bad else ()
    return Prepared(tables, settings, tuple(reports), notes)


def _behaviours(path: Path, prefix: str) -> Rows:
    rows = read_fields(path, _BEHAVIOUR, separator="\t").needing("impression_id", "user_id", "time", "shown")
    rows = rows.parsed("time", moment("time", _FORM), "unreadable_time")
    return rows.with_columns(pl.lit(prefix).add(pl.col("impression_id")).alias("impression_id"))


def _impressions(behaviours: pl.DataFrame) -> tuple[pl.DataFrame, int]:
    """One row per news shown, and how many were without a mark (as in the test set)."""
    shown = behaviours.select(
        pl.col("shown").str.strip_chars().str.split(" "), "time", "user_id", pl.col("impression_id").alias("slate_id")
    ).explode("shown")
    marks = pl.col("shown").str.extract_groups(r"^(?<item_id>.+)-(?<reward>[01])$")
    shown = shown.with_columns(marks.alias("marks")).unnest("marks")
    marked = shown.filter(pl.col("item_id").is_not_null()).with_columns(pl.col("reward").cast(pl.Float64))
    return marked.select("item_id", "time", "user_id", "slate_id", "reward"), shown.height - marked.height


def _history(behaviours: pl.DataFrame) -> pl.DataFrame:
    first = behaviours.sort("time", maintain_order=True).unique("user_id", keep="first", maintain_order=True)
    items = first.select("user_id", pl.col("history").str.strip_chars().str.split(" ").alias("item_id")).explode(
        "item_id"
    )
    items = items.filter(pl.col("item_id") != "")
    back = pl.len().over("user_id").cast(pl.Int64) - pl.int_range(pl.len(), dtype=pl.Int64).over("user_id")
    # Closer together, a long history would be taken for a robot's.
    time = pl.lit(behaviours["time"].min()) - pl.duration(seconds=_HISTORY_STEP_S * back)
    return items.with_columns(time.alias("time"), pl.lit("history").alias("event"))


def _items(news: pl.DataFrame) -> pl.DataFrame:
    topics = pl.concat_str("category", "subcategory", separator="|", ignore_nulls=True).alias("topics")
    return news.select("item_id", "title", "text", topics, "link")


def _relations(news: pl.DataFrame) -> pl.DataFrame:
    """Entities of Wikidata that a title or an abstract names; what is no list of entities names none."""
    edges: dict[tuple[str, str, str], str] = {}
    for item, *fields in news.select("item_id", "title_entities", "abstract_entities").iter_rows():
        for relation, text in zip(("title_entity", "abstract_entity"), fields, strict=True):
            for entity in _entities(text):
                edges.setdefault((item, relation, str(entity["WikidataId"])), str(entity.get("Label", "")))
    rows = [(*edge, label) for edge, label in edges.items()]
    return pl.DataFrame(rows, schema=dict.fromkeys(("head", "relation", "tail", "label"), pl.String), orient="row")


def _entities(text: str | None) -> list[dict[str, object]]:
    try:
        found = json.loads(text or "[]")
    except ValueError:
        return []
    return [one for one in found if isinstance(one, dict) and one.get("WikidataId")] if isinstance(found, list) else []
