"""Equal time: peers train for the same CPU time as their makers ship them, and are ranked by our ranks and metrics.

Peers answer the last-item test with lists (what was had masked where the protocol masks it); Driftline's models stand
beside them at their own defaults and their own time. Each result is kept: run again, what is there is not run again.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import contenders
from benchmarks.contenders import Contender
from benchmarks.contenders import run as run_contender
from benchmarks.datasets import MAX_LENGTH, folder_of
from benchmarks.peers.meter import Job
from benchmarks.published import figures_of
from benchmarks.questions import export, ranks_of_lists
from benchmarks.report import Report, Table, gigabytes, with_interval
from benchmarks.tables import asked as tables
from benchmarks.tables.quality import difference, published_table
from driftline.data.files import replace_text
from driftline.data.reading import read_dataset
from driftline.data.split import last_item_fold
from driftline.data.targets import Targets
from driftline.errors import InvalidScoreError
from driftline.metrics.bootstrap import estimate, paired_difference, resampled_means
from driftline.metrics.ranking import RANK_METRICS, Ranks, means_by

SHOWN = ("hr@10", "ndcg@10", "mrr@20")


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("dataset", nargs="?", default="beauty", help="a name or a dataset folder")
    parser.add_argument("--models", default="gru,blend", help="Driftline's, with commas between; or none")
    contenders.arguments(parser)
    parser.add_argument("--minutes", type=float, default=60, help="CPU-minutes of training for each peer")
    parser.add_argument("--seed", type=int, default=0)


def run(asked: argparse.Namespace) -> Report:
    folder = folder_of(asked.dataset, asked.source, asked.cache)
    test = last_item_fold(read_dataset(folder)).test
    name = f"equal-time-{folder.name}-{asked.minutes:g}-minutes"
    kept = asked.out / name
    kept.mkdir(parents=True, exist_ok=True)
    found = {}
    for contender in contenders.chosen(asked):
        tables.say(contender.name)
        found[contender.name] = _kept(contender, folder, test, kept, asked)
    ranks = {
        name: np.load(kept / f"{name}.npy", allow_pickle=False) for name, one in found.items() if "failed" not in one
    }
    figures = {name: figures_of_ranks(one, test) for name, one in ranks.items()}
    shown = [equal_time_table(found, figures, versus_best(ranks, test), asked.minutes)]
    if figures_of(folder.name):
        shown.append(published_table(folder.name))
    failures = {name: str(one["failed"]) for name, one in found.items() if "failed" in one}
    document = {name: {**one, "figures": figures.get(name)} for name, one in found.items()}
    return tables.report(asked, name, f"Equal time on {folder.name}", shown, document, failures)


def _kept(contender: Contender, folder: Path, test: Targets, kept: Path, asked: argparse.Namespace) -> dict[str, Any]:
    """The result of the same job that is there, or a new one; failures are not kept, so they are tried again.

    Ours is the same job only at the same commit.
    """
    file, ranks = kept / f"{contender.name}.json", kept / f"{contender.name}.npy"
    job = (_our_job if contender.is_ours else _peer_job)(contender, folder, ranks, asked)
    told = {**asdict(job), "commit": asked.machine["commit"] if contender.is_ours else None}
    if file.exists() and ranks.exists():
        there: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        if there["job"] == told:
            return there
    found = run_contender(contender, job, cache=asked.cache)
    if "failed" not in found and not contender.is_ours:
        found = _ranked(found, Path(str(job.out)), ranks, test)
    if "failed" not in found:
        found = {**found, "job": told}
        replace_text(file, json.dumps(found, indent=2) + "\n")
    return found


def _our_job(contender: Contender, folder: Path, ranks: Path, asked: argparse.Namespace) -> Job:
    """A fit as `driftline evaluate` does it; it writes the ranks itself."""
    return Job(
        str(folder.resolve()),
        contender.model,
        cpu_seconds=0.0,
        threads=asked.threads,
        seed=asked.seed,
        part="ranks",
        out=str(ranks.resolve()),
    )


def _peer_job(contender: Contender, folder: Path, ranks: Path, asked: argparse.Namespace) -> Job:
    """So many minutes with its makers' settings; it writes lists."""
    data = asked.cache / "exported" / f"{folder.name}.npz"
    data.parent.mkdir(parents=True, exist_ok=True)
    export(last_item_fold(read_dataset(folder)), data)
    return Job(
        str(data.resolve()),
        contender.model,
        cpu_seconds=60 * asked.minutes,
        max_length=MAX_LENGTH.get(folder.name, 50),
        threads=asked.threads,
        seed=asked.seed,
        out=str(ranks.with_suffix(".lists.npz").resolve()),
        source=contenders.source_of(asked),
    )


