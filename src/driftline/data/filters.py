"""Sessions by gap, and the iterative k-core."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from driftline.data.events import EventLog
from driftline.types import US_PER_MINUTE


def session_numbers(log: EventLog, gap_minutes: float) -> NDArray[np.int64]:
    """A number per event that is equal within a session: a user's events with no gap over `gap_minutes`.

    Numbers ascend with the log from 0; shape [n_events].
    """
    if not len(log):
        return np.zeros(0, np.int64)
    new = (np.diff(log.user_row) != 0) | (np.diff(log.time_us) > gap_minutes * US_PER_MINUTE)
    return np.concatenate([[0], np.cumsum(new)]).astype(np.int64)


def k_core(log: EventLog, *, user_k: int = 5, item_k: int = 5) -> EventLog:
    """The largest part of a log in which every user has `user_k` events and every item `item_k`.

    Events of users and items below are taken away until nothing changes; the vocabularies stay.
    """
    keep = np.ones(len(log), bool)
    while keep.any():
        users = np.bincount(log.user_row[keep], minlength=log.n_users)
        items = np.bincount(log.item_row[keep], minlength=log.n_items)
        stay = keep & (users[log.user_row] >= user_k) & (items[log.item_row] >= item_k)
        if (stay == keep).all():
            break
        keep = stay
    return log.select(keep)
