"""Roofline: rates of products and of copying on this machine, and the floor of a pass over a dataset."""

from __future__ import annotations

import argparse
from typing import Any

from benchmarks.datasets import folder_of
from benchmarks.questions import real_targets
from benchmarks.report import Report
from benchmarks.tables import asked as tables
from benchmarks.tables.speed import failures_of, roofline, roofline_table
from driftline.data.reading import read_dataset
from driftline.data.split import last_item_fold


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("dataset", nargs="?", default="beauty", help="a name or a dataset folder")
    parser.add_argument("--rounds", type=int, default=3, help="how many times it is measured")


def run(asked: argparse.Namespace) -> Report:
    fold = last_item_fold(read_dataset(folder_of(asked.dataset, asked.source, asked.cache)))
    size = {"targets": real_targets(fold.train), "items": int((fold.train.item_counts() > 0).sum())}
    rounds: list[dict[str, dict[str, Any]]] = [
        {"roofline": roofline(size["items"], asked.threads)} for _ in range(asked.rounds)
    ]
    shown = [] if (failed := failures_of(rounds)) else [roofline_table(rounds, size)]
    return tables.report(asked, "roofline", "Roofline", shown, {"size": size, "rounds": rounds}, failed)
