"""Speed: real next-item targets per CPU-second at full softmax, side by side, and what share of the roofline it is.

Rounds are interleaved: each runs every contender once, so what else the machine does meets all of them; figures are
medians over rounds, ratios are formed within a round. A real target is one that is not padding.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import contenders, measured, rates
from benchmarks.contenders import OURS, Contender
from benchmarks.contenders import run as run_contender
from benchmarks.datasets import MAX_LENGTH, folder_of, some_users
from benchmarks.machine import environment, python
from benchmarks.peers.meter import Job
from benchmarks.questions import export, real_targets
from benchmarks.report import Report, Table, gigabytes
from benchmarks.tables import asked as tables
from driftline.data.reading import read_dataset
from driftline.data.split import last_item_fold

WIDTH = 64

Rounds = Sequence[Mapping[str, Mapping[str, Any]]]
"""For each round, what each contender found, by its name."""


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("dataset", nargs="?", default="beauty", help="a name or a dataset folder")
    parser.add_argument("--models", help="Driftline's, with commas between; default: every sequence model")
    contenders.arguments(parser)
    parser.add_argument("--rounds", type=int, default=3, help="how many times each runs")
    parser.add_argument("--seconds", type=float, default=60, help="CPU-seconds of training, each and round")
    parser.add_argument("--length", type=int, help="how much of a history is read (default 50; ml-1m: 200)")
    parser.add_argument("--users", type=int, help="only so many users of the data, drawn by hash")


def run(asked: argparse.Namespace) -> Report:
    folder = some_users(folder_of(asked.dataset, asked.source, asked.cache), asked.users, asked.cache)
    taking_part = contenders.chosen(asked)
    length = asked.length or MAX_LENGTH.get(asked.dataset, 50)
    exported, size = _exported(folder, asked.cache)
    rounds = []
    for number in range(asked.rounds):
        found: dict[str, dict[str, Any]] = {"roofline": roofline(size["items"], asked.threads)}
        for contender in taking_part:
            tables.say(f"round {number + 1} of {asked.rounds}: {contender.name}")
            found[contender.name] = _one(contender, folder, exported, length, number, size, asked)
        rounds.append(found)
    failures = failures_of(rounds)
    shown = [speed_table(rounds, size, folder.name), ratio_table(rounds), roofline_table(rounds, size)]
    name = f"speed-{folder.name}"
    return tables.report(
        asked, name, f"Speed on {folder.name}", shown, {"size": size, "length": length, "rounds": rounds}, failures
    )


def _exported(folder: Path, cache: Path) -> tuple[Path, dict[str, int]]:
    """The training part as a file for the peers, and its size; V counts the items that have an event in it."""
    fold = last_item_fold(read_dataset(folder))
    file = cache / "exported" / f"{folder.name}.npz"
    file.parent.mkdir(parents=True, exist_ok=True)
    export(fold, file)
    items = int((fold.train.item_counts() > 0).sum())
    return file, {"targets": real_targets(fold.train), "items": items, "events": len(fold.train)}


def _one(
    contender: Contender,
    folder: Path,
    exported: Path,
    length: int,
    number: int,
    size: Mapping[str, int],
    asked: argparse.Namespace,
) -> dict[str, Any]:
    data = str((folder if contender.is_ours else exported).resolve())
    job = Job(
        data,
        contender.model,
        asked.seconds,
        dict(contender.alike),
        length,
        asked.threads,
        seed=number,
        source=contenders.source_of(asked),
    )
    found = run_contender(contender, job, cache=asked.cache)
    if "pass_cpu_seconds" in found:
        found["rate"] = size["targets"] / max(found["pass_cpu_seconds"], 1e-9)
    elif "failed" not in found and "rate" not in found:
        found["failed"] = f"it did not train two batches in {asked.seconds:g} CPU-seconds; raise --seconds"
    return found


def roofline(items: int, threads: int) -> dict[str, Any]:
    """The rates of the machine, measured in a process of its own."""
    command = [python(), str(Path(rates.__file__)), str(items), str(WIDTH), str(threads)]
    done = measured.run(command, environment=environment(threads))
    return {"failed": done.failure} if done.failure else json.loads(done.stdout.splitlines()[-1])


def failures_of(rounds: Rounds) -> dict[str, str]:
    """Why contenders failed, each with its first reason."""
    failed: dict[str, str] = {}
    for found in rounds:
        for name, one in found.items():
            if "failed" in one:
                failed.setdefault(name, str(one["failed"]))
    return failed


def speed_table(rounds: Rounds, size: Mapping[str, int], dataset: str) -> Table:
    """Medians and ranges of each contender, fastest first."""
    names = [name for name in rounds[0] if name != "roofline"]
    order = sorted(names, key=lambda name: -median(_values(rounds, name, "rate") or [0.0]))
    rows = [_row(name, rounds, size) for name in order]
    return Table(
        f"Real next-item targets per CPU-second, {dataset}",
        ("contender", "targets / CPU-s", "range", "share of bf16", "share of f32", "peak GB"),
        rows,
        (
            f"N = {size['targets']:,} targets a pass, V = {size['items']:,} items, D = {WIDTH}; full softmax",
            f"{len(rounds)} interleaved rounds; medians, and the range from lowest to highest",
            "shares: 6·V·D operations a target over the rate of products shaped as scores; none for a sampled softmax",
            "peers: batches after the first; Driftline: a fit of several epochs less a fit of one",
        ),
    )


def _row(name: str, rounds: Rounds, size: Mapping[str, int]) -> list[str]:
    values = _values(rounds, name, "rate")
    if not values:
        return [name, "failed", "", "", "", ""]
    return [
        name,
        f"{median(values):,.0f}",
        _range(values, len(rounds), ",.0f"),
        *(_share(rounds, name, size, kind) for kind in ("bfloat16", "float32")),
        gigabytes(median(_values(rounds, name, "peak_bytes"))),
    ]


def ratio_table(rounds: Rounds) -> Table:
    """How many times each peer's rate each of ours is: formed within a round, then the median and the range."""
    names = [name for name in rounds[0] if name != "roofline"]
    mine = [name for name in names if name.startswith(OURS)]
    peers = [name for name in names if not name.startswith(OURS)]
    rows = []
    for name in mine:
        cells = []
        for peer in peers:
            ratios = [
                found[name]["rate"] / found[peer]["rate"]
                for found in rounds
                if "rate" in found.get(name, {}) and "rate" in found.get(peer, {})
            ]
            cells.append(f"{median(ratios):.1f} ({_range(ratios, len(rounds), '.1f')})" if ratios else "failed")
        rows.append([name, *cells])
    return Table("Times the rate of each peer, same round", ("ours", *peers), rows)