def _ranked(found: dict[str, Any], lists: Path, ranks: Path, test: Targets) -> dict[str, Any]:
    """Rank the targets in a peer's lists, which are then thrown away."""
    with np.load(lists, allow_pickle=False) as file:
        items, scores = file["items"], file["scores"]
    lists.unlink()
    try:
        np.save(ranks, ranks_of_lists(items, scores, test), allow_pickle=False)
    except InvalidScoreError as error:
        return {"failed": str(error)}
    return found


def figures_of_ranks(ranks: Ranks, test: Targets) -> dict[str, dict[str, float]]:
    """Every rank metric with its interval over users."""
    names, values = list(RANK_METRICS), _by_user(ranks, test, list(RANK_METRICS))
    draws = resampled_means(values)
    return {
        name: estimate(float(values[:, column].mean()), draws[:, column]).as_json() for column, name in enumerate(names)
    }


def versus_best(ranks: Mapping[str, Ranks], test: Targets) -> dict[str, dict[str, float]]:
    """NDCG@10 of each contender less that of the best, paired over users; the best one is left out."""
    values = {name: _by_user(one, test, ["ndcg@10"])[:, 0] for name, one in ranks.items()}
    best = max(values, key=lambda name: float(values[name].mean()), default=None)
    return {
        name: paired_difference(one, values[best]).as_json() for name, one in values.items() if best and name != best
    }


def _by_user(ranks: Ranks, test: Targets, names: Sequence[str]) -> NDArray[np.float64]:
    """Metrics averaged within each user; shape [n_users, len(names)]."""
    users, row = np.unique(test.user_row, return_inverse=True)
    return np.stack([means_by(RANK_METRICS[name](ranks), row, len(users)) for name in names], axis=1)


def equal_time_table(
    found: Mapping[str, Mapping[str, Any]],
    figures: Mapping[str, Mapping[str, Mapping[str, float]]],
    versus: Mapping[str, Mapping[str, float]],
    minutes: float,
) -> Table:
    """Contenders by NDCG@10, those that failed last."""
    order = sorted(found, key=lambda name: -figures[name]["ndcg@10"]["value"] if name in figures else 1.0)
    rows = []
    for name in order:
        if name not in figures:
            rows.append([name, "failed", "", "", "", "", ""])
            continue
        one = found[name]
        metrics = [with_interval(figures[name][metric]) for metric in SHOWN]
        behind = difference(versus[name]) if name in versus else ""
        cost = [f"{one['train_cpu_seconds'] / 60:.1f}", gigabytes(one["peak_bytes"])]
        rows.append([name, *metrics, behind, *cost])
    columns = ("contender", "HR@10", "NDCG@10", "MRR@20", "NDCG@10 − best", "training, CPU-min", "peak GB")
    notes = (
        f"peers: {minutes:g} CPU-minutes each, their own default settings, the weights at the end",
        "95 % intervals by bootstrap over users; one seed; ≈ holds 0",
    )
    return Table(f"{minutes:g} CPU-minutes", columns, rows, notes)
