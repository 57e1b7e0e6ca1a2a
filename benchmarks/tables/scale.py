"""Scale: one pass of a sequence model over millions of synthetic events, and what an event costs at each size.

Items are drawn from a heavy tail and users are sessions of a few topics, so there is something to learn; 50 events a
user, as many items at every size.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from benchmarks.contenders import ours
from benchmarks.contenders import run as run_contender
from benchmarks.datasets import write_folder
from benchmarks.peers.meter import Job
from benchmarks.report import Report, Table, gigabytes
from benchmarks.tables import asked as tables

EVENTS_PER_USER = 50
TOPICS = 200
STAYS = 0.8
"""The chance that an event is of its user's topic."""

BEGAN_US = 1_600_000_000_000_000
SPAN_US = 10**14


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--sizes", type=tables.integers, default=[1_000_000, 10_000_000], help="events, with commas between"
    )
    parser.add_argument("--items", type=int, default=100_000, help="items of the catalog")
    parser.add_argument("--models", type=tables.names, default="linear", help="sequence models, with commas between")


def run(asked: argparse.Namespace) -> Report:
    found: dict[str, dict[str, Any]] = {}
    for size in asked.sizes:
        folder = asked.cache / "datasets" / f"synthetic-{size}-{asked.items}"
        if not folder.exists():
            write_folder(events(size, asked.items), folder, name=folder.name, repeats="allow")
        for model in asked.models:
            tables.say(f"{size:,} events: {model}")
            contender = ours(model)
            settings = {**contender.alike, "epochs": 1}
            job = Job(str(folder.resolve()), model, 0.0, settings, threads=asked.threads, part="once")
            found[f"{model}, {size}"] = {
                "events": size,
                "model": model,
                **run_contender(contender, job, cache=asked.cache),
            }
    failures = {name: str(one["failed"]) for name, one in found.items() if "failed" in one}
    return tables.report(asked, "scale", "One pass over synthetic events", [scale_table(found)], found, failures)


def events(n: int, n_items: int, seed: int = 0) -> pl.DataFrame:
    """Synthetic events: a user has a topic and mostly stays in it; topics and their items have heavy tails."""
    rng = np.random.default_rng(seed)
    users = rng.integers(0, max(n // EVENTS_PER_USER, 1), n)
    topics = min(TOPICS, n_items)
    own = heavy(rng, topics, int(users.max()) + 1)[users]
    topic = np.where(rng.random(n) < STAYS, own, heavy(rng, topics, n))
    within = n_items // topics
    return pl.DataFrame(
        {
            "user_id": users.astype(str),
            "item_id": (topic * within + heavy(rng, within, n)).astype(str),
            "time": BEGAN_US + rng.integers(0, SPAN_US, n),
        }
    )


def heavy(rng: np.random.Generator, n: int, size: int) -> NDArray[np.int64]:
    """Numbers below n of which number r comes about as often as 1 / (r + 1)."""
    return np.minimum(((n + 1) ** rng.random(size)).astype(np.int64) - 1, n - 1)


def scale_table(found: Mapping[str, Mapping[str, Any]]) -> Table:
    """A row for each model and size."""
    columns = ("model", "events", "users", "items", "targets", "read, CPU-s", "pass, CPU-min", "µs an event", "peak GB")
    return Table(
        "One pass, everything around it included",
        columns,
        [_row(one) for one in found.values()],
        ("a fit of one epoch from reading the log on: starting vectors are part of it",),
    )


def _row(one: Mapping[str, Any]) -> list[str]:
    if "failed" in one:
        return [one["model"], f"{one['events']:,}", "failed", "", "", "", "", "", ""]
    return [
        one["model"],
        *(f"{one[key]:,}" for key in ("events", "users", "items", "targets")),
        f"{one['read_cpu_seconds']:.1f}",
        f"{one['train_cpu_seconds'] / 60:.2f}",
        f"{1e6 * one['train_cpu_seconds'] / one['targets']:.1f}",
        gigabytes(one["peak_bytes"]),
    ]
