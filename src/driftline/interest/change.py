"""Change: whether what a user took lately comes from another mix of topics than all before, with stated false alarms.

The score is a Bayes factor: how much likelier the last `RECENT_EVENTS` events and those before them are under two mixes
than under one, each mix drawn from what is known of everybody (a Dirichlet, `ChangeModel.alpha`):

    score = ln m(before) + ln m(recent) - ln m(before + recent)

    ln m(c) = ln Γ(A) - ln Γ(A + Σ c) + Σ_k [ln Γ(α_k + c_k) - ln Γ(α_k)],    A = Σ α

(Dirichlet-multinomial marginal likelihood; Minka 2000). Above 0 two mixes are likelier. The threshold is what users'
own histories cross at the stated rate once their moments are put in random order, in which nothing changes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.special import gammaln

from driftline.data.events import EventLog, Histories
from driftline.errors import RunError
from driftline.interest.dynamics import Dynamics
from driftline.interest.evidence import event_weights
from driftline.interest.state import Counts
from driftline.interest.topics import Topics
from driftline.types import US_PER_DAY

RECENT_EVENTS = 28
"""How many events are recent: whole moments, as close to so many as they come."""
LEAST_EVENTS = 8
"""With fewer events on either side nothing is said."""

FALSE_ALARMS = 0.01
"""Alarms where nothing changes, per user-month: 30 days in which a user came and could be judged."""
MONTH_US = 30 * US_PER_DAY
MONTH_EVENTS = 20
"""What a month is taken for in data that has an order and no times."""

CONCENTRATIONS = 2.0 ** np.arange(-1, 11)
MOST_USERS = 4000
MOST_CELLS = 3_000_000
"""Moments times topics that are scored to calibrate; more rounds of shuffling are made while they are not used up."""
MOST_ROUNDS = 4


@dataclass(frozen=True, eq=False)
class ChangeModel:
    """How change is told: the Dirichlet `alpha` [n_topics] from which a mix is drawn, and when a score is an alarm.

    A score above `threshold` is an alarm; where nothing changes `rate` of them come a user-month. `months` is how many
    shuffled user-months that was counted over. Without enough histories the threshold is infinite: never.
    """

    alpha: Counts
    threshold: float = np.inf
    rate: float = FALSE_ALARMS
    months: float = 0.0

    def score(self, before: sparse.csr_matrix, recent: sparse.csr_matrix) -> Counts:
        """The Bayes factor in nats from weighted topic counts [n, n_topics]; shape [n]."""
        parts = (before, recent, sparse.csr_matrix(before + recent))
        one, other, both = (sparse_evidence(part, self.alpha) for part in parts)
        return one + other - both

    def scores(self, asked: Histories, topics: Topics, weights: Counts) -> Counts:
        """The score of each query from what is strictly before its moment; NaN where too little is known; shape [n].

        `weights` [n_events] are those of the log's events (`event_weights`).
        """
        split = recent_start(asked)
        known = split >= 0
        middle = np.where(known, split, asked.end)
        before = _topic_counts(asked, asked.start, middle, topics, weights)
        recent = _topic_counts(asked, middle, asked.end, topics, weights)
        return np.where(known, self.score(before, recent), np.nan)

    def series(self, counts: Counts, sizes: NDArray[np.int64], columns: NDArray[np.int64]) -> Counts:
        """One user's score after each moment from the counts of the moments; NaN where too little is known.

        `counts` [n_moments, n_columns] weighted topic counts of the topics `columns` alone, `sizes` [n_moments] events;
        shape [n_moments].
        """
        events = np.concatenate([[0], np.cumsum(sizes)])
        sums = np.concatenate([np.zeros((1, counts.shape[1])), np.cumsum(counts, axis=0)])
        ends = np.arange(1, len(events))
        split = _splits(events, ends)
        found = np.full(len(ends), np.nan)
        ends, split = ends[split >= 0], split[split >= 0]
        parts = (sums[split], sums[ends] - sums[split], sums[ends])
        before, recent, whole = (dense_evidence(part, self.alpha[columns], self.total) for part in parts)
        found[ends - 1] = before + recent - whole
        return found

    @property
    def total(self) -> float:
        """The concentration A."""
        return float(self.alpha.sum())

    def as_json(self) -> dict[str, Any]:
        """Everything but the array, as JSON values; an infinite threshold is null."""
        threshold = self.threshold if np.isfinite(self.threshold) else None
        return {"threshold": threshold, "rate": self.rate, "months": self.months}

    @classmethod
    def from_json(cls, document: dict[str, Any], alpha: Counts) -> ChangeModel:
        """The value that `as_json` described; RunError where something is missing."""
        try:
            threshold = np.inf if document["threshold"] is None else float(document["threshold"])
            return cls(alpha, threshold, float(document["rate"]), float(document["months"]))
        except (KeyError, TypeError, ValueError) as error:
            raise RunError(f"expected a whole calibration of change, got {error!r}; fit again") from error


def sparse_evidence(counts: sparse.csr_matrix, alpha: Counts) -> Counts:
    """`ln m` of each row of counts [n, n_topics]; topics without a count add nothing; shape [n]."""
    own, total = alpha[counts.indices], float(alpha.sum())
    rows = np.repeat(np.arange(counts.shape[0]), np.diff(counts.indptr))
    inside = np.bincount(rows, gammaln(own + counts.data) - gammaln(own), minlength=counts.shape[0])
    totals = np.asarray(counts.sum(axis=1), np.float64).ravel()
    return np.asarray(inside + gammaln(total) - gammaln(total + totals), np.float64)


def dense_evidence(counts: Counts, alpha: Counts, total: float) -> Counts:
    """`ln m` of each row of counts [n, n_columns], of topics with these `alpha` out of all with `total`; shape [n]."""
    inside = (gammaln(alpha + counts) - gammaln(alpha)).sum(axis=1)
    return np.asarray(inside + gammaln(total) - gammaln(total + counts.sum(axis=1)), np.float64)


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


def fit_change(log: EventLog, topics: Topics, dynamics: Dynamics, *, seed: int = 0) -> ChangeModel:
    """Choose the concentration by the likelihood of users' counts, then the threshold by shuffled histories.

    Of each of up to `MOST_USERS` users the moments are put in random order, which keeps the times, the baskets and the
    taste and leaves no change; the threshold is the lowest above which alarms come at most at `FALSE_ALARMS`.
    """
    events = log.positive
    users = _some_users(events, seed)
    weights = event_weights(events, dynamics.ratings)
    starts, ends = events.user_offsets[users], events.user_offsets[users + 1]
    whole = Histories(events, starts, ends, np.full(len(users), np.iinfo(np.int64).max), users.astype(np.int32))
    counts = _topic_counts(whole, starts, ends, topics, weights)
    alpha = _concentration(counts, dynamics.base_mix) * dynamics.base_mix
    model = ChangeModel(alpha)
    rises, months = _shuffled(model, whole, topics, weights, order_only=dynamics.order_only, seed=seed)
    # A score below 0 says that one mix is likelier: never a change, however rare such scores are.
    threshold = max(_threshold(rises, FALSE_ALARMS * months), 0.0)
    return ChangeModel(alpha, threshold, FALSE_ALARMS, months)


def alarms(scores: Counts, threshold: float) -> NDArray[np.bool_]:
    """Where a user's score rises above the threshold, having been below it or unknown; shape as `scores` [n_moments].

    >>> alarms(np.array([np.nan, 3.0, 4.0, 1.0, 5.0]), 2.0)
    array([False,  True, False, False,  True])
    """
    above = np.nan_to_num(scores, nan=-np.inf) > threshold
    return np.asarray(above & ~np.concatenate([[False], above[:-1]]), bool)


def judged_months(scores: Counts, time_us: NDArray[np.int64], *, order_only: bool = False) -> float:
    """The user-months of one user: 30-day spans since the first event with a moment that has a score.

    In data that has an order alone, moments with a score by `MONTH_EVENTS`.
    """
    known = np.isfinite(scores)
    if order_only or not known.any():
        return float(known.sum()) / MONTH_EVENTS
    return float(len(np.unique((time_us[known] - time_us[0]) // MONTH_US)))


def moment_counts(
    log: EventLog, rows: slice, topics: Topics, weights: Counts
) -> tuple[Counts, NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """One user's moments: weighted counts [n_moments, n_columns], sizes, times [n_moments] and the topics `columns`."""
    shares = topics.of_items(log.item_row[rows])
    columns = np.unique(shares.indices).astype(np.int64)
    worth = weights[rows, None] * shares[:, columns].toarray()
    moment = log.moment[rows] - log.moment[rows.start]
    first = np.unique(moment, return_index=True)[1]
    counts = np.add.reduceat(worth, first, axis=0) if len(columns) else np.zeros((len(first), 0))
    return counts, np.bincount(moment), log.time_us[rows][first], columns


