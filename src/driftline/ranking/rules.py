"""Hard rules of a slate: what may be shown to a user at a moment, whatever the scores say."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from driftline.data.catalog import Catalog
from driftline.data.dataset import Repeats
from driftline.data.events import EventLog, Histories, histories
from driftline.errors import UnknownItemError


def showable(log: EventLog, catalog: Catalog, user_row: int, at_us: int, repeats: Repeats) -> NDArray[np.bool_]:
    """Which items may be shown; shape [n_items].

    An item is there at `at` when its table says so or somebody has had it before. What the user disliked or hid stays
    away; what the user had stays away where repeats are the exception.
    """
    there = catalog.available(at_us)
    there[log.item_row[(log.time_us < at_us) & (log.weight > 0)]] = True
    past = histories(log, np.array([user_row], np.int32), np.array([at_us], np.int64))
    mine = slice(int(past.start[0]), int(past.end[0]))
    items, weight = log.item_row[mine], log.weight[mine]
    there[items[weight < 0]] = False
    if repeats == "exclude":
        there[items[weight > 0]] = False
    return there


def excluding(catalog: Catalog, item_ids: Sequence[str]) -> NDArray[np.bool_]:
    """All items but those named; UnknownItemError for a name that the catalog does not have. Shape [n_items]."""
    rows = catalog.items.rows(item_ids)
    if (rows < 0).any():
        unknown = item_ids[int(np.argmax(rows < 0))]
        raise UnknownItemError(f"expected an item of this run to exclude, got {unknown!r}; check the id")
    keep = np.ones(len(catalog.items), bool)
    keep[rows] = False
    return keep


def personal(past: Histories) -> bool:
    """Whether there is anything to be personal about: one event in the history."""
    return bool(past.lengths[0] > 0)
