"""What a fitted sequence model can do, without the library that does it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

from driftline.data.events import EventLog, Histories
from driftline.models.base import FittedModel, States
from driftline.types import Rows, Scores, Times

Vectors = NDArray[np.float32]
"""What is carried from step to step, [n, width]: the interest state H in the first `dim` columns, then what the cell
remembers beside it, then the last behaviour; of `timescales` every timescale, then the ring of the last behaviours."""


@dataclass(frozen=True, eq=False)
class Ahead:
    """A forecast of n steps for each query; index 0 is the next step.

    `states` [n_queries, n_steps, width] is the state from which the step is expected, `behaviours`
    [n_queries, n_steps, dim] the behaviour expected, `scores` [n_queries, n_steps, n_items] what it says of each item.
    """

    states: Vectors
    behaviours: NDArray[np.float32]
    scores: Scores


class SequenceFit(FittedModel, Protocol):
    """A fitted model that has a state, moves it moment by moment, and runs ahead of time."""

    def encode(self, histories: Histories) -> States:
        """The state after each history; zeros where it is empty. `vectors` are [n_queries, width]."""
        ...

    def score_states(self, states: States, items: Rows | None = None) -> Scores:
        """What `score` gives, from states; shape [n_queries, n_items] or [n_queries, len(items)]."""
        ...

    def start(self) -> States:
        """The state of somebody without a past: a single one."""
        ...

    def step(self, state: States, items: Rows, at_us: int | None = None) -> States:
        """A single state after one more moment with these items: what `encode` gives for the longer history.

        `at_us` is when the moment was; only models with a clock ask.
        """
        ...

    def at(self, states: States, at_us: Times) -> States:
        """The states as they stand at later moments [n_queries], when nothing happens until then."""
        ...

    def forecast_steps(self, histories: Histories, n_steps: int) -> Ahead:
        """States, behaviours and scores of the next steps."""
        ...

    def update(self, events: EventLog) -> Self:
        """The next value, after events that come later."""
        ...
