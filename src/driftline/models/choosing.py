"""Choosing settings on validation: NDCG@10, each user the same weight."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

import numpy as np

from driftline.data.targets import Targets
from driftline.metrics.ranking import means_by, ndcg
from driftline.metrics.ranks import target_ranks
from driftline.models.base import FittedModel

F = TypeVar("F", bound=FittedModel)

QUERIES = 1_500
"""How many questions are asked at most to choose by: enough to tell settings apart, few enough to take a second."""

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
    values = ndcg(target_ranks(fitted.score, validation), 10)
    users, row = np.unique(validation.user_row, return_inverse=True)
    return float(means_by(values, row, len(users)).mean())


def sampled(validation: Targets) -> Targets:
    """At most `QUERIES` of the questions, evenly from the whole, so that no user is left out for another."""
    n = len(validation.histories)
    return validation.take_queries(np.unique(np.linspace(0, n - 1, min(n, QUERIES)).astype(np.int64)))


def can_choose(validation: Targets | None) -> bool:
    """Whether there is anything to choose by."""
    return validation is not None and len(validation) > 0
