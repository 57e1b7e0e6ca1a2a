"""Fitting how change is told: groups of items, Dirichlets, and the threshold that keeps to a rate of false alarms."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy import sparse

from driftline.data.events import MOST_READ, EventLog
from driftline.interest.change import FALSE_ALARMS, LEAST_EVENTS, ChangeModel, View, Walk
from driftline.interest.clusters import cluster
from driftline.interest.dynamics import Dynamics
from driftline.interest.evidence import event_weights
from driftline.interest.mixes import smoothed
from driftline.interest.state import Counts
from driftline.interest.topics import Topics
from driftline.interest.vectors import use_vectors
from driftline.types import Rows

N_GROUPS = 64
LEAST_TAKEN = 2
"""Items that fewer events took are in no group: one taker says nothing of what else goes with it."""
GROUPS_COUNT = 0.5
"""What groups count beside topics, both in spreads."""

CONCENTRATIONS = 2.0 ** np.arange(-1, 11)
MOST_USERS = 4000
MOST_CELLS = 3_000_000
"""Moments times kinds that are scored to calibrate; more rounds of shuffling are made while they are not used up."""
MOST_ROUNDS = 4


def fit_change(log: EventLog, topics: Topics, dynamics: Dynamics, *, seed: int = 0) -> ChangeModel:
    """Choose concentrations by the likelihood of users' counts, then spreads and threshold by shuffled histories.

    Of each of up to `MOST_USERS` users the moments are put in random order, which keeps the times, the baskets and the
    taste and leaves no change; the threshold is the lowest above which alarms come at most at `FALSE_ALARMS`.
    """
    events = _some_users(log.positive, seed)
    weights = event_weights(events, dynamics.ratings)
    group_of, mix = _groups(events, seed)
    plain = ChangeModel(View(dynamics.base_mix, 1.0), View(mix, 1.0), group_of)
    alphas = _alphas(plain, events, topics, weights)
    model = replace(plain, topics=View(alphas[0], 1.0), groups=View(alphas[1], 1.0))
    evidence = _shuffled(_walks(model, events, topics, weights), seed)
    factors = _factors([one for _, one in evidence])
    model = replace(model, topics=View(alphas[0], float(factors[0])), groups=View(alphas[1], float(factors[1])))
    scored = [(walk, factors @ one) for walk, one in evidence]
    months = sum(walk.months(scores, order_only=dynamics.order_only) for walk, scores in scored)
    rises = np.concatenate([np.zeros((0, 2)), *(_rises(scores) for _, scores in scored)])
    # A score below 0 says that one mix is likelier: never a change, however rare such scores are.
    threshold = max(_threshold(rises, FALSE_ALARMS * months), 0.0)
    return replace(model, threshold=threshold, months=months)


def _groups(log: EventLog, seed: int) -> tuple[Rows, Counts]:
    """The group of each item by who takes it, [n_items], and the share of events that each group has, [n_groups]."""
    taken = log.item_counts()
    vectors = np.where((taken >= LEAST_TAKEN)[:, None], use_vectors(log, seed=seed), 0.0)
    nothing = np.zeros((0, vectors.shape[1]))
    group_of = cluster(vectors, np.sqrt(taken), N_GROUPS, first=nothing, seed=seed)
    group = group_of[log.item_row]
    sums = np.bincount(group[group >= 0], minlength=1).astype(np.float64)
    return group_of, smoothed(sums)


def _alphas(model: ChangeModel, log: EventLog, topics: Topics, weights: Counts) -> list[Counts]:
    """The Dirichlet of each view: its mix, at the concentration under which the counts of users are likeliest."""
    rows = (weights, np.arange(len(log)), log.user_offsets)
    gather = sparse.csr_matrix(rows, shape=(log.n_users, len(log)))
    kinds = model.kinds(log.item_row, topics)
    return [_best(sparse.csr_matrix(gather @ one), view.alpha) for one, view in zip(kinds, model.views, strict=True)]


def _best(counts: sparse.csr_matrix, mix: Counts) -> Counts:
    known = counts[np.flatnonzero(np.diff(counts.indptr))]
    if not known.shape[0]:
        return mix * len(mix)
    likelihoods = [float(View(one * mix, 1.0).evidence(known).sum()) for one in CONCENTRATIONS]
    return np.asarray(CONCENTRATIONS[int(np.argmax(likelihoods))] * mix, np.float64)


def _walks(model: ChangeModel, log: EventLog, topics: Topics, weights: Counts) -> list[Walk]:
    """The users whose history is long enough for a score, and not so long as to take all the time."""
    lengths = np.diff(log.user_offsets)
    users = np.flatnonzero((lengths >= 2 * LEAST_EVENTS) & (lengths <= MOST_READ))
    slices = [slice(int(log.user_offsets[user]), int(log.user_offsets[user + 1])) for user in users]
    return [model.walk(log, rows, topics, weights) for rows in slices]


def _shuffled(walks: list[Walk], seed: int) -> list[tuple[Walk, Counts]]:
    """Each walk with its moments in random order, several times: the evidence of both views, [2, n_moments]."""
    rng = np.random.default_rng(seed)
    cells = max(sum(counts.size for walk in walks for counts in walk.counts), 1)
    rounds = int(np.clip(MOST_CELLS // cells, 1, MOST_ROUNDS))
    return [(walk, walk.evidence(rng.permutation(len(walk.sizes)))) for _ in range(rounds) for walk in walks]


def _factors(evidence: list[Counts]) -> Counts:
    """What the evidence of each view is multiplied by: its share over its spread where nothing changes; shape [2]."""
    all_ = np.concatenate([np.zeros((2, 0)), *evidence], axis=1)
    known = all_[:, np.isfinite(all_).all(axis=0)]
    spread = known.std(axis=1) if known.shape[1] else np.zeros(2)
    return np.where(spread > 0, np.array([1.0, GROUPS_COUNT]) / np.where(spread > 0, spread, 1), 0.0)


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


def _some_users(log: EventLog, seed: int) -> EventLog:
    users = np.flatnonzero(np.diff(log.user_offsets))
    if len(users) <= MOST_USERS:
        return log
    chosen = np.random.default_rng(seed).permutation(users)[:MOST_USERS]
    return log.select(np.isin(log.user_row, chosen))
