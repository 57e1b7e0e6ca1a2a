"""The two protocols of next-item evaluation, and what is said of the questions that each asks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from driftline.data.dataset import Dataset, Repeats, repeat_share
from driftline.data.split import MIN_TARGETS, Tie, global_time_fold, last_item_fold
from driftline.data.targets import Fold, Targets
from driftline.errors import NotEnoughDataError, RequestError

Protocol = Literal["last-item", "global-time"]
"""How a log is split and asked: as the papers do, or without leakage."""


def make_fold(dataset: Dataset, protocol: Protocol, *, tie: Tie = "file") -> Fold:
    """The fold of a protocol; NotEnoughDataError where there is nothing to learn from or nobody to ask."""
    if protocol not in get_args(Protocol):
        raise RequestError(f"expected protocol {' or '.join(get_args(Protocol))}, got {protocol!r}")
    fold = last_item_fold(dataset, tie=tie) if protocol == "last-item" else global_time_fold(dataset)
    if not len(fold.train) or not len(fold.test):
        need = f"users with {MIN_TARGETS} events" if protocol == "last-item" else "events before and after the cutoff"
        raise NotEnoughDataError(
            f"expected {need} to evaluate {dataset.name} by {protocol}, got {len(fold.train)} events to learn from"
            f" and {len(fold.test)} to predict; bring more events or take the other protocol"
        )
    return fold


@dataclass(frozen=True)
class Questions:
    """Counts of what is asked, to be printed beside every figure.

    `masked` are targets in their own history under `repeats = "exclude"`, `outside` those that are no candidates
    otherwise; both are misses for every model. A target is cold where its item, a user where the user, has no event in
    the training part. `unasked_users` have events and no target.
    """

    targets: int
    users: int
    warm_targets: int
    cold_targets: int
    warm_users: int
    cold_users: int
    unasked_users: int
    outside: int
    masked: int
    repeats: Repeats
    repeat_share: float

    @property
    def outside_share(self) -> float:
        """The share of targets that are no candidates."""
        return self.outside / self.targets

    def as_json(self) -> Mapping[str, int | float | str]:
        """The counts by name, with the share outside the candidates."""
        return {**asdict(self), "outside_share": self.outside_share}


def questions(fold: Fold, n_active_users: int) -> Questions:
    """Count what a fold asks; `n_active_users` have events at all."""
    targets = fold.test
    warm = warm_targets(targets)
    asked = np.unique(targets.user_row)
    known = np.bincount(fold.train.user_row, minlength=fold.train.n_users)[asked] > 0
    masked = in_history(targets) if targets.repeats == "exclude" else np.zeros(len(targets), bool)
    return Questions(
        targets=len(targets),
        users=len(asked),
        warm_targets=int(warm.sum()),
        cold_targets=int((~warm).sum()),
        warm_users=int(known.sum()),
        cold_users=int((~known).sum()),
        unasked_users=n_active_users - len(asked),
        outside=int((~_candidates(targets, warm) & ~masked).sum()),
        masked=int(masked.sum()),
        repeats=targets.repeats,
        repeat_share=repeat_share(fold.train),
    )


def warm_targets(targets: Targets) -> NDArray[np.bool_]:
    """Which targets' items have an event in the training part; shape [n_targets]."""
    return np.asarray(targets.train.item_counts()[targets.item_row] > 0, bool)


def in_history(targets: Targets) -> NDArray[np.bool_]:
    """Which targets stand in their own history: the pair's first event is before its end; shape [n_targets]."""
    log, firsts = targets.histories.log, targets.histories.log.firsts
    n_items = max(log.n_items, 1)
    pairs = log.user_row[firsts].astype(np.int64) * n_items + log.item_row[firsts]
    order = np.argsort(pairs)
    wanted = targets.user_row.astype(np.int64) * n_items + targets.item_row
    first = firsts[order[np.searchsorted(pairs, wanted, sorter=order)]]
    return np.asarray(first < targets.histories.end[targets.query], bool)


def _candidates(targets: Targets, warm: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which targets are candidates: their item has a training event, or is listed and there by then."""
    item, at_us = targets.item_row, targets.histories.at_us[targets.query]
    return warm | (targets.catalog.listed[item] & (targets.catalog.available_from_us[item] <= at_us))
