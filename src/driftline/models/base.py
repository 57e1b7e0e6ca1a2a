"""The verbs of a model: fit, update, encode, score; each a Protocol of its own.

A *model* is a frozen set of settings; `fit` returns a *fitted model*, a value that nothing mutates. Item rows are
those of the log that a model was fitted on; histories that it is handed must use the same rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from driftline.data.catalog import Catalog
from driftline.data.events import EventLog, Histories
from driftline.data.targets import Targets
from driftline.types import Progress, Rows, Scores


@dataclass(frozen=True, eq=False)
class States:
    """What a model knows of each query, and all that it scores from.

    `vectors` [n_queries, width] are the interests. A model that also counts says in `had` [n_queries, n_items of the
    model] how often and how lately each item was taken, as a decayed count; None where it does not count. Of a model
    whose vectors fade, `times_us` [n_queries, n_moments + 1] are the moment up to which they have faded, then when each
    of the last moments was; None of others.
    """

    vectors: NDArray[np.float32]
    had: sparse.csr_matrix | None = None
    times_us: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.vectors)


class Model(Protocol):
    """Settings that can be fitted."""

    name: ClassVar[str]

    def fit(
        self,
        log: EventLog,
        *,
        catalog: Catalog | None = None,
        validation: Targets | None = None,
        seed: int = 0,
        progress: Progress | None = None,
    ) -> FittedModel:
        """Learn from the positive events of a log; `validation` chooses what there is to choose (epochs, decays)."""
        ...


class FittedModel(Protocol):
    """What `fit` returns: it scores, it can be saved, it knows what validation chose."""

    name: ClassVar[str]

    def score(self, histories: Histories, items: Rows | None = None) -> Scores:
        """Numbers to sort by, higher is better; shape [n_queries, n_items], or [n_queries, len(items)]."""
        ...

    def settled(self) -> Model:
        """The settings with every choice of validation made, ready to be refitted on more data without any."""
        ...

    def save(self, folder: Path) -> None:
        """Write the model into an existing empty folder, as JSON, NPZ and safetensors."""
        ...


@runtime_checkable
class Updates(Protocol):
    """A fitted model that can learn new events without being fitted again."""

    def update(self, events: EventLog) -> Self:
        """The next value, after events that come later; their vocabularies extend those of the fitted log."""
        ...


@runtime_checkable
class Encodes(Protocol):
    """A fitted model that has an interest state: history in, state out, and numbers from the state."""

    def encode(self, histories: Histories) -> States:
        """The state of each query."""
        ...

    def score_states(self, states: States, items: Rows | None = None) -> Scores:
        """What `score` gives, from states; shape [n_queries, n_items] or [n_queries, len(items)]."""
        ...
