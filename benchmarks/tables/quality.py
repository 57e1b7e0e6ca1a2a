"""Quality: HR@10 and NDCG@10 of each model with intervals, cost and memory, beside what is published.

Every model is measured by `driftline evaluate` in a process of its own, so its CPU-seconds and its peak memory are its
own; they hold reading, the models that every table shows (popularity and the count kernel), and all seeds.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks import measured
from benchmarks.datasets import DRIFTLINE, folder_of
from benchmarks.machine import environment
from benchmarks.published import figures_of
from benchmarks.report import Report, Table, gigabytes, short, with_interval
from benchmarks.tables import asked as tables

KERNEL = "cooccurrence"
"""The baseline that embarrasses: a count kernel, in every document of `driftline evaluate`."""

MODELS = "popularity,cooccurrence,item-knn,als,gru,evolution,blend"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("dataset", nargs="?", default="beauty", help="a name or a dataset folder")
    parser.add_argument("--protocol", choices=("last-item", "global-time"), default="last-item")
    parser.add_argument("--models", type=tables.names, default=MODELS, help="short names with commas between")
    parser.add_argument("--seeds", type=tables.integers, default=[0, 1, 2], help="with commas between")
    parser.add_argument("--config", type=Path, help="settings of the models as TOML, for `driftline evaluate`")


def run(asked: argparse.Namespace) -> Report:
    folder = folder_of(asked.dataset, asked.source, asked.cache)
    found = {}
    for model in asked.models:
        tables.say(f"{folder.name}: {model}")
        found[model] = evaluated(folder, model, asked)
    failures = {model: one["failed"] for model, one in found.items() if "failed" in one}
    shown = [quality_table(found, folder.name, asked.protocol)]
    if asked.protocol == "last-item" and figures_of(folder.name):
        shown.append(published_table(folder.name))
    name = f"quality-{folder.name}-{asked.protocol}"
    return tables.report(asked, name, f"Quality on {folder.name}, {asked.protocol}", shown, found, failures)


def evaluated(folder: Path, model: str, asked: argparse.Namespace) -> dict[str, Any]:
    """What `driftline evaluate` says of one model, with what its process cost; under `failed` why it could not."""
    seeds = ",".join(map(str, asked.seeds)) + ","  # a comma makes a list of one seed a list
    options = ["--protocol", asked.protocol, "--models", model, "--seeds", seeds, "--json"]
    options += ["--config", str(asked.config)] if asked.config else []
    done = measured.run([*DRIFTLINE, "evaluate", str(folder), *options], environment=environment(asked.threads))
    if done.failure:
        return {"failed": done.failure}
    document = done_document(done)
    cost = {"cpu_seconds": done.cpu_seconds, "wall_seconds": done.wall_seconds, "peak_bytes": done.peak_bytes}
    if "failed" in document:
        return {**document, **cost}
    if model not in document["models"]:
        return {"failed": document["skipped"].get(model, "it is not in the document"), **cost}
    keys = ("data", "seeds", "targets", "fit_seconds", "shares", "dropped")
    versus = document["versus"].get(model, {}).get(KERNEL)
    return {"figures": document["models"][model], "versus": versus, **cost, **{key: document[key] for key in keys}}


def done_document(done: measured.Measured) -> dict[str, Any]:
    """The whole output as one JSON document, or why there is none under `failed`."""
    try:
        document: dict[str, Any] = json.loads(done.stdout)
    except json.JSONDecodeError:
        return {"failed": f"expected one JSON document, got {done.stdout[:120]!r}"}
    return document


def quality_table(found: Mapping[str, Mapping[str, Any]], name: str, protocol: str) -> Table:
    """Models by NDCG@10, those that failed last."""
    order = sorted(found, key=lambda model: -_ndcg(found[model]))
    there = next((one for one in found.values() if "figures" in one), None)
    notes = ["95 % intervals by bootstrap over users; ± is the spread over seeds; ≈ holds 0"]
    if there:
        data, asked = there["data"], there["targets"]
        notes.append(f"{data['users']:,} users, {data['items']:,} items, {data['events']:,} events; {protocol}")
        notes.append(f"{asked['targets']:,} targets, {asked['masked']:,} of them masked, repeats: {asked['repeats']}")
    columns = ("model", "HR@10", "NDCG@10", "NDCG@10 − count kernel", "fit s a seed", "CPU-s in all", "peak GB")
    return Table(f"{name}, {protocol}", columns, [_row(model, found[model]) for model in order], notes)


def _ndcg(one: Mapping[str, Any]) -> float:
    return float(one["figures"]["ndcg@10"]["value"]) if "figures" in one else -1.0


def _row(model: str, one: Mapping[str, Any]) -> list[str]:
    if "failed" in one:
        return [model, "failed", "", "", "", "", ""]
    figures, versus = one["figures"], one["versus"]
    seconds = one["fit_seconds"].get(model)
    return [
        model,
        with_interval(figures["hr@10"]),
        with_interval(figures["ndcg@10"]),
        difference(versus["ndcg@10"]) if versus else "",
        f"{seconds:,.1f}" if seconds is not None else "",
        f"{one['cpu_seconds']:,.0f}",
        gigabytes(one["peak_bytes"]),
    ]


def difference(row: Mapping[str, float]) -> str:
    """A difference with its interval, marked as a tie where that holds 0.

    >>> difference({"value": 0.01, "low": -0.001, "high": 0.02})
    '≈ +.0100 [-.0010, .0200]'
    """
    sign = "+" if row["value"] > 0 else ""
    text = f"{sign}{short(row['value'])} [{short(row['low'])}, {short(row['high'])}]"
    return f"≈ {text}" if row["low"] <= 0 <= row["high"] else text


def published_table(name: str) -> Table:
    """What others have published for the same cut and protocol."""
    rows = [
        (
            one.model + ("" if one.checked else " †"),
            "" if one.hr10 is None else short(one.hr10),
            "" if one.ndcg10 is None else short(one.ndcg10),
            one.source,
        )
        for one in figures_of(name)
    ]
    notes = ("† read second-hand: to be checked before it is quoted",)
    return Table(f"Published, {name}", ("model", "HR@10", "NDCG@10", "source"), rows, notes)
