"""Choosing the dynamics: half-life, prior strength and worth of evidence, on a later slice of the training log."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.special import gammaln

from driftline.data.events import EventLog, Histories, histories, histories_until
from driftline.interest.dynamics import Dynamics, Tried, default_dynamics, span_days
from driftline.interest.state import Counts, Evidence, HalfLife
from driftline.interest.topics import Topics

VALIDATION_SHARE = 0.2
"""The last part of the time span (or of each user's events) by which half-lives are chosen."""
MOST_QUESTIONS = 8000
MOST_EVENTS_READ = 3_000_000
WINDOW_EVENTS = 20

DAYS = (1 / 24, 1 / 4, 1.0, 3.0, 7.0, 14.0, 30.0, 60.0, 120.0, 240.0, 480.0, 960.0)
EVENTS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0)
MIX_DAYS = (7.0, 28.0, 112.0, np.inf)
PRIORS = np.array([0.3, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0])
WORTHS = np.array([2.0, 1.4, 1.0, 0.7, 0.5, 0.35, 0.25, 0.18, 0.12, 0.08, 0.05])


@dataclass(frozen=True, eq=False)
class Questions:
    """Histories and what came after them: pairs of (query, topic) with how often the topic came.

    `query`, `topic`, `count` have shape [n_pairs], sorted by query; an event of an item with several topics counts
    as one of them, drawn.
    """

    histories: Histories
    query: NDArray[np.int64]
    topic: NDArray[np.int64]
    count: NDArray[np.float64]

    @property
    def totals(self) -> NDArray[np.float64]:
        """How many events came after each history; shape [n_queries]."""
        return np.bincount(self.query, self.count, minlength=len(self.histories)).astype(np.float64)

    def came(self, n_topics: int) -> Counts:
        """How often each topic came; [n_queries, n_topics]."""
        found = np.zeros((len(self.histories), n_topics))
        found[self.query, self.topic] = self.count
        return found

    def at_pairs(self, shares: Counts | sparse.csr_matrix) -> NDArray[np.float64]:
        """The entries of [n_queries, n_topics] at the pairs; shape [n_pairs]."""
        return np.asarray(shares[self.query, self.topic], np.float64).ravel()

    def mean_over_users(self, loss: NDArray[np.float64]) -> NDArray[np.float64]:
        """Log scores of pairs [n_pairs, ...] as nats per event of each user, then the mean over users; shape [...]."""
        return np.asarray(self._weight @ loss, np.float64)

    @cached_property
    def _weight(self) -> NDArray[np.float64]:
        """What each event of a pair counts in a mean over users; shape [n_pairs]."""
        users = self.histories.user_row[self.query]
        return np.asarray(self.count / np.bincount(users, self.count)[users] / len(np.unique(users)), np.float64)


def fit_dynamics(log: EventLog, topics: Topics, *, order_only: bool = False, seed: int = 0) -> Dynamics:
    """Choose how interests fade by the log score of what comes next.

    Histories are asked at moments of the last fifth of the log; the half-life and the prior strength whose posterior
    mean gives the topics that then came the best mean log score over users are chosen, then the worth of evidence by
    the Dirichlet-multinomial likelihood of each user's next events. Everything read for a question is from before it.
    A log from which nothing can be asked gets defaults.
    """
    events = log.positive
    plain = default_dynamics(log, topics, order_only=order_only)
    asked = next_questions(events, topics, order_only=order_only, seed=seed)
    if not len(asked.query):
        return plain
    mixed = plain if order_only else replace(plain, mix_half_life=_best_mix(events, topics, plain, asked))
    prior = asked.at_pairs(mixed.priors(events, topics, asked.histories.at_us))
    evidence = Evidence.of(asked.histories, plain.ratings)
    tried = tuple(try_half_life(evidence, topics, one, asked, prior) for one in candidates(log, order_only=order_only))
    best = min(tried, key=lambda one: one.log_score)
    chosen = replace(mixed, half_life=best.half_life, prior_strength=best.prior_strength, tried=tried)
    return replace(chosen, evidence_worth=_best_worth(events, topics, chosen, seed=seed))


def candidates(log: EventLog, *, order_only: bool) -> tuple[HalfLife, ...]:
    """Half-lives worth trying: those that the length of the log can tell apart, and the whole history."""
    if order_only:
        return (*(HalfLife(events=one) for one in EVENTS), HalfLife(events=np.inf))
    span = span_days(log)
    return (*(HalfLife(days=one) for one in DAYS if span / 500 <= one <= 2 * span), HalfLife(days=np.inf))


def next_questions(log: EventLog, topics: Topics, *, order_only: bool, seed: int) -> Questions:
    """What came at moments of the validation slice, each with the user's history before it."""
    if not len(log):
        return Questions(histories(log, np.zeros(0, np.int32), np.zeros(0, np.int64)), *_no_pairs())
    first = np.searchsorted(log.moment, np.arange(log.moment[-1] + 1))
    asked = first[_late(log, order_only=order_only)[first] & (first > log.user_offsets[log.user_row[first]])]
    asked = within_budget(asked, asked - log.user_offsets[log.user_row[asked]], seed=seed)
    ends = np.searchsorted(log.moment, log.moment[asked], side="right")
    return questions(histories_until(log, asked), topics, asked, ends, seed=seed)


