"""`make bench`: reading ten million events, and every model on the bundled shop."""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from pathlib import Path

import numpy as np
import polars as pl
from rich.console import Console
from rich.table import Table

from driftline.data.bundled import prepare_bundled
from driftline.data.reading import read_dataset
from driftline.data.split import global_time_fold
from driftline.learning.names import available, make_model
from driftline.metrics.ranks import target_ranks

console = Console()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--events", type=int, default=10_000_000, help="events of the synthetic folder")
    parser.add_argument("--models", default="all", help="short names with commas between, or all")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        reading(Path(place) / "big", asked.events)
        models(Path(place) / "shop", asked.models)


def reading(folder: Path, n_events: int) -> None:
    rng = np.random.default_rng(0)
    folder.mkdir()
    pl.DataFrame(
        {
            "user_id": rng.integers(0, max(n_events // 50, 1), n_events),
            "item_id": (rng.pareto(1.1, n_events) * 10).astype(np.int64) % max(n_events // 100, 1),
            "time": 1_600_000_000_000_000 + rng.integers(0, 10**14, n_events),
        }
    ).write_parquet(folder / "events.parquet")
    began = time.process_time()
    dataset = read_dataset(folder)
    fold = global_time_fold(dataset)
    seconds = time.process_time() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    table = Table("events", "CPU-seconds", "events / CPU-second", "peak GB", "test targets", title="read and split")
    table.add_row(f"{n_events:,}", f"{seconds:.1f}", f"{n_events / seconds:,.0f}", f"{peak:.2f}", f"{len(fold.test):,}")
    console.print(table)


def models(folder: Path, asked: str) -> None:
    dataset = read_dataset(prepare_bundled("online-retail", folder))
    fold = global_time_fold(dataset)
    table = Table("model", "fit and choose", "fit again", "score a query (ms)", "NDCG@10", title="the bundled shop")
    for name in available(dataset) if asked == "all" else asked.split(","):
        began = time.process_time()
        chosen = make_model(name).fit(fold.inner, catalog=dataset.catalog, validation=fold.stop)
        first = time.process_time() - began
        fitted = chosen.settled().fit(fold.train, catalog=dataset.catalog)
        second = time.process_time() - began - first
        ranks = target_ranks(fitted.score, fold.test)
        third = time.process_time() - began - first - second
        gains = np.where(ranks < 10, 1 / np.log2(np.minimum(ranks, 10) + 2), 0.0)
        _, user = np.unique(fold.test.user_row, return_inverse=True)
        quality = (np.bincount(user, gains) / np.bincount(user)).mean()
        each = 1000 * third / len(fold.test.histories)
        table.add_row(name, f"{first:.1f}", f"{second:.1f}", f"{each:.2f}", f"{quality:.4f}")
    console.print(table)


if __name__ == "__main__":
    main()