def _shuffled(
    model: ChangeModel, whole: Histories, topics: Topics, weights: Counts, *, order_only: bool, seed: int
) -> tuple[Counts, float]:
    """Every rise of a score from one moment to the next in shuffled histories, [n_rises, 2], and the user-months."""
    rng = np.random.default_rng(seed)
    long_enough = np.flatnonzero(whole.lengths >= 2 * LEAST_EVENTS)
    users = [
        moment_counts(whole.log, slice(int(whole.start[q]), int(whole.end[q])), topics, weights) for q in long_enough
    ]
    cells = max(sum(counts.size for counts, *_ in users), 1)
    rises, months = [np.zeros((0, 2))], 0.0
    for _ in range(int(np.clip(MOST_CELLS // cells, 1, MOST_ROUNDS))):
        for counts, sizes, time_us, columns in users:
            order = rng.permutation(len(sizes))
            scores = model.series(counts[order], sizes[order], columns)
            rises.append(_rises(scores))
            months += judged_months(scores, time_us, order_only=order_only)
    return np.concatenate(rises), months


def _rises(scores: Counts) -> Counts:
    """Pairs of a score and the next where it rises; what is unknown is below everything; shape [n_rises, 2]."""
    filled = np.nan_to_num(np.concatenate([[np.nan], scores]), nan=-np.inf)
    pairs = np.stack([filled[:-1], filled[1:]], axis=1)
    return np.asarray(pairs[pairs[:, 1] > pairs[:, 0]], np.float64)


def _threshold(rises: Counts, allowed: float) -> float:
    """The lowest threshold above which at most `allowed` of the rises pass any threshold; infinite where none is told.

    A rise from a to b passes the threshold h where a <= h < b.
    """
    if allowed < 1:
        return np.inf
    levels = np.sort(rises[:, 1])[::-1]
    low = np.sort(rises[:, 0])
    high = np.sort(rises[:, 1])
    passing = np.searchsorted(low, levels, side="right") - np.searchsorted(high, levels, side="right")
    too_many = np.flatnonzero(passing > allowed)
    return float(levels[too_many[0] - 1] if len(too_many) else levels[-1]) if len(levels) else np.inf


def _concentration(counts: sparse.csr_matrix, mix: Counts) -> float:
    """The concentration under which the counts of users are likeliest (Dirichlet-multinomial)."""
    known = counts[np.flatnonzero(np.diff(counts.indptr))]
    if not known.shape[0]:
        return float(len(mix))
    likelihoods = [float(sparse_evidence(known, one * mix).sum()) for one in CONCENTRATIONS]
    return float(CONCENTRATIONS[int(np.argmax(likelihoods))])


def _some_users(log: EventLog, seed: int) -> NDArray[np.int64]:
    users = np.flatnonzero(np.diff(log.user_offsets))
    return np.sort(np.random.default_rng(seed).permutation(users)[:MOST_USERS])


def _topic_counts(
    asked: Histories, start: NDArray[np.int64], end: NDArray[np.int64], topics: Topics, weights: Counts
) -> sparse.csr_matrix:
    """Weighted topic counts of the rows `start:end` of each query; shape [n_queries, n_topics]."""
    part = Histories(asked.log, start, end, asked.at_us, asked.user_row)
    row, _ = part.flat()
    ends = np.concatenate([[0], np.cumsum(part.lengths)])
    shape = (len(part), max(asked.log.n_items, 1))
    items = sparse.csr_matrix((weights[row], asked.log.item_row[row], ends), shape=shape)
    return sparse.csr_matrix(items @ topics.of_items(np.arange(shape[1], dtype=np.int32)))


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
