"""The roofline: what one process of this machine can do at most, and what share of it a pass attains.

A pass over N targets with a softmax over V items at width D costs at least 6·N·V·D operations: the products for the
scores, for the gradient of the states and for the gradient of the items, two operations each.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Mapping

import numpy as np
import torch

SECONDS = 0.5
"""How long each product is repeated."""

SQUARE = 2048
STATES = 2048
COPIED = 2**27
"""How many bytes are copied: far more than any cache holds."""


def floor_seconds(targets: int, items: int, width: int, operations_per_second: float) -> float:
    """The least that a full softmax pass takes: 6·N·V·D operations at a rate.

    >>> floor_seconds(1_000, 1_000, 50, 1e9)
    0.3
    """
    return 6 * targets * items * width / operations_per_second


def share(rate: float, items: int, width: int, operations_per_second: float) -> float:
    """What share of a rate of operations is attained by `rate` targets per second at full softmax.

    >>> share(1_000, 1_000, 50, 1e9)
    0.3
    """
    return 6 * rate * items * width / operations_per_second


def measure(items: int, width: int, *, seconds: float = SECONDS) -> dict[str, float]:
    """Operations per second of products, square and shaped as scores are, and bytes per second copied."""
    found = {"copy bytes/s": copy_rate(seconds)}
    for name, kind in (("float32", torch.float32), ("bfloat16", torch.bfloat16)):
        found[f"square {name}"] = product_rate((SQUARE, SQUARE, SQUARE), kind, seconds)
        found[f"scores {name}"] = product_rate((STATES, width, items), kind, seconds)
    return found


def product_rate(shape: tuple[int, int, int], kind: torch.dtype, seconds: float) -> float:
    """Operations per second of [n, k] x [k, m], two for each multiplication and addition."""
    n, k, m = shape
    a, b, out = torch.randn(n, k).to(kind), torch.randn(k, m).to(kind), torch.empty(n, m, dtype=kind)
    return 2 * n * k * m * repeats_per_second(lambda: torch.mm(a, b, out=out), seconds)


def copy_rate(seconds: float) -> float:
    """Bytes read and written per second by a copy that no cache holds (as STREAM counts them)."""
    a, b = np.zeros(COPIED // 8), np.ones(COPIED // 8)
    return 2 * COPIED * repeats_per_second(lambda: np.copyto(b, a), seconds)


def repeats_per_second(work: Callable[[], object], seconds: float) -> float:
    """How often per CPU-second something is done, after a first time that warms up."""
    work()
    began, times = time.process_time(), 0
    while (spent := time.process_time() - began) < seconds or not times:
        work()
        times += 1
    return times / (spent or time.process_time() - began)


def show(rates: Mapping[str, float]) -> list[tuple[str, str]]:
    """The rates as rows: operations in GFLOP/s, bytes in GB/s.

    >>> show({"square float32": 9.5e10, "copy bytes/s": 1.2e10})
    [('square float32', '95.0 GFLOP/s'), ('copy', '12.0 GB/s')]
    """
    return [
        ("copy", f"{rate / 1e9:.1f} GB/s") if name.startswith("copy") else (name, f"{rate / 1e9:.1f} GFLOP/s")
        for name, rate in rates.items()
    ]


def main() -> None:
    items, width, threads = (int(argument) for argument in sys.argv[1:4])
    torch.set_num_threads(threads)
    print(json.dumps(measure(items, width)))


if __name__ == "__main__":
    main()
