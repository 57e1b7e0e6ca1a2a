"""True reasons: which event of the history an item is owed to, found by leaving each out and scoring again.

No attention weight and no guess: a history item is named only when the blend's score of the recommended item falls
without it, and of all that were tried it is the one without which the score falls most.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from driftline.data.catalog import Catalog
from driftline.data.events import EventLog
from driftline.data.history import Histories
from driftline.ranking.blend import FittedBlend
from driftline.types import Rows, format_time

MOST_TRIED = 24
"""How many of the latest different items of a history are tried as reasons."""

_WORDS = {
    "cooccurrence": "often chosen together with",
    "item-knn": "chosen by the same people as",
    "ease": "chosen by the same people as",
    "als": "close in taste to",
    "bpr": "close in taste to",
    "content": "similar to",
}
_SEQUENCE_WORDS = "a likely next step after"


@dataclass(frozen=True)
class Cause:
    """The history item without which a score falls most, and by how much; row -1 where no item carries it."""

    item_row: int
    drop: float


def causes(
    blend: FittedBlend, past: Histories, items: Rows, *, allowed: NDArray[np.bool_] | None = None
) -> list[Cause]:
    """The cause of each recommended item, for one query."""
    mine = past.log.item_row[int(past.start[0]) : int(past.end[0])]
    tried = _latest_different(mine)
    if not len(tried):
        return [Cause(-1, 0.0) for _ in items]
    whole = blend.score(past, items, allowed=allowed)[0]
    without = blend.score(_left_out(past, tried), items, allowed=allowed)
    drops = whole[None, :] - without
    best = np.argmax(drops, axis=0)
    return [
        Cause(int(tried[which]), float(drops[which, i])) if drops[which, i] > 0 else Cause(-1, 0.0)
        for i, which in enumerate(best)
    ]


def reason(item_row: int, cause: Cause, arm: str, past: Histories, catalog: Catalog) -> str:
    """One sentence for one item: what carried it, with the day of the event that did."""
    if cause.item_row < 0:
        return _POPULAR.get(arm, "popular among everybody")
    mine = slice(int(past.start[0]), int(past.end[0]))
    times = past.log.time_us[mine][past.log.item_row[mine] == cause.item_row]
    day = format_time(int(times[-1]))[:10]
    if cause.item_row == item_row:
        often = len(np.unique(times))
        return f"you chose it {often} times, last on {day}" if often > 1 else f"you chose it on {day}"
    return f"{_WORDS.get(arm, _SEQUENCE_WORDS)} {catalog.label(cause.item_row)} ({day})"


_POPULAR = {"popularity-7d": "popular in the latest days"}


def _latest_different(items: Rows) -> Rows:
    """The last `MOST_TRIED` different items of a history, latest first."""
    backwards = items[::-1]
    _, first = np.unique(backwards, return_index=True)
    return backwards[np.sort(first)[:MOST_TRIED]]


def _left_out(past: Histories, tried: Rows) -> Histories:
    """The same history once for each item tried, without it."""
    log, mine = past.log, np.arange(int(past.start[0]), int(past.end[0]))
    kept = [mine[log.item_row[mine] != item] for item in tried]
    ends = np.cumsum([len(rows) for rows in kept]).astype(np.int64)
    rows = np.concatenate(kept)
    variants = EventLog(
        log.users,
        log.items,
        log.kinds,
        log.user_row[rows],
        log.item_row[rows],
        log.time_us[rows],
        log.kind[rows],
        log.value[rows],
    )
    starts = np.concatenate([[0], ends[:-1]]).astype(np.int64)
    n = len(tried)
    return Histories(variants, starts, ends, np.repeat(past.at_us, n), np.full(n, -1, np.int32))
