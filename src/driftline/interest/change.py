"""Change: whether what a user took lately comes from another taste than all before, with stated false alarms.

Items are looked at in two ways: by their topics, and by groups of items that the same people take, which see what
topics are too coarse for. Each way gives a Bayes factor: how much likelier the last `RECENT_EVENTS` events and those
before them are under two mixes than under one, each drawn from what is known of everybody (a Dirichlet with `alpha`):

    ln m(before) + ln m(recent) - ln m(before + recent)

    ln m(c) = ln Γ(A) - ln Γ(A + Σ c) + Σ_k [ln Γ(α_k + c_k) - ln Γ(α_k)],    A = Σ α

(Dirichlet-multinomial marginal likelihood; Minka 2000). The score is their sum, each divided by its spread where
nothing changes, groups counting half. The threshold is what users' own histories cross at the stated rate once their
moments are put in random order, in which nothing changes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.special import gammaln

from driftline.data.events import EventLog, Histories
from driftline.errors import RunError
from driftline.interest.state import Counts
from driftline.interest.topics import Topics
from driftline.types import US_PER_DAY, Rows

RECENT_EVENTS = 28
"""How many events are recent: whole moments, as close to so many as they come."""
LEAST_EVENTS = 8
"""With fewer events on either side nothing is said."""

FALSE_ALARMS = 0.01
"""Alarms where nothing changes, per user-month: 30 days in which a user came and could be judged."""
MONTH_US = 30 * US_PER_DAY
MONTH_EVENTS = 20
"""What a month is taken for in data that has an order and no times."""


@dataclass(frozen=True, eq=False)
class View:
    """One way to look at items: the Dirichlet `alpha` [n_kinds] of a mix, and its evidence's factor in the score."""

    alpha: Counts
    factor: float

    def evidence(self, counts: Counts | sparse.csr_matrix, columns: NDArray[np.int64] | None = None) -> Counts:
        """`ln m` of each row of weighted counts: sparse [n, n_kinds], or dense of some `columns`; shape [n].

        A kind without a count adds nothing.
        """
        if isinstance(counts, np.ndarray):
            own = self.alpha if columns is None else self.alpha[columns]
            inside = (gammaln(own + counts) - gammaln(own)).sum(axis=1)
        else:
            own = self.alpha[counts.indices]
            rows = np.repeat(np.arange(counts.shape[0]), np.diff(counts.indptr))
            inside = np.bincount(rows, gammaln(own + counts.data) - gammaln(own), minlength=counts.shape[0])
        total, sums = float(self.alpha.sum()), np.asarray(counts.sum(axis=1), np.float64).ravel()
        return np.asarray(inside + gammaln(total) - gammaln(total + sums), np.float64)


