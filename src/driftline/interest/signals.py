"""What a forecast reads of users' pasts: shares of experts, likeness of vectors, and how the own mixes differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from driftline.data.events import EventLog, Histories
from driftline.interest.dynamics import Dynamics
from driftline.interest.experts import (
    Expert,
    gate_features,
    history_age_days,
    idle_us,
    promised_events,
    scale_days,
)
from driftline.interest.horizons import Horizon
from driftline.interest.mixes import global_mixes
from driftline.interest.pool import Known
from driftline.interest.space import Space
from driftline.interest.state import Counts, Evidence, HalfLife
from driftline.interest.topics import Topics

MOST_GROUPS = 128
"""Topics beyond the most common ones are forecast as one group."""

DRAWN_TOPICS, DRAWN_VECTOR = 5.0, 2.0
"""How many events of everybody's weigh as much as one's own in a mix, and the length at which a vector counts half."""

SMALLEST = 1e-9

Floats = NDArray[Any]
"""Float64 where histories are read, float32 where states are."""


@dataclass(frozen=True, eq=False)
class Signals:
    """Pasts, as they are read: everything by groups of topics. Nothing at or after the moment of a question is read."""

    log: EventLog
    topics: Topics
    dynamics: Dynamics
    space: Space
    asked: Histories

    @cached_property
    def groups(self) -> sparse.csr_matrix:
        """Which group each topic is in; [n_topics, n_groups]."""
        return groups_of(self.dynamics.base_mix)

    @cached_property
    def evidence(self) -> Evidence:
        """Every event's weight and age."""
        return Evidence.of(self.asked, self.dynamics.ratings)

    @cached_property
    def prior(self) -> Counts:
        """Everybody's mix, as fast as experts are drawn to it; [n, n_topics]."""
        return self.dynamics.priors(self.log, self.topics, self.asked.at_us)

    @cached_property
    def grouped_prior(self) -> Counts:
        """The same by groups."""
        return np.asarray(self.prior @ self.groups, np.float64)

    @cached_property
    def n_known(self) -> Counts:
        """How many events with a topic were read, by weight; [n]."""
        return np.asarray(self.counts(self.dynamics.long).sum(axis=1), np.float64)

    def counts(self, half_life: HalfLife) -> Counts:
        """Faded counts by groups; [n, n_groups]."""
        if half_life not in self._counts:
            self._counts[half_life] = self._grouped(self.evidence.counts(self.topics, half_life))
        return self._counts[half_life]

    def shares(self, expert: Expert) -> Counts:
        """What an expert says; [n, n_groups]."""
        if expert.half_life is None:
            return self._everybody(expert.everybody)
        counts = self.counts(expert.half_life)
        return expert.shares(counts, counts.sum(axis=1, keepdims=True), self.grouped_prior)

    def known(self, experts: Sequence[Expert], vectors: Sequence[HalfLife]) -> Known:
        """Everything that a pool of these experts and vectors reads."""
        directions = self.space.of_topics(self.topics, self.groups)
        own = [self.vector(one) for one in vectors]
        parts = [np.log(np.maximum(self.shares(expert), SMALLEST)) for expert in experts]
        parts += [vector @ directions.T for vector in own]
        mixes = [self._own_mix(one) for one in vectors]
        idle = idle_us(self.asked, order_only=self.dynamics.order_only)
        features = gate_features(
            self.n_known, idle, scale_days(tuple(experts)), departure(self.counts(vectors[0]), self.counts(vectors[-1]))
        )
        n_mixes = sum(one.shape[1] for one in mixes)
        return Known(np.stack(parts, axis=1), features, np.concatenate([*mixes, *own], axis=1), n_mixes)

    def vector(self, half_life: HalfLife) -> Counts:
        """The interest state's vector, drawn to 0 while there is little; [n, dim]."""
        vectors = self.space.of_rows(max(self.log.n_items, 1))
        return np.asarray(drawn(self.evidence.vectors(vectors, half_life)), np.float64)

    @cached_property
    def age_days(self) -> Counts:
        """How old each history is; [n]."""
        return history_age_days(self.asked)

    def _own_mix(self, half_life: HalfLife) -> Counts:
        return np.asarray(own_mix(self.counts(half_life), self.grouped_prior), np.float64)

    def _everybody(self, half_life: HalfLife | None) -> Counts:
        if half_life is None or self.dynamics.order_only:
            return self.grouped_prior
        return np.asarray(global_mixes(self.log, self.topics, self.asked.at_us, half_life) @ self.groups, np.float64)

    def _grouped(self, counts: sparse.csr_matrix) -> Counts:
        return np.asarray((counts @ self.groups).toarray(), np.float64)

    @cached_property
    def _counts(self) -> dict[HalfLife, Counts]:
        return {}


def drawn(sums: Floats) -> Floats:
    """Sums of unit vectors [..., dim] as vectors of a length below 1, drawn to 0 while there is little."""
    return np.asarray(sums / (np.sqrt((sums * sums).sum(axis=-1, keepdims=True)) + DRAWN_VECTOR))


def own_mix(counts: Floats, prior: Floats) -> Floats:
    """How a user's own mix differs from everybody's, in roots, nothing while there is little; [..., n_groups]."""
    total = counts.sum(axis=-1, keepdims=True)
    scale = total + DRAWN_TOPICS
    return np.asarray(np.sqrt(counts / scale) - np.sqrt(total * prior / scale))


def departure(whole: Floats, latest: Floats) -> Counts:
    """How far the mix of the last events lies from that of all, by counts of both: total variation; [n]."""
    mixes = [counts / np.maximum(counts.sum(axis=1, keepdims=True), SMALLEST) for counts in (whole, latest)]
    return np.asarray(np.abs(mixes[1] - mixes[0]).sum(axis=1) / 2, np.float64)


def promises(signals: Signals, experts: Sequence[Expert], horizon: Horizon) -> Counts:
    """Events that each user's rate promises within a horizon, by the longest half-life in time; [n]."""
    half_life = slowest_in_time(experts) or signals.dynamics.long
    return promised_events(signals.counts(half_life).sum(axis=1), half_life, signals.age_days, horizon)


def slowest_in_time(experts: Sequence[Expert]) -> HalfLife | None:
    """The longest finite half-life in time; None without one."""
    own = [one.half_life for one in experts if one.half_life is not None and one.half_life.days is not None]
    return max((one for one in own if np.isfinite(one.length)), key=lambda one: one.length, default=None)


def groups_of(mix: Counts) -> sparse.csr_matrix:
    """Each of the most common topics as its own group, and all others as one; [n_topics, n_groups]."""
    n_topics = len(mix)
    if n_topics <= MOST_GROUPS:
        return sparse.identity(n_topics, format="csr")
    kept = np.sort(np.argsort(-mix, kind="stable")[: MOST_GROUPS - 1])
    group = np.full(n_topics, MOST_GROUPS - 1)
    group[kept] = np.arange(MOST_GROUPS - 1)
    return sparse.csr_matrix((np.ones(n_topics), (np.arange(n_topics), group)), shape=(n_topics, MOST_GROUPS))


def within_groups(shares: Counts, groups: sparse.csr_matrix, inside: Counts) -> Counts:
    """Shares of groups as shares of topics: within a group as `inside` [n, n_topics] has them; [n, n_topics]."""
    if groups.shape[0] == groups.shape[1]:
        return shares
    totals = np.asarray(inside @ groups, np.float64)
    ratio = shares / np.maximum(totals, SMALLEST)
    return np.asarray(inside * (ratio @ groups.T), np.float64)
