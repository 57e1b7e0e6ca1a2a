"""The items table into a catalog whose rows are those of the log's items."""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import sparse

from driftline.data import columns
from driftline.data.catalog import Catalog
from driftline.data.dataset import Problem
from driftline.data.problems import DROPPED, problem_at
from driftline.data.settings import DatasetSettings
from driftline.data.tables import TableFile, as_text, infer_numbers, require, with_aliases
from driftline.data.times import read_times
from driftline.data.vocabulary import Vocabulary
from driftline.types import ALWAYS, Times

_KNOWN = (columns.ITEM_ID, columns.TITLE, columns.TEXT, columns.TOPICS, columns.AVAILABLE_FROM)


def read_items(table: TableFile, settings: DatasetSettings) -> tuple[Catalog, list[Problem]]:
    """The catalog of an items table, in its order; of rows with the same id the first stays."""
    frame = with_aliases(table.frame, settings.columns.get("items", {}), table.path)
    require(frame, (columns.ITEM_ID,), table.path)
    ids = as_text(frame[columns.ITEM_ID])
    missing, repeated = ids.is_null().to_numpy(), (~ids.is_first_distinct() & ids.is_not_null()).to_numpy()
    available, problems = _available(frame, settings)
    found = (("items_without_id", missing), ("items_twice", repeated))
    problems += [problem_at(code, mask, frame, DROPPED) for code, mask in found if mask.any()]
    keep = ~(missing | repeated)
    frame, ids = frame.filter(keep), ids.filter(keep)
    names, topics = _topics(_text(frame, columns.TOPICS))
    others = [name for name in frame.columns if name not in _KNOWN]
    catalog = Catalog(
        Vocabulary(ids),
        _objects(_text(frame, columns.TITLE)),
        _objects(_text(frame, columns.TEXT)),
        names,
        topics,
        np.ones(len(ids), bool),
        available[keep],
        infer_numbers(frame.select(others)) if others else None,
    )
    return catalog, problems


def grown(catalog: Catalog, items: Vocabulary) -> Catalog:
    """The catalog with rows for items that follow its own: unlisted, without title, text or topics."""
    more = len(items) - len(catalog.items)
    if not more:
        return catalog
    empty = np.full(more, "", object)
    attributes = catalog.attributes
    if attributes is not None:
        attributes = pl.concat([attributes, attributes.clear(more)])
    topics = catalog.topics
    return Catalog(
        items,
        np.concatenate([catalog.title, empty]),
        np.concatenate([catalog.text, empty]),
        catalog.topic_names,
        sparse.csr_matrix(
            (topics.data, topics.indices, np.concatenate([topics.indptr, np.full(more, topics.indptr[-1])])),
            shape=(len(items), topics.shape[1]),
        ),
        np.concatenate([catalog.listed, np.zeros(more, bool)]),
        np.concatenate([catalog.available_from_us, np.full(more, ALWAYS)]),
        attributes,
    )


def _text(frame: pl.DataFrame, name: str) -> pl.Series:
    if name not in frame.columns:
        return pl.Series(name, [""] * frame.height, dtype=pl.String)
    column = frame[name]
    return (column if column.dtype == pl.String else as_text(column)).fill_null("")


def _objects(column: pl.Series) -> NDArray[np.object_]:
    return np.array(column.to_list(), dtype=object)


def _available(frame: pl.DataFrame, settings: DatasetSettings) -> tuple[Times, list[Problem]]:
    """From when each item could be had; a date that cannot be read counts as none and is reported.

    A film of 1953 was there before 1970: for availability an early year is not impossible, it is long ago.
    """
    if columns.AVAILABLE_FROM not in frame.columns:
        return np.full(frame.height, ALWAYS), []
    reading = read_times(frame[columns.AVAILABLE_FROM], settings.time_of("items"))
    bad = reading.unreadable | reading.mixed | (reading.impossible & (reading.time_us > 0))
    problems = [problem_at("unreadable_available_from", bad, frame, "read as always available")] if bad.any() else []
    return np.where(bad | reading.missing, ALWAYS, reading.time_us), problems


def _topics(text: pl.Series) -> tuple[tuple[str, ...], sparse.csr_matrix]:
    """Topic names in alphabetical order, and weights [n_items, n_topics]: of n topics each counts 1/n."""
    n = len(text)
    long = pl.DataFrame({"item": np.arange(n, dtype=np.int32), "topic": text.str.split(columns.TOPIC_SEPARATOR)})
    long = long.explode("topic").with_columns(pl.col("topic").str.strip_chars())
    long = long.filter(pl.col("topic").is_not_null() & (pl.col("topic") != "")).unique(maintain_order=True)
    names = long["topic"].unique().sort()
    long = long.with_columns(
        pl.col("topic").cast(pl.Enum(names)).to_physical().alias("code"),
        (1.0 / pl.len().over("item")).cast(pl.Float32).alias("weight"),
    ).sort("item", "code")
    cells = (long["weight"].to_numpy(), (long["item"].to_numpy(), long["code"].cast(pl.Int32).to_numpy()))
    return tuple(names), sparse.csr_matrix(cells, shape=(n, len(names)), dtype=np.float32)
