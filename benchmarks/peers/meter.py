"""What every peer's program shares: its job, its data, the count of real targets, and the line that it prints.

It runs in environments that hold neither Driftline nor each other, so it imports NumPy and the standard library alone.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

K = 100
"""How many items are exported for each question: far more than any metric looks at."""


@dataclass(frozen=True)
class Job:
    """One piece of work for a peer.

    `data` is the file that `benchmarks.questions.export` wrote; `model` is what to train, `settings` are keywords of
    the peer that differ from its own defaults. Training ends after `cpu_seconds`, at the end of a batch. With `out`
    the answers to the test questions are written there. `source` is a checkout, for peers that no index has. `part`
    is for Driftline's own program.
    """

    data: str
    model: str
    cpu_seconds: float
    settings: dict[str, Any] = field(default_factory=dict)
    max_length: int = 50
    threads: int = 1
    seed: int = 0
    part: str = "pass"
    out: str | None = None
    source: str | None = None

    @classmethod
    def read(cls) -> Job:
        """The job in the file that is the only argument."""
        return cls(**json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))


@dataclass(frozen=True)
class Sequences:
    """Items of many sequences, one after the other; sequence s is `item[offset[s]:offset[s + 1]]`."""

    item: NDArray[np.int32]
    offset: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.offset) - 1

    def __getitem__(self, s: int) -> NDArray[np.int32]:
        return self.item[self.offset[s] : self.offset[s + 1]]

    @property
    def owner(self) -> NDArray[np.int64]:
        """The number of the sequence that each item stands in."""
        return np.repeat(np.arange(len(self)), np.diff(self.offset))

    @property
    def place(self) -> NDArray[np.int64]:
        """The place of each item in its sequence, from 0."""
        return np.arange(len(self.item)) - np.repeat(self.offset[:-1], np.diff(self.offset))


@dataclass(frozen=True)
class Data:
    """What a peer learns from and what it is asked: train sequences, one history a question, whether it is masked."""

    train: Sequences
    histories: Sequences
    n_items: int
    exclude: bool

    @classmethod
    def load(cls, path: str) -> Data:
        """Read what `benchmarks.questions.export` wrote."""
        with np.load(path, allow_pickle=False) as file:
            train = Sequences(file["train_item"], file["train_offset"])
            histories = Sequences(file["history_item"], file["history_offset"])
            return cls(train, histories, int(file["n_items"]), bool(file["exclude"]))


class Meter:
    """Counts real targets and the CPU time that they take; the first batch warms up and is left out of the rate."""

    def __init__(self, cpu_seconds: float) -> None:
        self.targets, self.batches = 0, 0
        self._limit = cpu_seconds
        self._began = time.process_time()
        self._wall = time.perf_counter()
        self._first: tuple[float, float, int] | None = None
        self._last = (self._began, self._wall, 0)

    def add(self, targets: int) -> bool:
        """After a batch has moved the weights; whether the time is over."""
        self.targets, self.batches = self.targets + targets, self.batches + 1
        self._last = (time.process_time(), time.perf_counter(), self.targets)
        if self._first is None:
            self._first = self._last
        return self.batches > 1 and self._last[0] - self._began >= self._limit

    def found(self) -> dict[str, Any]:
        """The figures so far; `rate` is in real targets per CPU-second, absent where one batch was all."""
        first, last = self._first or self._last, self._last
        targets, seconds, wall = last[2] - first[2], last[0] - first[0], last[1] - first[1]
        figures: dict[str, Any] = {
            "targets": self.targets,
            "batches": self.batches,
            "train_cpu_seconds": last[0] - self._began,
        }
        if targets and seconds > 0:
            figures |= {"rate": targets / seconds, "wall_rate": targets / wall}
        return figures


def tell(peer: str, version: str, **figures: Any) -> None:
    """Print the line that the benchmark reads: the last of what a program says."""
    line = {"peer": peer, "version": version, "peak_bytes": peak_bytes(), "cpu_seconds": time.process_time(), **figures}
    sys.stdout.flush()
    print(json.dumps(line, allow_nan=False), flush=True)


def peak_bytes() -> int:
    """The most memory that this process has held."""
    status = Path("/proc/self/status")
    if status.exists():  # ru_maxrss would count what a larger parent held when it started us
        lines = status.read_text(encoding="utf-8").splitlines()
        return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
    held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return held if sys.platform == "darwin" else 1024 * held


def masked_top(scores: NDArray[np.float32], histories: list[NDArray[np.int32]], *, exclude: bool) -> tuple[Any, Any]:
    """The K best items of each row and their scores, best first; -1 where fewer may be shown.

    `scores` [n_questions, n_items] is written over.
    """
    if exclude:
        for row, history in zip(scores, histories, strict=True):
            row[history] = -np.inf
    k = min(K, scores.shape[1])
    best = np.argpartition(-scores, k - 1, axis=1)[:, :k]
    order = np.argsort(-np.take_along_axis(scores, best, axis=1), axis=1, kind="stable")
    best = np.take_along_axis(best, order, axis=1)
    values = np.take_along_axis(scores, best, axis=1)
    return np.where(values > -np.inf, best, -1).astype(np.int32), values.astype(np.float32)


def save_lists(path: str, items: NDArray[np.int32], scores: NDArray[np.float32]) -> None:
    """Write the lists for the test questions, in their order."""
    np.savez(path, items=items, scores=scores)