@dataclass(frozen=True, eq=False)
class ChangeModel:
    """How change is told: by `topics`, by `groups` of items, whose number each item has in `group_of` [n_items], or -1.

    A score above `threshold` is an alarm; where nothing changes `rate` of them come a user-month. `months` is how many
    shuffled user-months that was counted over. Without enough histories the threshold is infinite: never.
    """

    topics: View
    groups: View
    group_of: Rows
    threshold: float = np.inf
    rate: float = FALSE_ALARMS
    months: float = 0.0

    @property
    def views(self) -> tuple[View, View]:
        """The two ways to look at items."""
        return self.topics, self.groups

    def kinds(self, items: Rows, topics: Topics) -> tuple[sparse.csr_matrix, sparse.csr_matrix]:
        """What each item is in each view: [n, n_topics] shares and [n, n_groups] ones."""
        known = items < len(self.group_of)
        group = np.where(known, self.group_of[np.where(known, items, 0)], -1) if len(self.group_of) else 0 * items - 1
        ends = np.concatenate([[0], np.cumsum(group >= 0)])
        inside = group[group >= 0]
        shape = (len(items), len(self.groups.alpha))
        return topics.of_items(items), sparse.csr_matrix((np.ones(len(inside)), inside, ends), shape=shape)

    def scores(self, asked: Histories, topics: Topics, weights: Counts) -> Counts:
        """The score of each query from what is strictly before its moment; NaN where too little is known; shape [n].

        `weights` [n_events] are those of the log's events (`event_weights`).
        """
        split = recent_start(asked)
        known = split >= 0
        middle = np.where(known, split, asked.end)
        total = np.zeros(len(asked))
        before, recent = (
            self._counts(asked, start, end, topics, weights)
            for start, end in ((asked.start, middle), (middle, asked.end))
        )
        for view, one, other in zip(self.views, before, recent, strict=True):
            parts = (one, other, sparse.csr_matrix(one + other))
            apart, latest, together = (view.evidence(part) for part in parts)
            total += view.factor * (apart + latest - together)
        return np.where(known, total, np.nan)

    def walk(self, log: EventLog, rows: slice, topics: Topics, weights: Counts) -> Walk:
        """One user's moments, from the rows of their events in a log."""
        first = np.unique(log.moment[rows], return_index=True)[1]
        sizes = np.diff(np.append(first, rows.stop - rows.start))
        counts, columns = [], []
        for kinds in self.kinds(log.item_row[rows], topics):
            own = np.unique(kinds.indices).astype(np.int64)
            dense = weights[rows, None] * kinds[:, own].toarray()
            counts.append(np.add.reduceat(dense, first, axis=0) if len(first) else dense)
            columns.append(own)
        return Walk(self.views, tuple(counts), tuple(columns), sizes, log.time_us[rows][first])

    def as_json(self) -> dict[str, Any]:
        """Everything but the arrays, as JSON values; an infinite threshold is null."""
        threshold = self.threshold if np.isfinite(self.threshold) else None
        factors = [view.factor for view in self.views]
        return {"threshold": threshold, "rate": self.rate, "months": self.months, "factors": factors}

    @property
    def arrays(self) -> dict[str, NDArray[Any]]:
        """The arrays, by their names on disk."""
        return {
            "change_topics": self.topics.alpha,
            "change_groups": self.groups.alpha,
            "change_group_of": self.group_of,
        }

    @classmethod
    def from_json(cls, document: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> ChangeModel:
        """The value that `as_json` and `arrays` described; RunError where something is missing."""
        try:
            threshold = np.inf if document["threshold"] is None else float(document["threshold"])
            names = ("change_topics", "change_groups")
            views = [View(arrays[name], float(one)) for name, one in zip(names, document["factors"], strict=True)]
            rate, months = float(document["rate"]), float(document["months"])
            return cls(views[0], views[1], arrays["change_group_of"], threshold, rate, months)
        except (KeyError, TypeError, ValueError) as error:
            raise RunError(f"expected a whole calibration of change, got {error!r}; fit again") from error

    def _counts(
        self, asked: Histories, start: NDArray[np.int64], end: NDArray[np.int64], topics: Topics, weights: Counts
    ) -> Sequence[sparse.csr_matrix]:
        """Weighted counts of the rows `start:end` of each query in each view; [n_queries, n_kinds]."""
        part = Histories(asked.log, start, end, asked.at_us, asked.user_row)
        row, _ = part.flat()
        ends = np.concatenate([[0], np.cumsum(part.lengths)])
        gather = sparse.csr_matrix((weights[row], np.arange(len(row)), ends), shape=(len(part), len(row)))
        return [sparse.csr_matrix(gather @ kinds) for kinds in self.kinds(asked.log.item_row[row], topics)]


@dataclass(frozen=True, eq=False)
class Walk:
    """One user's moments, oldest first: in each view weighted `counts` [n_moments, n_columns] of the kinds `columns`.

    `sizes` are how many events each moment has, `times` when it was; both [n_moments].
    """

    views: tuple[View, View]
    counts: tuple[Counts, ...]
    columns: tuple[NDArray[np.int64], ...]
    sizes: NDArray[np.int64]
    times: NDArray[np.int64]

    def evidence(self, order: NDArray[np.int64] | None = None) -> Counts:
        """Each view's Bayes factor after each moment, in nats, [2, n_moments]; NaN where too little is known.

        With an `order` [n_moments] the moments come in it.
        """
        order = np.arange(len(self.sizes)) if order is None else order
        events = np.concatenate([[0], np.cumsum(self.sizes[order])])
        ends = np.arange(1, len(events))
        split = _splits(events, ends)
        found = np.full((len(self.views), len(ends)), np.nan)
        ends, split = ends[split >= 0], split[split >= 0]
        for place, (view, counts, columns) in enumerate(zip(self.views, self.counts, self.columns, strict=True)):
            sums = np.concatenate([np.zeros((1, len(columns))), np.cumsum(counts[order], axis=0)])
            parts = (sums[split], sums[ends] - sums[split], sums[ends])
            before, recent, whole = (view.evidence(part, columns) for part in parts)
            found[place, ends - 1] = before + recent - whole
        return found

    def scores(self, order: NDArray[np.int64] | None = None) -> Counts:
        """The score after each moment, [n_moments]: what `ChangeModel.scores` says of each, in one pass."""
        return np.asarray(np.array([view.factor for view in self.views]) @ self.evidence(order), np.float64)

    def months(self, scores: Counts, *, order_only: bool = False) -> float:
        """In how many 30-day spans since the first event there is a score.

        In data that has an order alone, the moments with a score by `MONTH_EVENTS`.
        """
        known = np.isfinite(scores)
        if order_only or not known.any():
            return float(known.sum()) / MONTH_EVENTS
        return float(len(np.unique((self.times[known] - self.times[0]) // MONTH_US)))


def recent_start(asked: Histories) -> NDArray[np.int64]:
    """Where in the log the recent part of each history begins, at the start of a moment; -1 where there is too little.

    Of the two starts of moments around `RECENT_EVENTS` before the end that one is taken by which the number of recent
    events is off by the smaller factor: a basket of a hundred is not drawn in for the sake of eight more events.
    """
    log = asked.log
    if not len(log):
        return np.full(len(asked), -1, np.int64)
    place = np.clip(asked.end - RECENT_EVENTS, asked.start, np.maximum(asked.end - 1, asked.start))
    moment = log.moment[np.minimum(place, len(log) - 1)]
    early = np.maximum(np.searchsorted(log.moment, moment), asked.start)
    exact = early == asked.end - RECENT_EVENTS
    late = np.where(exact, early, np.minimum(np.searchsorted(log.moment, moment, side="right"), asked.end))
    return _chosen(early, late, asked.start, asked.end)


def alarms(scores: Counts, threshold: float) -> NDArray[np.bool_]:
    """Where a user's score rises above the threshold, having been below it or unknown; shape as `scores` [n_moments].

    >>> alarms(np.array([np.nan, 3.0, 4.0, 1.0, 5.0]), 2.0)
    array([False,  True, False, False,  True])
    """
    above = np.nan_to_num(scores, nan=-np.inf) > threshold
    return np.asarray(above & ~np.concatenate([[False], above[:-1]]), bool)


def _splits(events: NDArray[np.int64], ends: NDArray[np.int64]) -> NDArray[np.int64]:
    """For one user: after how many moments the recent part begins, read after `ends` moments; -1 for too little.

    `events` [n_moments + 1] is how many events there are after so many moments.
    """
    early = np.maximum(np.searchsorted(events, events[ends] - RECENT_EVENTS, side="right") - 1, 0)
    late = np.where(events[early] == events[ends] - RECENT_EVENTS, early, early + 1)
    chosen = _chosen(events[early], events[np.minimum(late, ends)], np.zeros_like(ends), events[ends])
    return np.where(chosen < 0, -1, np.searchsorted(events, chosen))


def _chosen(
    early: NDArray[np.int64], late: NDArray[np.int64], start: NDArray[np.int64], end: NDArray[np.int64]
) -> NDArray[np.int64]:
    """The better of two places to split at, with at least `LEAST_EVENTS` on both sides; -1 where neither has them."""
    fits = [(place - start >= LEAST_EVENTS) & (end - place >= LEAST_EVENTS) for place in (early, late)]
    closer = (end - late) * (end - early) > RECENT_EVENTS**2
    take_late = fits[1] & (closer | ~fits[0])
    return np.where(take_late, late, np.where(fits[0], early, -1))