def questions(
    asked: Histories, topics: Topics, start: NDArray[np.int64], end: NDArray[np.int64], *, seed: int
) -> Questions:
    """Questions whose answers are the events `start:end` of each query; events without a topic are left out."""
    places, query = Histories(asked.log, start, end, asked.at_us, asked.user_row).flat()
    topic = topics.drawn(asked.log.item_row, seed=seed)[places].astype(np.int64)
    known = topic >= 0
    keys, count = np.unique(query[known] * len(topics) + topic[known], return_counts=True)
    return Questions(asked, *np.divmod(keys, max(len(topics), 1)), count.astype(np.float64))


def within_budget(places: NDArray[np.int64], lengths: NDArray[np.int64], *, seed: int) -> NDArray[np.int64]:
    """Some of the places at random, ascending: few enough to be read in moments, however long histories are."""
    order = np.random.default_rng(seed).permutation(len(places))
    fits = np.cumsum(lengths[order]) <= MOST_EVENTS_READ
    fits[:1] = True
    return np.sort(places[order[fits][:MOST_QUESTIONS]])


def _no_pairs() -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    return np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0)


def _late(log: EventLog, *, order_only: bool) -> NDArray[np.bool_]:
    """Which events lie in the validation slice; shape [n_events]."""
    if order_only:
        place = np.arange(len(log)) - log.user_offsets[log.user_row]
        length = np.diff(log.user_offsets)[log.user_row]
        return np.asarray(place >= (1 - VALIDATION_SHARE) * length, bool)
    return np.asarray(log.time_us >= log.last_us - VALIDATION_SHARE * (log.last_us - log.first_us), bool)


def _best_mix(log: EventLog, topics: Topics, plain: Dynamics, asked: Questions) -> HalfLife:
    """The half-life at which the mix of everybody alone foretells best."""
    options = [HalfLife(days=one) for one in MIX_DAYS]
    losses = [
        float(asked.mean_over_users(-np.log(asked.at_pairs(mixes))))
        for mixes in (replace(plain, mix_half_life=one).priors(log, topics, asked.histories.at_us) for one in options)
    ]
    return options[int(np.argmin(losses))]


def try_half_life(
    evidence: Evidence, topics: Topics, half_life: HalfLife, asked: Questions, prior: NDArray[np.float64]
) -> Tried:
    """A half-life with the prior strength that is best for it, and the log score of both; `prior` [n_pairs]."""
    counts = evidence.counts(topics, half_life)
    total = np.asarray(counts.sum(axis=1), np.float64).ravel()[asked.query, None]
    share = (asked.at_pairs(counts)[:, None] + PRIORS * prior[:, None]) / (total + PRIORS)
    losses = asked.mean_over_users(-np.log(share))
    best = int(np.argmin(losses))
    return Tried(half_life, float(PRIORS[best]), float(losses[best]))


def _best_worth(log: EventLog, topics: Topics, dynamics: Dynamics, *, seed: int) -> float:
    """The worth of evidence under which what each user did next, up to `WINDOW_EVENTS` events, is likeliest."""
    asked = _window_questions(log, topics, order_only=dynamics.order_only, seed=seed)
    if not len(asked.query):
        return 1.0
    counts = Evidence.of(asked.histories, dynamics.ratings).counts(topics, dynamics.half_life)
    prior = asked.at_pairs(dynamics.priors(log, topics, asked.histories.at_us))
    total = np.asarray(counts.sum(axis=1), np.float64).ravel() + dynamics.prior_strength
    share = (asked.at_pairs(counts) + dynamics.prior_strength * prior) / total[asked.query]
    likelihood = [multinomial_likelihood(asked, share, worth * total) for worth in WORTHS]
    return float(WORTHS[int(np.argmax(likelihood))])


def multinomial_likelihood(asked: Questions, share: NDArray[np.float64], concentration: NDArray[np.float64]) -> float:
    """Mean log likelihood of a query's counts under a Dirichlet-multinomial, without the part that is constant.

    `ln Γ(c) - ln Γ(c + N) + Σ [ln Γ(c p + n) - ln Γ(c p)]` with `share` p [n_pairs], `concentration` c [n_queries].
    """
    totals = asked.totals
    there = totals > 0
    alpha = concentration[asked.query] * share
    inside = float((gammaln(alpha + asked.count) - gammaln(alpha)).sum())
    outside = float((gammaln(concentration) - gammaln(concentration + totals))[there].sum())
    return (inside + outside) / max(int(there.sum()), 1)


def _window_questions(log: EventLog, topics: Topics, *, order_only: bool, seed: int) -> Questions:
    """Of each user who is there before and in the validation slice: the history up to it, and what came first in it."""
    late = _late(log, order_only=order_only)
    early_counts = np.bincount(log.user_row[~late], minlength=log.n_users)
    start = log.user_offsets[:-1] + early_counts
    users = np.flatnonzero((early_counts > 0) & (start < log.user_offsets[1:]))
    users = within_budget(users, early_counts[users], seed=seed)
    end = np.minimum(start[users] + WINDOW_EVENTS, log.user_offsets[users + 1])
    return questions(histories_until(log, start[users]), topics, start[users], end, seed=seed)
