"""Choosing settings on validation: NDCG@10, each user the same weight."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from driftline.data.targets import Targets
from driftline.metrics.ranking import means_by, ndcg
from driftline.metrics.ranks import target_ranks
from driftline.models.base import FittedModel

F = TypeVar("F", bound=FittedModel)
S = TypeVar("S", bound=Any)

QUERIES = 1_500
"""How many questions are asked at most to choose by: enough to tell settings apart, few enough to take a second."""

ROUNDS = 3
"""How often coordinate descent goes over all fields at most; a third round seldom moves anything."""

ROUNDING = 1e-7
"""A gain above this is no accident of arithmetic."""

AGE_DECAYS = (1.0, 0.8, 0.6)
"""How much of an item's say is left with each moment that has passed since; 1: all of it."""


def grid_of(value: float | None, grid: tuple[float, ...]) -> tuple[float, ...]:
    """The settled value alone, or the whole grid where it is open; the first of a grid is the default."""
    return grid if value is None else (value,)


def best_of(candidates: Iterable[F], validation: Targets) -> F:
    """The candidate with the highest gain; the earlier one on a tie, so the first is the default."""
    asked = sampled(validation)
    return max(candidates, key=lambda candidate: gain(candidate, asked))


def gain(fitted: FittedModel, validation: Targets) -> float:
    """NDCG@10 of the targets, averaged within each user, then over users."""
    return gain_of_ranks(target_ranks(fitted.score, validation), validation)


def gain_of_ranks(ranks: NDArray[np.float64], validation: Targets) -> float:
    """NDCG@10 of targets with these ranks [n_targets], averaged within each user, then over users."""
    users, row = np.unique(validation.user_row, return_inverse=True)
    return float(means_by(ndcg(ranks, 10), row, len(users)).mean())


def sampled(validation: Targets, most: int | None = None) -> Targets:
    """At most `most` (or `QUERIES`) of the questions, evenly from the whole: no user is left out for another."""
    n = len(validation.histories)
    size = min(n, QUERIES if most is None else most)
    return validation.take_queries(np.unique(np.linspace(0, n - 1, size).astype(np.int64)))


def can_choose(validation: Targets | None) -> bool:
    """Whether there is anything to choose by."""
    return validation is not None and len(validation) > 0


def descend(
    start: S,
    grid: Mapping[str, Sequence[Any]],
    gain_of: Callable[[S], float],
    *,
    progress: Callable[[int, int], None] | None = None,
) -> S:
    """The settings (a frozen dataclass) that coordinate descent reaches from `start`, one field of the grid at a time.

    The first round tries every value of a field, later ones those beside the present value, until nothing gains. A
    value replaces the present one only if it gains more than rounding could, so the start stays among equals.
    `progress` is told how many fields of how many are done.
    """
    gain_at = cache(gain_of)
    best = start
    for turn in range(ROUNDS):
        before = best
        for done, (name, values) in enumerate(grid.items()):
            if progress:
                progress(turn * len(grid) + done, ROUNDS * len(grid))
            tried = values if turn == 0 else _beside(values, getattr(best, name))
            for other in [replace(best, **{name: value}) for value in tried]:
                if gain_at(other) > gain_at(best) + ROUNDING:
                    best = other
        if best == before:
            break
    return best


def _beside(values: Sequence[Any], present: Any) -> Sequence[Any]:
    """A value of a grid and its neighbours; all of the grid where the value is not in it."""
    if present not in values:
        return values
    place = values.index(present)
    return values[max(place - 1, 0) : place + 2]