def _range(values: Sequence[float], rounds: int, form: str) -> str:
    """From the lowest to the highest, with the number of runs where some rounds failed."""
    text = f"{min(values):{form}} to {max(values):{form}}"
    return text if len(values) == rounds else f"{text}, {len(values)} of {rounds} runs"


def _share(rounds: Rounds, name: str, size: Mapping[str, int], kind: str) -> str:
    if name in contenders.PEER_NAMES and contenders.PEER_NAMES[name].sampled:
        return ""
    shares = [
        rates.share(found[name]["rate"], size["items"], WIDTH, found["roofline"][f"scores {kind}"])
        for found in rounds
        if "rate" in found[name] and f"scores {kind}" in found["roofline"]
    ]
    return f"{median(shares):.1%}" if shares else ""


def roofline_table(rounds: Rounds, size: Mapping[str, int]) -> Table:
    """What the machine did in the same rounds, and the floor of a pass that follows from it."""
    names = [name for name in rounds[0]["roofline"] if name != "failed"]
    middle = {name: median(_values(rounds, "roofline", name)) for name in names}
    rows = []
    for (label, text), (name, rate) in zip(rates.show(middle), middle.items(), strict=True):
        floor = rates.floor_seconds(size["targets"], size["items"], WIDTH, rate)
        rows.append((label, text, "" if name.startswith("copy") else f"{floor:.1f}"))
    return Table("Roofline of one process", ("what", "rate", "floor of a pass, s"), rows)


def _values(rounds: Rounds, name: str, key: str) -> list[float]:
    return [float(found[name][key]) for found in rounds if key in found.get(name, {})]
