"""Shop: what every model takes and reaches on the bundled shop, with nothing to fetch."""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.report import Report, Table
from benchmarks.tables import asked as tables
from driftline.data.bundled import prepare_bundled
from driftline.data.dataset import Dataset
from driftline.data.reading import read_dataset
from driftline.data.split import global_time_fold
from driftline.data.targets import Fold
from driftline.learning.names import available, make_model
from driftline.metrics.ranking import means_by, ndcg
from driftline.metrics.ranks import target_ranks

COLUMNS = ("model", "fit and choose, CPU-s", "fit again, CPU-s", "score a query, ms", "NDCG@10")


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--models", type=tables.names, default="all", help="short names with commas between, or all")


def run(asked: argparse.Namespace) -> Report:
    with tempfile.TemporaryDirectory() as folder:
        dataset = read_dataset(prepare_bundled("online-retail", Path(folder) / "shop"))
        fold = global_time_fold(dataset)
        names = available(dataset) if asked.models == ["all"] else asked.models
        found = {}
        for name in names:
            tables.say(name)
            found[name] = measure(name, dataset, fold)
    rows = [
        (name, f"{one['choose']:.1f}", f"{one['again']:.1f}", f"{one['score_ms']:.2f}", f"{one['ndcg@10']:.4f}")
        for name, one in found.items()
    ]
    table = Table("The bundled shop, global-time", COLUMNS, rows)
    return tables.report(asked, "shop", "Every model on the bundled shop", [table], found)


def measure(name: str, dataset: Dataset, fold: Fold) -> dict[str, Any]:
    """CPU-seconds of both fits, milliseconds of a query, and NDCG@10 averaged over users."""
    began = time.process_time()
    chosen = make_model(name).fit(fold.inner, catalog=dataset.catalog, validation=fold.stop)
    first = time.process_time()
    fitted = chosen.settled().fit(fold.train, catalog=dataset.catalog)
    second = time.process_time()
    ranks = target_ranks(fitted.score, fold.test)
    third = time.process_time()
    users, row = np.unique(fold.test.user_row, return_inverse=True)
    quality = means_by(ndcg(ranks, 10), row, len(users)).mean()
    each = 1000 * (third - second) / len(fold.test.histories)
    return {"choose": first - began, "again": second - first, "score_ms": each, "ndcg@10": float(quality)}
