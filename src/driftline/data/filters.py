"""Sessions by gap, users split by a seeded hash, and the iterative k-core."""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

from driftline.data.events import EventLog
from driftline.errors import SettingsError
from driftline.types import US_PER_MINUTE


def session_numbers(log: EventLog, gap_minutes: float) -> NDArray[np.int64]:
    """A number per event that is equal within a session: a user's events with no gap over `gap_minutes`.

    Numbers ascend with the log from 0; shape [n_events].
    """
    if not len(log):
        return np.zeros(0, np.int64)
    new = (np.diff(log.user_row) != 0) | (np.diff(log.time_us) > gap_minutes * US_PER_MINUTE)
    return np.concatenate([[0], np.cumsum(new)]).astype(np.int64)


def user_fraction(log: EventLog, seed: int) -> NDArray[np.float64]:
    """A number in [0, 1) per user that depends on the id and the seed alone, never on who else is in the log."""
    key = seed.to_bytes(8, "little", signed=True)
    digests = [hashlib.blake2b(id_.encode("utf-8", "surrogatepass"), digest_size=8, key=key) for id_ in log.users]
    numbers = np.array([int.from_bytes(one.digest(), "little") for one in digests], np.uint64)
    return np.asarray((numbers >> np.uint64(11)) * 2.0**-53, np.float64)


def by_user(log: EventLog, share: float, *, seed: int = 0) -> tuple[EventLog, EventLog]:
    """Two logs: the events of about `share` of the users, and those of the others; no user is in both."""
    if not 0 <= share <= 1:
        raise SettingsError(f"expected a share of users between 0 and 1, got {share}")
    first = (user_fraction(log, seed) < share)[log.user_row] if len(log) else np.zeros(0, bool)
    return log.select(first), log.select(~first)


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
