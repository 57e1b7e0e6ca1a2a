"""A dataset on disk, whole: Parquet and JSON that give back the same value, column for column and row for row."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from polars.exceptions import PolarsError
from scipy import sparse

from driftline.data.catalog import Catalog
from driftline.data.dataset import Dataset, Problem, ReadReport
from driftline.data.events import EventLog
from driftline.data.kinds import Kind
from driftline.data.settings import DatasetSettings
from driftline.data.vocabulary import Vocabulary
from driftline.errors import RunError, SaveError

FORMAT = 1
HEADER = "dataset.json"

_SIDE = ("users", "relations", "friends", "context", "occasions", "impressions")


def write_snapshot(dataset: Dataset, folder: Path) -> None:
    """Write everything of a dataset into a folder, made where it is absent; SaveError where that fails.

    dataset.json                      name, settings, kinds, topic names, what reading found
    user_ids.parquet item_ids.parquet the vocabularies, in order
    log.parquet extra.parquet         the events, sorted
    catalog.parquet topics.parquet attributes.parquet
    users.parquet relations.parquet … the side tables that there are

    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, frame in _frames(dataset).items():
            with (folder / f"{name}.parquet").open("wb") as file:
                frame.write_parquet(file)
        document = json.dumps(_header(dataset), ensure_ascii=False, indent=2)
        (folder / HEADER).write_text(document, encoding="utf-8")
    except (OSError, PolarsError) as error:
        why = getattr(error, "strerror", None) or error
        raise SaveError(f"could not write the dataset to {folder}: {why}; free some space and save again") from error


def read_snapshot(folder: Path) -> Dataset:
    """The dataset that `write_snapshot` wrote; RunError where a file is missing, damaged or of another format."""
    try:
        header = json.loads((folder / HEADER).read_text(encoding="utf-8"))
        if header["format"] != FORMAT:
            raise RunError(f"expected a dataset in format {FORMAT} in {folder}, got {header['format']}; fit again")
        log = _read_log(folder, header)
        return Dataset(
            log,
            _read_catalog(folder, header, log.items),
            name=header["name"],
            repeats=header["repeats"],
            order_only=header["order_only"],
            report=_read_report(header["report"]),
            settings=DatasetSettings.model_validate(header["settings"]),
            **{name: _read_frame(folder, f"table_{name}") for name in header["tables"]},
        )
    except (OSError, PolarsError, ValueError, KeyError, TypeError) as error:
        raise RunError(f"expected a whole dataset in {folder}, got {_line(error)}; fit again") from error


def _frames(dataset: Dataset) -> dict[str, pl.DataFrame]:
    log, catalog = dataset.log, dataset.catalog
    frames = {
        "user_ids": _ids(log.users),
        "item_ids": _ids(log.items),
        "log": pl.DataFrame(
            {
                "user_row": log.user_row,
                "item_row": log.item_row,
                "time_us": log.time_us,
                "kind": log.kind,
                "value": log.value,
            }
        ),
        "catalog": pl.DataFrame(
            {
                "title": pl.Series(catalog.title.tolist(), dtype=pl.String),
                "text": pl.Series(catalog.text.tolist(), dtype=pl.String),
                "listed": catalog.listed,
                "available_from_us": catalog.available_from_us,
                "n_topics": np.diff(catalog.topics.indptr),
            }
        ),
        "topics": pl.DataFrame({"topic": catalog.topics.indices, "weight": catalog.topics.data}),
        "extra": log.extra,
        "attributes": catalog.attributes,
        **{f"table_{name}": getattr(dataset, name) for name in _SIDE},
    }
    return {name: frame for name, frame in frames.items() if frame is not None}


def _header(dataset: Dataset) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "name": dataset.name,
        "repeats": dataset.repeats,
        "order_only": dataset.order_only,
        "kinds": [asdict(kind) for kind in dataset.log.kinds],
        "topics": list(dataset.catalog.topic_names),
        "extra": dataset.log.extra is not None,
        "attributes": dataset.catalog.attributes is not None,
        "tables": [name for name in _SIDE if getattr(dataset, name) is not None],
        "report": asdict(dataset.report),
        "settings": dataset.settings.model_dump(mode="json"),
    }


def _ids(vocabulary: Vocabulary) -> pl.DataFrame:
    return pl.DataFrame({"id": pl.Series(vocabulary.ids.tolist(), dtype=pl.String)})


def _read_frame(folder: Path, name: str) -> pl.DataFrame:
    # Bytes, not the path: polars would map the file into memory, and a later version may replace it.
    return pl.read_parquet((folder / f"{name}.parquet").read_bytes())


def _read_log(folder: Path, header: dict[str, Any]) -> EventLog:
    frame = _read_frame(folder, "log")
    return EventLog(
        Vocabulary(_read_frame(folder, "user_ids")["id"]),
        Vocabulary(_read_frame(folder, "item_ids")["id"]),
        tuple(Kind(**kind) for kind in header["kinds"]),
        frame["user_row"].to_numpy(),
        frame["item_row"].to_numpy(),
        frame["time_us"].to_numpy(),
        frame["kind"].to_numpy(),
        frame["value"].to_numpy(),
        _read_frame(folder, "extra") if header["extra"] else None,
    )


def _read_catalog(folder: Path, header: dict[str, Any], items: Vocabulary) -> Catalog:
    frame, topics = _read_frame(folder, "catalog"), _read_frame(folder, "topics")
    counts = frame["n_topics"].to_numpy()
    indptr = np.concatenate([[0], np.cumsum(counts)]).astype(counts.dtype)
    cells = (topics["weight"].to_numpy().copy(), topics["topic"].to_numpy().copy(), indptr)
    return Catalog(
        items,
        np.array(frame["title"].to_list(), dtype=object),
        np.array(frame["text"].to_list(), dtype=object),
        tuple(header["topics"]),
        sparse.csr_matrix(cells, shape=(frame.height, len(header["topics"]))),
        frame["listed"].to_numpy(),
        frame["available_from_us"].to_numpy(),
        _read_frame(folder, "attributes") if header["attributes"] else None,
    )


def _read_report(document: dict[str, Any]) -> ReadReport:
    problems = tuple(Problem(**one) for one in document["problems"])
    return ReadReport(document["rows"], document["kept"], document["time_unit"], problems)


def _line(error: Exception) -> str:
    return next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
