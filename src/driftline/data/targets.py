"""Targets: the questions of an evaluation and their answers, and the fold of a log that they belong to."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from driftline.data.catalog import Catalog
from driftline.data.dataset import Repeats, candidate_mask
from driftline.data.events import EventLog, Histories
from driftline.types import Rows


@dataclass(frozen=True, eq=False)
class Targets:
    """What has to be predicted: target t is item `item_row[t]`, asked of history `query[t]`.

    Several targets of one moment share a query, so `query` (ascending, shape [n_targets]) may repeat. `train` is the
    log that models were fitted on (it decides the candidates, with `catalog`); under `repeats="exclude"` the whole
    history is masked, and a target in it is a miss.
    """

    histories: Histories
    query: NDArray[np.int64]
    item_row: Rows
    train: EventLog
    catalog: Catalog
    repeats: Repeats

    def __len__(self) -> int:
        return len(self.query)

    @property
    def user_row(self) -> Rows:
        """The user of each target; shape [n_targets]."""
        return self.histories.user_row[self.query]

    def take_queries(self, queries: NDArray[np.int64]) -> Targets:
        """The targets of some queries (ascending query numbers), renumbered from 0."""
        place = np.full(len(self.histories), -1, np.int64)
        place[queries] = np.arange(len(queries))
        keep = place[self.query] >= 0
        return Targets(
            self.histories.take(queries),
            place[self.query[keep]],
            self.item_row[keep],
            self.train,
            self.catalog,
            self.repeats,
        )

    def allowed(self, queries: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which items may be ranked for some of the queries; shape [len(queries), n_items]."""
        part = self.histories.take(queries)
        allowed = candidate_mask(self.catalog, self.train, part.at_us)
        if self.repeats == "exclude":
            positions, query = part.distinct()
            allowed[query, part.log.item_row[positions]] = False
        return allowed


@dataclass(frozen=True, eq=False)
class Fold:
    """One cut of a log: what models are fitted on, how they choose, and what they are asked.

    `inner` is the earlier part of `train`; `stop` and `stack` are validation targets after it, of two halves of the
    users: the one stops training, the other fits the blend. After choosing, models are refitted on `train` and asked
    `test` (empty when the fold serves a production fit). All logs share their vocabularies.
    """

    train: EventLog
    inner: EventLog
    stop: Targets
    stack: Targets
    test: Targets
    cutoff_us: int
