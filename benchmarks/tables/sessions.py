"""Sessions: the next item for every event of later sessions, Recall@20 and MRR@20 over events as session papers count.

A session is a user. What is asked are events that have one before them in their session; nothing is masked; all items
of the training part are candidates. Test events of items that training never saw are dropped, then sessions of one
event, as the preparation of the papers does; both are counted.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from benchmarks.datasets import find, write_folder
from benchmarks.report import Report, Table, with_interval
from benchmarks.tables import asked as tables
from benchmarks.tables.quality import difference
from driftline.data.dataset import Dataset
from driftline.data.reading import read_dataset
from driftline.data.split import global_time_fold
from driftline.data.targets import Fold, Targets
from driftline.errors import NotEnoughDataError
from driftline.learning.names import make_model
from driftline.metrics.bootstrap import estimate, resampled_means
from driftline.metrics.ranking import Ranks, hit, means_by, reciprocal_rank
from driftline.metrics.ranks import target_ranks
from driftline.ranking.training import train

SECOND_US = 1_000_000
BEGAN_US = 1_500_000_000 * SECOND_US
"""Where time begins for files that hold an order alone."""

ADER = {"diginetica": "DIGINETICA", "yoochoose": "YOOCHOOSE"}
PERIODS = 17

MODELS = "popularity,item-knn,cooccurrence,gru"
METRICS = ("recall@20", "mrr@20")


@dataclass(frozen=True)
class Sessions:
    """Events of a session dataset, `user_id, item_id, time` in microseconds, and the moment at which testing begins."""

    events: pl.DataFrame
    cutoff_us: int
    dropped: Mapping[str, int]


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("dataset", nargs="?", default="yoochoose-100k", choices=("yoochoose-100k", *ADER))
    parser.add_argument(
        "--models", type=tables.names, default=MODELS, help="with commas between; the last is compared with the others"
    )
    parser.add_argument("--seeds", type=tables.integers, default=[0], help="with commas between")
    parser.add_argument("--periods", type=int, default=PERIODS, help="of diginetica and yoochoose, the first so many")


def run(asked: argparse.Namespace) -> Report:
    sessions = read(asked)
    dataset = _dataset(sessions, asked)
    fold = session_fold(dataset, sessions.cutoff_us)
    found: dict[str, dict[str, Any]] = {}
    draws: dict[str, NDArray[np.float64]] = {}
    for model in asked.models:
        tables.say(f"{asked.dataset}: {model}")
        try:
            found[model], draws[model] = measure(model, dataset, fold, asked.seeds)
        except NotEnoughDataError as error:
            found[model] = {"failed": str(error)}
    failures = {model: str(one["failed"]) for model, one in found.items() if "failed" in one}
    size = {
        "sessions": fold.train.n_users,
        "training events": len(fold.train),
        "items": int((fold.train.item_counts() > 0).sum()),
        "targets": len(fold.test),
        **sessions.dropped,
    }
    shown = [session_table(found, asked.dataset, size)]
    if len(draws) > 1:
        shown.append(versus_table(found, draws, asked.models[-1]))
    name = f"sessions-{asked.dataset}"
    return tables.report(asked, name, f"Sessions of {asked.dataset}", shown, {"size": size, "models": found}, failures)


def read(asked: argparse.Namespace) -> Sessions:
    """The sessions of a name, from its published files."""
    if asked.dataset in ADER:
        folder = ADER[asked.dataset]
        first = find(f"{folder}/period_0.txt", "diginetica_yoochoose_ader", asked.source, asked.cache)
        return of_periods([first.parent / f"period_{number}.txt" for number in range(asked.periods)])
    files = [
        find(f"yoochoose-clicks-100k_{part}.txt", "yoochoose_100k", asked.source, asked.cache)
        for part in ("train_full", "test")
    ]
    return of_clicks(*files)


def of_clicks(train: Path, test: Path) -> Sessions:
    """Tab-separated `SessionId, ItemId, Time` in seconds, one file to train and one to test.

    Test sessions may have begun while the last training sessions ran, so all test times are moved by the same span to
    after the last training event: the split of the files is kept, and so are the gaps within sessions.
    """
    names = {"SessionId": "user_id", "ItemId": "item_id", "Time": "seconds"}
    kinds = {"SessionId": pl.String, "ItemId": pl.String, "Time": pl.Float64}
    parts = [pl.read_csv(path, separator="\t", schema_overrides=kinds).rename(names) for path in (train, test)]
    before, after = (
        part.select("user_id", "item_id", (pl.col("seconds") * SECOND_US).round().cast(pl.Int64).alias("time"))
        for part in parts
    )
    cutoff = int(before["time"].max()) + SECOND_US  # type: ignore[arg-type]
    late = max(0, cutoff - int(after["time"].min()))  # type: ignore[arg-type]
    after = after.with_columns((pl.lit("test ") + pl.col("user_id")).alias("user_id"), pl.col("time") + late)
    return _sessions(before, after, cutoff)


def of_periods(files: Sequence[Path]) -> Sessions:
    """Files of `session item` in the order of events, a period each; the last one tests, those before it train."""
    parts, began = [], 0
    for path in files:
        part = pl.read_csv(
            path, separator=" ", has_header=False, new_columns=["user_id", "item_id"], schema_overrides=[pl.String] * 2
        )
        times = BEGAN_US + (began + pl.int_range(part.height)) * SECOND_US
        parts.append(part.with_columns(times.alias("time")))
        began += part.height
    return _sessions(pl.concat(parts[:-1]), parts[-1], BEGAN_US + (began - parts[-1].height) * SECOND_US)


def _sessions(before: pl.DataFrame, after: pl.DataFrame, cutoff_us: int) -> Sessions:
    known = after.filter(pl.col("item_id").is_in(before["item_id"].unique().implode()))
    kept = known.filter((pl.len().over("user_id") > 1) | pl.col("user_id").is_in(before["user_id"].unique().implode()))
    dropped = {
        "events of unknown items dropped": after.height - known.height,
        "single events dropped": known.height - kept.height,
    }
    return Sessions(pl.concat([before, kept]), cutoff_us, dropped)


def _dataset(sessions: Sessions, asked: argparse.Namespace) -> Dataset:
    name = f"sessions-{asked.dataset}" + (f"-{asked.periods}" if asked.dataset in ADER else "")
    folder = asked.cache / "datasets" / name
    if not folder.exists():
        write_folder(sessions.events, folder, name=name, repeats="allow")
    return read_dataset(folder)


def session_fold(dataset: Dataset, cutoff_us: int) -> Fold:
    """The global-time fold without the questions that nothing comes before: the first event of a session."""
    fold = global_time_fold(dataset, cutoff_us=cutoff_us)
    return replace(fold, stop=_asked(fold.stop), stack=_asked(fold.stack), test=_asked(fold.test))


def _asked(targets: Targets) -> Targets:
    return targets.take_queries(np.flatnonzero(targets.histories.lengths > 0))


def measure(
    model: str, dataset: Dataset, fold: Fold, seeds: Sequence[int]
) -> tuple[dict[str, Any], NDArray[np.float64]]:
    """Figures of a model, mean of seeds, and the bootstrap draws of its means over events [n_resamples, n_metrics]."""
    began, runs = time.process_time(), []
    for seed in seeds:
        trained = train({model: make_model(model)}, fold, catalog=dataset.catalog, seed=seed)
        runs.append(values_of(target_ranks(trained.fitted[model].score, fold.test)))
    seconds = (time.process_time() - began) / len(seeds)
    values = np.mean(runs, axis=0)
    spread = np.std([run.mean(axis=0) for run in runs], axis=0, ddof=1) if len(seeds) > 1 else [None] * len(METRICS)
    draws = draws_over_events(values, fold.test)
    users, row = np.unique(fold.test.user_row, return_inverse=True)
    figures = {
        name: estimate(float(values[:, column].mean()), draws[:, column], spread=spread[column]).as_json()
        for column, name in enumerate(METRICS)
    }
    by_session = {
        name: float(means_by(values[:, column], row, len(users)).mean()) for column, name in enumerate(METRICS)
    }
    return {"figures": figures, "by_session": by_session, "cpu_seconds": seconds}, draws


def values_of(ranks: Ranks) -> NDArray[np.float64]:
    """Recall@20 and MRR@20 of each event; shape [n_targets, 2]. With one item to find, recall is the hit."""
    return np.stack([hit(ranks, 20), reciprocal_rank(ranks, 20)], axis=1)


def draws_over_events(values: NDArray[np.float64], targets: Targets) -> NDArray[np.float64]:
    """Means over events under sessions drawn with replacement: their sums by their counts."""
    users, row = np.unique(targets.user_row, return_inverse=True)
    sums = [np.bincount(row, column, len(users)) for column in values.T]
    drawn = resampled_means(np.stack([*sums, np.bincount(row, minlength=len(users))], axis=1).astype(np.float64))
    return np.asarray(drawn[:, :-1] / drawn[:, -1:])


def session_table(found: Mapping[str, Mapping[str, Any]], name: str, size: Mapping[str, int]) -> Table:
    """Models by MRR@20 over events."""
    order = sorted(found, key=lambda model: -_mrr(found[model]))
    rows = []
    for model in order:
        one = found[model]
        if "failed" in one:
            rows.append([model, "failed", "", "", "", ""])
            continue
        by_session = [f"{one['by_session'][metric]:.4f}" for metric in METRICS]
        rows.append(
            [
                model,
                *(with_interval(one["figures"][metric]) for metric in METRICS),
                *by_session,
                f"{one['cpu_seconds']:,.0f}",
            ]
        )
    columns = ("model", "Recall@20", "MRR@20", "Recall@20, by session", "MRR@20, by session", "CPU-s a seed")
    notes = (
        ", ".join(f"{key}: {value:,}" for key, value in size.items()),
        "means over events; 95 % intervals by bootstrap over sessions",
    )
    return Table(f"Next item, {name}", columns, rows, notes)


def versus_table(found: Mapping[str, Mapping[str, Any]], draws: Mapping[str, NDArray[np.float64]], model: str) -> Table:
    """The last model asked for against each of the others, paired: the same sessions are drawn for all."""
    rows = []
    for other in draws:
        if other != model and model in draws:
            cells = []
            for column, metric in enumerate(METRICS):
                value = found[model]["figures"][metric]["value"] - found[other]["figures"][metric]["value"]
                cells.append(difference(estimate(value, draws[model][:, column] - draws[other][:, column]).as_json()))
            rows.append([other, *cells])
    return Table(f"{model} less the others", ("other", *METRICS), rows, ("≈: the interval holds 0",))


def _mrr(one: Mapping[str, Any]) -> float:
    return float(one["figures"]["mrr@20"]["value"]) if "figures" in one else -1.0
