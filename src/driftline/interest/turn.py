"""What a user turned from and to, since when and by which events, in numbers and in one plain sentence."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from driftline.data.events import MOST_READ
from driftline.interest.change import LEAST_EVENTS, ChangeModel
from driftline.interest.reading import Past, rounded
from driftline.interest.state import Counts
from driftline.interest.topics import Topics
from driftline.types import format_time

MOST_BACK = 100
"""A change is dated within so many of the last events."""
MOST_NAMED = 2
LEAST_SHIFT = 0.1
"""A second topic is named if its share has moved by so much."""
N_EVIDENCE = 3

Label = Callable[[str], str]


@dataclass(frozen=True, eq=False)
class Turn:
    """Where a history falls into two: `row` is the first recent event, shares [n_topics] are those of either side."""

    row: int
    before: Counts
    after: Counts

    @classmethod
    def of(cls, past: Past, topics: Topics, model: ChangeModel, weights: Counts) -> Turn:
        """The split into two mixes of topics that is likeliest; for histories that have a score."""
        end = int(past.asked.end[0])
        start = max(int(past.asked.start[0]), end - MOST_READ)
        walk = model.walk(past.log, slice(start, end), topics, weights)
        counts, columns = walk.counts[0], walk.columns[0]
        events = np.concatenate([[0], np.cumsum(walk.sizes)])
        sums = np.concatenate([np.zeros((1, len(columns))), np.cumsum(counts, axis=0)])
        left = events[-1] - events
        places = np.flatnonzero((events >= LEAST_EVENTS) & (left >= LEAST_EVENTS) & (left <= _farthest(left)))
        parts = (sums[places], sums[-1] - sums[places])
        best = int(places[np.argmax(sum(model.topics.evidence(part, columns) for part in parts))])
        shares = np.zeros((2, len(topics)))
        for side, part in enumerate((sums[best], sums[-1] - sums[best])):
            shares[side, columns] = part / max(float(part.sum()), 1e-12)
        return cls(start + int(events[best]), shares[0], shares[1])

    def moved(self, sign: int) -> NDArray[np.int64]:
        """Topics whose share rose (1) or fell (-1) the most, one or two of them; shape [n]."""
        shift = sign * (self.after - self.before)
        best = np.argsort(-shift, kind="stable")[:MOST_NAMED]
        return np.asarray(
            best[(shift[best] >= LEAST_SHIFT) | ((np.arange(len(best)) == 0) & (shift[best] > 0))], np.int64
        )


def change_of(
    past: Past, topics: Topics, model: ChangeModel | None, weights: Counts, *, order_only: bool, label: Label = str
) -> dict[str, Any]:
    """The key `change` of the contract: score, threshold, and where it is passed what changed, since when, by what.

    `weights` are those of the events of `past.log`, `label` names an item for the sentence. What is not known is null,
    and the sentence says why.
    """
    score = np.nan if model is None else float(model.scores(past.asked, topics, weights)[0])
    known = model is not None and np.isfinite(model.threshold)
    document: dict[str, Any] = {
        "score": rounded(score) if np.isfinite(score) else None,
        "threshold": rounded(model.threshold) if model is not None and known else None,
        "false_alarms": model.rate if model is not None and known else None,
        "changed": bool(model is not None and known and score > model.threshold),
        "since": None,
        "events": 0,
        "from": [],
        "to": [],
        "evidence": [],
    }
    if model is None or not document["changed"]:
        return {**document, "sentence": _why_not(model, score, int(past.asked.lengths[0]))}
    turn = Turn.of(past, topics, model, weights)
    since = int(past.log.time_us[turn.row])
    rows = _carrying(past, topics, turn, weights)
    found = {
        "since": None if order_only else format_time(since),
        "events": int(past.asked.end[0]) - turn.row,
        "from": [_topic(topics, turn, int(one)) for one in turn.moved(-1)],
        "to": [_topic(topics, turn, int(one)) for one in turn.moved(1)],
        "evidence": [past.log.items[int(row)] for row in rows],
    }
    return {**document, **found, "sentence": _sentence(found, None if order_only else since, label)}


def _carrying(past: Past, topics: Topics, turn: Turn, weights: Counts) -> NDArray[np.int64]:
    """Items of the recent events that carry what the user turned to: the one that began it, then the weightiest."""
    recent = slice(turn.row, int(past.asked.end[0]))
    shares = topics.of_items(past.log.item_row[recent])[:, turn.moved(1)]
    worth = weights[recent] * np.asarray(shares.sum(axis=1), np.float64).ravel()
    items, first, own = np.unique(past.log.item_row[recent], return_index=True, return_inverse=True)
    total = np.bincount(own, worth, minlength=len(items))
    there = np.flatnonzero(total > 0)
    began = there[np.argsort(first[there], kind="stable")][:1]
    others = np.setdiff1d(there, began)
    weightiest = others[np.lexsort((first[others], -total[others]))]
    return np.asarray(items[np.concatenate([began, weightiest])[:N_EVIDENCE]], np.int64)


def _sentence(found: dict[str, Any], since_us: int | None, label: Label) -> str:
    """One sentence about a change, with the item that it began with."""
    turned = " to ".join(_names([one["name"] for one in found[side]]) for side in ("from", "to") if found[side])
    began = f"; it began with {label(found['evidence'][0])}" if found["evidence"] else ""
    when = f"In your last {found['events']} events" if since_us is None else f"Since {_day(since_us)}"
    return f"{when} you have turned from {turned}{began}."


def _why_not(model: ChangeModel | None, score: float, n_events: int) -> str:
    """Why no change is told."""
    if model is None:
        return "This model tells no changes: it was fitted before they were known; fit again."
    if not np.isfinite(score):
        events = "1 event" if n_events == 1 else f"{n_events} events"
        return f"Too little to tell a change: {events}, and {LEAST_EVENTS} are needed on either side of one."
    if not np.isfinite(model.threshold):
        return "No change is told: the histories that this model was fitted on are too few to say what is chance."
    return "No change: the latest events fit the interests of before."


def _topic(topics: Topics, turn: Turn, column: int) -> dict[str, Any]:
    shares = {"before": rounded(turn.before[column]), "after": rounded(turn.after[column])}
    return {"topic": topics.ids[column], "name": topics.names[column], **shares}


def _names(names: Sequence[str]) -> str:
    return " and ".join(names)


def _day(time_us: int) -> str:
    """The day of a moment as people write it.

    >>> _day(0)
    '1 January 1970'
    """
    moment = datetime.fromtimestamp(time_us / 1e6, UTC)
    return f"{moment.day} {moment:%B} {moment.year}"


def _farthest(left: NDArray[np.int64]) -> int:
    """How many recent events a split may have: `MOST_BACK`, or as many as the shortest choice of all has."""
    enough = left[left >= LEAST_EVENTS]
    return max(MOST_BACK, int(enough.min()) if len(enough) else 0)
