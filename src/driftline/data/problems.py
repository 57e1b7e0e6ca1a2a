"""Problems of a dataset, as they are counted and shown: a code, a count, one example, and what cleaning does."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from driftline.data.dataset import Problem

DROPPED = "dropped"
KEPT = "kept; clean=strict drops them"
REPORTED = "kept"

_WIDTH = 120


def problem(code: str, count: int, example: str, action: str) -> Problem:
    """A problem whose example is one short line of printable text."""
    line = " ".join(example.split())
    return Problem(code, int(count), line if len(line) <= _WIDTH else line[: _WIDTH - 1] + "…", action)


def problem_at(code: str, mask: NDArray[np.bool_], frame: pl.DataFrame, action: str) -> Problem:
    """The problem of the rows of a file under a mask; the first of them is the example."""
    first = int(mask.argmax())
    shown = ", ".join("" if value is None else str(value) for value in frame.row(first)[:8])
    return problem(code, int(mask.sum()), f"row {first + 1}: {shown}", action)


def merged(problems: Sequence[Problem]) -> tuple[Problem, ...]:
    """One problem per code: counts add up, the first example stays."""
    found: dict[str, Problem] = {}
    for one in problems:
        earlier = found.get(one.code)
        count = one.count + (earlier.count if earlier else 0)
        found[one.code] = Problem(one.code, count, (earlier or one).example, (earlier or one).action)
    return tuple(found.values())
