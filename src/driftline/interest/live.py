"""Forecasts straight from states: of one user in microseconds, of everybody in a minute, the history left unread.

What forecasts of one moment and horizon share is worked out once, an `Outlook`: everybody's mixes as of then, where
topics lie, the weights of the pool. What is left for a user are the numbers that the interest state holds: topic counts
at the half-lives of the experts and sums of item vectors. The shares are those that `InterestModel.distributions` reads
from the history, in float32.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from driftline.data.events import EventLog
from driftline.errors import RequestError
from driftline.interest.dynamics import Dynamics
from driftline.interest.experts import drawn_to, gate_features, promised_events, scale_days
from driftline.interest.forecast import HorizonModel
from driftline.interest.mixes import global_mixes
from driftline.interest.pool import Known, Pool
from driftline.interest.signals import (
    SMALLEST,
    Floats,
    departure,
    drawn,
    groups_of,
    own_mix,
    slowest_in_time,
    within_groups,
)
from driftline.interest.space import Space
from driftline.interest.state import Counts, HalfLife, InterestState, Scales
from driftline.interest.topics import Topics
from driftline.types import ALWAYS, US_PER_DAY

AT_ONCE = 256
"""States of so many users and all that is made of them stay in a cache of a megabyte or two."""


class Foreseen(NamedTuple):
    """Forecasts of n users: `shares` and the bounds `low` and `high`, [n, n_topics] float32, and `n_events` [n].

    Shares are among so many events; bounds are of each topic alone. Of one user there is no first axis.
    """

    shares: NDArray[np.float32]
    low: NDArray[np.float32]
    high: NDArray[np.float32]
    n_events: NDArray[np.int64]


def scales_of(topics: Topics, space: Space, dynamics: Dynamics, models: Sequence[HorizonModel]) -> Scales:
    """What states are made with from which these models can forecast: counts and vectors at all their half-lives.

    The whole history comes last of the counts: by it the strongest topics are chosen, where there is no room for all.
    An event enters with its weight, on an item that came later with no vector.
    """
    vectors = tuple(dict.fromkeys(one for model in models for one in model.vectors))
    counted = {one.half_life: None for model in models for one in model.experts if one.half_life is not None}
    counted = {one: None for one in (*counted, *vectors) if one != dynamics.long}
    return Scales(space.items, None, topics.weights, vectors, (*counted, dynamics.long))


@dataclass(frozen=True, eq=False)
class Outlook:
    """What all forecasts made at `at_us` for the horizon of `model` share.

    `prior` [n_topics] is everybody's mix, `grouped_prior` by groups; `parts` [n_experts, n_groups] are logarithms of
    what experts say that look at no user; `directions` [dim, n_groups] are where topics lie; `pool` is that of the
    model in float32.
    """

    at_us: int
    model: HorizonModel
    scales: Scales
    pool: Pool
    prior: Floats
    grouped_prior: Floats
    parts: Floats
    directions: Floats
    groups: sparse.csr_matrix
    order_only: bool

    @classmethod
    def of(
        cls,
        log: EventLog,
        topics: Topics,
        dynamics: Dynamics,
        space: Space,
        model: HorizonModel,
        scales: Scales,
        at_us: int,
    ) -> Outlook:
        """Work out what is shared; RequestError where states of these scales lack what the model reads."""
        _check(model, scales)
        moment = np.array([at_us], np.int64)
        prior, groups = dynamics.priors(log, topics, moment)[0], groups_of(dynamics.base_mix)
        parts = np.zeros((len(model.experts), groups.shape[1]))
        for place, one in enumerate(model.experts):
            if one.half_life is None:
                as_prior = one.everybody is None or dynamics.order_only
                mix = prior if as_prior else global_mixes(log, topics, moment, one.everybody or dynamics.long)[0]
                parts[place] = np.log(np.maximum(mix @ groups, SMALLEST))
        pool = Pool(*(_single(one) for one in (model.pool.gate, model.pool.residual, model.pool.bias)))
        directions = np.ascontiguousarray(space.of_topics(topics, groups).T)
        shared = _single(prior), _single(prior @ groups), _single(parts), _single(directions)
        return cls(at_us, model, scales, pool, *shared, groups, dynamics.order_only)

    def forecast(self, state: InterestState, *, level: float = 0.9) -> Foreseen:
        """One user's forecast; RequestError where the state is from after the moment."""
        return Foreseen(*(one[0] for one in self.forecasts(state.packed[None], level=level)))

    def forecasts(self, packed: NDArray[np.uint8], *, level: float = 0.9) -> Foreseen:
        """Forecasts from states [n, bytes], as `encoded` makes them; RequestError where one is from after the moment.

        Memory is that of the answer and of a few hundred users at a time.
        """
        if packed.shape[1:] != (self.scales.dtype.itemsize,):
            raise RequestError(f"expected states of {self.scales.dtype.itemsize} bytes, got {packed.shape[1:]}")
        records = np.ascontiguousarray(packed).view(self.scales.dtype)[:, 0]
        if len(records) <= AT_ONCE:
            return self._block(records, level)
        n, n_topics = len(packed), len(self.prior)
        shares, low, high = (np.empty((n, n_topics), np.float32) for _ in range(3))
        n_events = np.empty(n, np.int64)
        for start in range(0, n, AT_ONCE):
            part = slice(start, start + AT_ONCE)
            block = self._block(records[part], level)
            shares[part], low[part], high[part], n_events[part] = block
        return Foreseen(shares, low, high, n_events)

    @cached_property
    def _own(self) -> _Own:
        """Where experts and vectors stand."""
        experts, counted = self.model.experts, self.scales.topic_half_lives
        place = np.array([place for place, one in enumerate(experts) if one.half_life is not None], np.int64)
        row = np.array([counted.index(one.half_life) for one in experts if one.half_life is not None], np.int64)
        strength, common = (
            np.array([getattr(experts[one], name) for one in place], np.float32)[:, None]
            for name in ("prior_strength", "common")
        )
        vectors = np.array([self.scales.half_lives.index(one) for one in self.model.vectors], np.int64)
        mixes = np.array([counted.index(one) for one in self.model.vectors], np.int64)
        pace = slowest_in_time(experts) or counted[-1]
        return _Own(place, row, strength, common, vectors, mixes, pace, scale_days(experts))

    def _block(self, records: NDArray[np.void], level: float) -> Foreseen:
        from driftline.interest.bounds import bounds  # its compiler takes half a second to import

        gap_us = self._gaps(records)
        counts = self._counts(records, gap_us)
        totals = counts.sum(axis=2)
        n_known = totals[:, -1].astype(np.float64)
        shares = self._shares(records, gap_us, counts, totals)
        n_events = self.model.events_of_many(self._promised(records, totals))
        concentration = self.model.spread.at(n_known[:, None], shares)
        return Foreseen(shares, *bounds(shares, concentration, n_events, level), n_events)

    def _gaps(self, records: NDArray[np.void]) -> Floats:
        """Time since the last event of each, 0 without one; [n]."""
        last = records["time_us"]
        if (last > self.at_us).any():
            raise RequestError(f"expected states from before {self.at_us}, got one of {last.max()}")
        return np.where(last == ALWAYS, 0, self.at_us - np.maximum(last, self.at_us - _LONGEST)).astype(np.float32)

    def _counts(self, records: NDArray[np.void], gap_us: Floats) -> Floats:
        """Topic counts as of the moment; [n, n_half_lives, n_topics].

        What is `other` is spread as everybody's mix of the topics that have no name in the state.
        """
        left = np.exp2(gap_us[:, None] * self.scales.topic_rates.clock[:, 0])
        held = records["counts"] * left[:, :, None]
        if self.scales.holds_all:
            return held
        n, n_topics = len(held), len(self.prior)
        place = np.minimum(records["topic"], n_topics).astype(np.int64)
        counts = np.zeros((n, held.shape[1], n_topics + 1), np.float32)
        np.put_along_axis(counts, np.broadcast_to(place[:, None], held[:, :, :-1].shape), held[:, :, :-1], 2)
        unnamed = np.tile(np.append(self.prior, np.float32(0)), (n, 1))
        np.put_along_axis(unnamed, place, 0, 1)
        unnamed /= np.maximum(unnamed.sum(axis=1, keepdims=True), SMALLEST)
        counts += held[:, :, -1:] * unnamed[:, None]
        return counts[:, :, :-1]

    def _shares(self, records: NDArray[np.void], gap_us: Floats, counts: Floats, totals: Floats) -> Floats:
        """The pooled shares; [n, n_topics]."""
        n, n_half_lives, n_topics = counts.shape
        plain = self.groups.shape[0] == self.groups.shape[1]
        grouped = counts if plain else (counts.reshape(-1, n_topics) @ self.groups).reshape(n, n_half_lives, -1)
        logits = self.pool.logits(self._known(records, gap_us, grouped, totals))
        odds = np.exp(_single(logits - logits.max(axis=1, keepdims=True)))
        shares = _single(odds / odds.sum(axis=1, keepdims=True))
        if plain:
            return shares
        found = within_groups(shares, self.groups, self._leading(counts, totals))
        return _single(found / found.sum(axis=1, keepdims=True))

    def _known(self, records: NDArray[np.void], gap_us: Floats, counts: Floats, totals: Floats) -> Known:
        """What the pool reads: the float32 twin of `Signals.known`; `counts` by groups."""
        own, n, n_experts = self._own, len(records), len(self.model.experts)
        left = np.exp2(gap_us[:, None] * self.scales.rates.clock[own.vectors, 0])
        vectors = drawn(records["sums"][:, own.vectors] * left[:, :, None])
        logits: Floats = np.empty((n, n_experts + len(own.vectors), counts.shape[2]), np.float32)
        logits[:, :n_experts] = self.parts
        said = drawn_to(self.grouped_prior, counts[:, own.rows], totals[:, own.rows, None], own.strength, own.common)
        logits[:, own.places] = np.log(np.maximum(said, SMALLEST))
        flat = vectors.reshape(-1, vectors.shape[2]) @ self.directions
        logits[:, n_experts:] = flat.reshape(n, len(own.vectors), -1)
        mixes = own_mix(counts[:, own.mixes], self.grouped_prior).reshape(n, -1)
        idle = np.zeros(n) if self.order_only else gap_us.astype(np.float64)
        away = departure(counts[:, own.mixes[0]], counts[:, own.mixes[-1]])
        features = _single(gate_features(totals[:, -1].astype(np.float64), idle, own.scale_days, away))
        residual = np.concatenate([mixes, vectors.reshape(n, -1)], axis=1)
        return Known(logits, features, residual, mixes.shape[1])

    def _leading(self, counts: Floats, totals: Floats) -> Floats:
        """What the leading expert says of every topic; [n, n_topics]."""
        lead = self.model.lead
        if lead.half_life is None:
            return np.broadcast_to(self.prior, (len(counts), len(self.prior)))
        row = self.scales.topic_half_lives.index(lead.half_life)
        return lead.shares(counts[:, row], totals[:, [row]], self.prior)

    def _promised(self, records: NDArray[np.void], totals: Floats) -> Counts:
        """Events that each user's rate promises; [n]."""
        first = records["first_us"]
        age_days = np.where(first == ALWAYS, 0, self.at_us - np.maximum(first, self.at_us - _LONGEST)) / US_PER_DAY
        faded = totals[:, self.scales.topic_half_lives.index(self._own.pace)]
        return promised_events(faded.astype(np.float64), self._own.pace, age_days, self.model.horizon)


class _Own(NamedTuple):
    """Where what is a user's own stands, and how it is read.

    `places` are those of experts with a half-life among all, `rows` of their counts in a state; `strength` and `common`
    are as in `Expert`, [n, 1]. `vectors` are rows of sums and `mixes` rows of counts at the vectors' half-lives.
    `pace` is the half-life by which coming events are foretold.
    """

    places: NDArray[np.int64]
    rows: NDArray[np.int64]
    strength: NDArray[np.float32]
    common: NDArray[np.float32]
    vectors: NDArray[np.int64]
    mixes: NDArray[np.int64]
    pace: HalfLife
    scale_days: float


_LONGEST = 1 << 62
"""No time between two moments is longer; where there is none, the difference must not overflow."""


def _single(values: Floats) -> Floats:
    return np.asarray(values, np.float32)


def _check(model: HorizonModel, scales: Scales) -> None:
    counted = {one.half_life for one in model.experts if one.half_life is not None} | set(model.vectors)
    if not counted <= set(scales.topic_half_lives) or not set(model.vectors) <= set(scales.half_lives):
        raise RequestError(
            f"expected a horizon like one that was fitted, got {model.horizon}; read it from the history"
        )
