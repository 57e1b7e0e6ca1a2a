"""True reasons: which event of the history an item is owed to, found by leaving each out and scoring again.

No attention weight and no guess: a history item is named only when the blend's score of the recommended item falls
without it, and of all that were tried it is the one without which the leading source's part falls most.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from driftline.data.catalog import Catalog
from driftline.data.events import EventLog, Histories
from driftline.data.vocabulary import Vocabulary
from driftline.ranking.blend import FittedBlend
from driftline.ranking.candidates import READ_NO_HISTORY
from driftline.ranking.listwise import NEAR, TAIL
from driftline.ranking.popular import Popular
from driftline.ranking.repeat import NAME as REPEAT
from driftline.types import Rows, format_time

MOST_TRIED = 48
"""How many of the latest different items of a history are tried as reasons."""

MOST_ROWS = 2_000_000
"""How many events all the histories that are tried may have together."""

Floats = NDArray[np.float64]

_WORDS = {
    "cooccurrence": "often {had} with or after",
    NEAR: "often {had} with or after",
    "item-knn": "{had} by the people who {had}",
    "ease": "{had} by the people who {had}",
    "als": "close in taste to",
    "bpr": "close in taste to",
    "content": "similar to",
}
_SEQUENCE_WORDS = "a likely next step after"

_VERBS = {
    "purchase": "bought",
    "rating": "rated",
    "click": "clicked",
    "view": "viewed",
    "watch": "watched",
    "read": "read",
    "listen": "listened to",
    "answer": "answered",
    "bookmark": "bookmarked",
    "like": "liked",
    "ask": "asked",
    "comment": "commented on",
    "comment_created": "commented on",
    "favorite": "marked",
    "follow": "followed",
    "tag": "tagged",
}
_OTHERWISE, _OTHERWISE_DONE = "chose", "chosen"
"""What a user did where the kind has no verb, and what was done: the one verb here whose two forms differ."""


@dataclass(frozen=True)
class Cause:
    """What carries one recommended item.

    `arm` has the largest share of its score. `item_row` is the history item without which that arm's part falls most
    (-1 where there is none), `drop` how much the whole score falls without it. `personal` says whether the score falls
    without any history.
    """

    arm: str
    item_row: int
    drop: float
    personal: bool


def causes(
    blend: FittedBlend, past: Histories, items: Rows, *, allowed: NDArray[np.bool_] | None = None
) -> list[Cause]:
    """The cause of each recommended item, for one query."""
    tried = _latest_different(past)
    parts = blend.contributions(_variants(past, tried), items, allowed=allowed)
    whole, without, nothing = parts[0], parts[1:-1], parts[-1]
    reads = [number for number, name in enumerate(blend.sources) if name not in READ_NO_HISTORY]
    personal = whole[:, reads].sum(axis=1) > nothing[:, reads].sum(axis=1)
    return [
        _cause(blend.sources, tried, whole[i], without[:, i], personal=bool(personal[i])) for i in range(len(items))
    ]


def _cause(sources: Sequence[str], tried: Rows, whole: Floats, without: Floats, *, personal: bool) -> Cause:
    """From the sources' parts with the whole history [n_sources] and without each item tried [n_tried, n_sources]."""
    if whole.sum() <= 0:
        return Cause(TAIL, -1, 0.0, personal=False)
    lead = int(np.argmax(whole))
    drops, own = whole.sum() - without.sum(1), whole[lead] - without[:, lead]
    carries = (drops > 0) & (own > 0)
    if not carries.any():
        return Cause(sources[lead], -1, 0.0, personal=personal)
    best = int(np.argmax(np.where(carries, own, -np.inf)))
    return Cause(sources[lead], int(tried[best]), float(drops[best]), personal=personal)


def reason(
    item_row: int, cause: Cause, past: Histories, catalog: Catalog, popular: Popular, *, dated: bool = True
) -> str:
    """One sentence for one item: what carried it, with the day of the event that did where times are `dated`."""
    if cause.arm in READ_NO_HISTORY or not cause.personal:
        return popular.reason(item_row)
    if cause.arm == REPEAT:
        return _again(item_row, past, dated=dated)
    if cause.item_row < 0:
        return "fits your history as a whole: no single item of it decides"
    if cause.item_row == item_row:
        return _again(item_row, past, dated=dated)
    verb, times = _events(cause.item_row, past)
    verb = _OTHERWISE_DONE if verb == _OTHERWISE else verb
    words = _WORDS.get(cause.arm, _SEQUENCE_WORDS).format(had=verb)
    when = f" ({verb} {_day(times)})" if dated else ""
    return f"{words} {catalog.label(cause.item_row)}{when}"


def _again(item_row: int, past: Histories, *, dated: bool) -> str:
    """How often the user had the item itself, and when last."""
    verb, times = _events(item_row, past)
    often = len(np.unique(times))
    if not dated:
        return f"you {verb} this {often} times" if often > 1 else f"you {verb} this before"
    return f"you {verb} this {often} times, last on {_day(times)}" if often > 1 else f"you {verb} this on {_day(times)}"


def _events(item_row: int, past: Histories) -> tuple[str, NDArray[np.int64]]:
    """What the user did with an item, as a verb, and when; ascending."""
    mine = slice(int(past.start[0]), int(past.end[0]))
    rows = np.flatnonzero(past.log.item_row[mine] == item_row) + int(past.start[0])
    kind = past.log.kinds[int(past.log.kind[rows[-1]])].name
    return _VERBS.get(kind, _OTHERWISE), past.log.time_us[rows]


def _day(times: NDArray[np.int64]) -> str:
    return format_time(int(times[-1]))[:10]


def _latest_different(past: Histories) -> Rows:
    """The last different items of a history, latest first: as many as may be tried."""
    backwards = past.log.item_row[int(past.start[0]) : int(past.end[0])][::-1]
    _, first = np.unique(backwards, return_index=True)
    most = int(np.clip(MOST_ROWS // max(len(backwards), 1), 1, MOST_TRIED))
    return backwards[np.sort(first)[:most]]


def _variants(past: Histories, tried: Rows) -> Histories:
    """The history as it is, without each item tried, and without anything, each as if it were a user's own."""
    log, mine = past.log, np.arange(int(past.start[0]), int(past.end[0]))
    kept = [mine, *(mine[log.item_row[mine] != item] for item in tried), mine[:0]]
    lengths = np.array([len(rows) for rows in kept], np.int64)
    rows, n = np.concatenate(kept), len(kept)
    variants = EventLog(
        Vocabulary(str(number) for number in range(n)),
        log.items,
        log.kinds,
        np.repeat(np.arange(n, dtype=np.int32), lengths),
        log.item_row[rows],
        log.time_us[rows],
        log.kind[rows],
        log.value[rows],
    )
    ends = np.cumsum(lengths)
    return Histories(variants, ends - lengths, ends, np.repeat(past.at_us, n), np.repeat(past.user_row, n))
