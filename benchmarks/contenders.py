"""Who takes part: each contender trains in a process of its own, in its own environment, and says one line of JSON."""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from benchmarks import measured
from benchmarks.environments import PEERS, EnvironmentFailedError, ensure
from benchmarks.machine import environment, python
from benchmarks.peers.meter import Job
from driftline.errors import RequestError
from driftline.learning.names import TABLE

SEQUENCE = tuple(name for name, entry in TABLE.items() if entry.module == "driftline.models.sequence")
"""Driftline's sequence models, as many as there are by now."""

OURS = "driftline-"
"""What the names of our own contenders begin with."""


@dataclass(frozen=True)
class Contender:
    """One program: its script in `peers`, the requirements of its environment, and what it is told to train.

    Driftline has neither script nor requirements: it is the module `benchmarks.ours` in the environment at hand.

    `alike` are the settings that make it as large as the others (two layers, width 64, full cross-entropy) where speed
    is compared; without them it runs as its makers ship it. `needs_source` says that no index has it, so a checkout has
    to be named; `sampled` that its softmax is over a sample, so the full one is no floor for it.
    """

    name: str
    model: str
    script: str = ""
    requirements: str = ""
    alike: Mapping[str, Any] = field(default_factory=dict)
    needs_source: bool = False
    sampled: bool = False

    @property
    def is_ours(self) -> bool:
        """Whether it is Driftline."""
        return not self.requirements


PEER_NAMES: Mapping[str, Contender] = {
    one.name: one
    for one in (
        Contender(
            "rectools-sasrec",
            "SASRec",
            "rectools_sasrec.py",
            "rectools",
            {"n_blocks": 2, "n_heads": 2, "n_factors": 64, "loss": "softmax"},
        ),
        Contender(
            "recbole-sasrec",
            "SASRec",
            "recbole_models.py",
            "recbole",
            {"n_layers": 2, "n_heads": 2, "hidden_size": 64, "inner_size": 256, "loss_type": "CE"},
        ),
        Contender(
            "recbole-gru4rec",
            "GRU4Rec",
            "recbole_models.py",
            "recbole",
            {"num_layers": 1, "embedding_size": 64, "hidden_size": 64, "loss_type": "CE"},
        ),
        Contender(
            "gru4rec-official",
            "GRU4Rec",
            "gru4rec_official.py",
            "gru4rec",
            {"layers": [64], "n_sample": 2048, "loss": "cross-entropy"},
            needs_source=True,
            sampled=True,
        ),
    )
}


def ours(model: str) -> Contender:
    """Driftline's model of a short name."""
    return Contender(OURS + model, model, alike={"dim": 64})


def arguments(parser: argparse.ArgumentParser) -> None:
    """The options that say which peers take part."""
    parser.add_argument("--peers", help=f"{', '.join(PEER_NAMES)}, with commas between; default: all at hand; or none")
    parser.add_argument("--gru4rec", type=Path, help="a checkout of the official GRU4Rec, which no index has")


def chosen(asked: argparse.Namespace) -> list[Contender]:
    """Contenders by `--models` and `--peers`: names with commas between, `none`, or all that can be had.

    The official GRU4Rec takes part where `--gru4rec` names its checkout, or where it is asked for by name.
    """
    at_hand = [name for name, peer in PEER_NAMES.items() if asked.gru4rec or not peer.needs_source]
    peers = _names(asked.peers, at_hand)
    for name in peers:
        if name not in PEER_NAMES:
            raise RequestError(f"expected --peers among {', '.join(PEER_NAMES)}, got {name!r}")
    return [ours(name) for name in _names(asked.models, SEQUENCE)] + [PEER_NAMES[name] for name in peers]


def source_of(asked: argparse.Namespace) -> str | None:
    """The checkout that `--gru4rec` names."""
    return str(asked.gru4rec.resolve()) if asked.gru4rec else None


def run(contender: Contender, job: Job, *, cache: Path) -> dict[str, Any]:
    """What a contender found, with what its whole process cost; under `failed` why it could not.

    A failure is a result: the table says it, and the others go on.
    """
    try:
        command = _command(contender, cache)
    except EnvironmentFailedError as error:
        return {"failed": f"its environment could not be made: {error}"}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "job.json"
        file.write_text(json.dumps(asdict(job)), encoding="utf-8")
        # What peers leave behind (logs, caches) goes with the folder; ours is a module of the repository.
        cwd = PEERS.parents[1] if contender.is_ours else Path(folder)
        done = measured.run([*command, str(file)], environment=environment(job.threads), cwd=cwd)
    if done.failure:
        return {"failed": done.failure}
    try:
        said = done.document()
    except ValueError as error:
        return {"failed": str(error)}
    return {**said, "process_cpu_seconds": done.cpu_seconds, "wall_seconds": done.wall_seconds}


def _command(contender: Contender, cache: Path) -> list[str]:
    """How it is started, but for the job; EnvironmentFailedError where its environment cannot be made."""
    if contender.is_ours:
        return [python(), "-m", "benchmarks.ours"]
    return [str(ensure(contender.requirements, cache)), str(PEERS / contender.script)]


def _names(asked: str | None, everything: Sequence[str]) -> list[str]:
    if asked is None or asked == "all":
        return list(everything)
    return [] if asked == "none" else [name.strip() for name in asked.split(",") if name.strip()]
