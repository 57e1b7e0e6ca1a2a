"""A dataset: the event log and everything else that its folder holds, as one value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from driftline.data.catalog import Catalog
from driftline.data.events import EventLog
from driftline.data.settings import DatasetSettings

if TYPE_CHECKING:
    import polars as pl

Repeats = Literal["allow", "exclude"]

REPEATS_ALLOWED_ABOVE = 0.10
"""Where more than this share of events repeats a user-item pair, repeats are allowed."""


@dataclass(frozen=True)
class Problem:
    """One kind of thing that is wrong with the data: how often, one example, and what cleaning does about it."""

    code: str
    count: int
    example: str
    action: str


@dataclass(frozen=True)
class ReadReport:
    """What reading found: rows in the file, rows kept, the unit that times were in, and the problems."""

    rows: int
    kept: int
    time_unit: str
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, eq=False)
class Dataset:
    """An event log, the catalog aligned with its items, and the side tables that the folder has.

    Side tables are polars frames with the columns of the contract, times as int64 microseconds (`time_us`,
    `known_at_us`, `start_us`, `end_us`, `known_from_us`), or None where the folder has no such table.
    `repeats` is None until it is detected on the training part or set in `dataset.toml`.
    """

    log: EventLog
    catalog: Catalog
    name: str = "dataset"
    repeats: Repeats | None = None
    order_only: bool = False
    users: pl.DataFrame | None = None
    relations: pl.DataFrame | None = None
    friends: pl.DataFrame | None = None
    context: pl.DataFrame | None = None
    occasions: pl.DataFrame | None = None
    impressions: pl.DataFrame | None = None
    report: ReadReport = field(default_factory=lambda: ReadReport(0, 0, "none"))
    settings: DatasetSettings = field(default_factory=DatasetSettings)


def repeat_share(log: EventLog) -> float:
    """The share of positive events whose user had the same item in an earlier event."""
    events = log.positive
    if not len(events):
        return 0.0
    pair = events.user_row.astype(np.int64) * max(events.n_items, 1) + events.item_row
    # Sorting beats np.unique, which hashes, eight times over at ten million events.
    distinct = 1 + np.count_nonzero(np.diff(np.sort(pair)))
    return 1.0 - int(distinct) / len(pair)


def detect_repeats(train: EventLog) -> Repeats:
    """Whether repeats are the norm (`allow`: a shop) or the exception (`exclude`: films), from the training part."""
    return "allow" if repeat_share(train) > REPEATS_ALLOWED_ABOVE else "exclude"


def candidate_mask(catalog: Catalog, train: EventLog, at_us: NDArray[np.int64] | Sequence[int]) -> NDArray[np.bool_]:
    """Which items may be recommended at each moment; shape [n_moments, n_items].

    Items of the table whose `available_from` has come, and items with an event in the training part.
    """
    seen = train.item_counts() > 0
    moments = np.asarray(at_us, np.int64)
    return seen | (catalog.listed & (catalog.available_from_us <= moments[:, None]))
