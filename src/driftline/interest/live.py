"""Forecasts straight from states: of one user in microseconds, of everybody in a minute, the history left unread.

What forecasts of one moment and horizon share is worked out once, an `Outlook`: everybody's mixes as of then, where
topics lie, the weights of the pool. What is left for a user are the numbers that the interest state holds: topic counts
at the half-lives of the experts and sums of item vectors. The shares are those that `InterestModel.distributions` reads
from the history, in float32.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from driftline.data.events import EventLog
from driftline.errors import RequestError
from driftline.interest.dynamics import Dynamics
from driftline.interest.experts import Expert, gate_features, promised_events, scale_days
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

    `prior` [n_topics] is everybody's mix; `parts` [n_parts, n_groups] the logarithms of what experts say that look at
    no user; `directions` [dim, n_groups] are where topics lie; `pool` is that of the model in float32.
    """

    at_us: int
    model: HorizonModel
    scales: Scales
    pool: Pool
    prior: Floats
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
        shared = _single(prior), _single(parts), _single(directions)
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

    def _block(self, records: NDArray[np.void], level: float) -> Foreseen:
        from driftline.interest.bounds import bounds  # its compiler takes half a second to import

        gap_us = self._gaps(records)
        counts = self._counts(records, gap_us)
        whole = {one: counts[:, place] for place, one in enumerate(self.scales.topic_half_lives)}
        n_known = whole[self.scales.topic_half_lives[-1]].sum(axis=1, dtype=np.float64)
        shares = self._shares(records, gap_us, whole, n_known)
        n_events = self.model.events_of_many(self._promised(records, whole))
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

    def _shares(
        self, records: NDArray[np.void], gap_us: Floats, whole: dict[HalfLife, Floats], n_known: Counts
    ) -> Floats:
        """The pooled shares; [n, n_topics]."""
        plain = self.groups.shape[0] == self.groups.shape[1]
        counts = whole if plain else {half_life: one @ self.groups for half_life, one in whole.items()}
        prior = self.prior if plain else _single(self.prior @ self.groups)
        logits = self.pool.logits(self._known(records, gap_us, counts, n_known, prior))
        odds = np.exp(_single(logits - logits.max(axis=1, keepdims=True)))
        shares = _single(odds / odds.sum(axis=1, keepdims=True))
        if plain:
            return shares
        inside = self._said(self.model.lead, whole, self.prior)
        found = within_groups(shares, self.groups, np.broadcast_to(inside, (len(shares), len(self.prior))))
        return _single(found / found.sum(axis=1, keepdims=True))

    def _known(
        self, records: NDArray[np.void], gap_us: Floats, counts: dict[HalfLife, Floats], n_known: Counts, prior: Floats
    ) -> Known:
        """What the pool reads: the float32 twin of `Signals.known`."""
        model, n = self.model, len(records)
        place_of = {one: place for place, one in enumerate(self.scales.half_lives)}
        left = np.exp2(gap_us[:, None] * self.scales.rates.clock[:, 0])
        own = [drawn(records["sums"][:, place_of[one]] * left[:, [place_of[one]]]) for one in model.vectors]
        logits: Floats = np.empty((n, len(model.experts) + len(own), len(prior)), np.float32)
        for place, one in enumerate(model.experts):
            if one.half_life is None:
                logits[:, place] = self.parts[place]
            else:
                np.log(np.maximum(self._said(one, counts, prior), SMALLEST), out=logits[:, place], casting="same_kind")
        for place, vector in enumerate(own):
            np.matmul(vector, self.directions, out=logits[:, len(model.experts) + place])
        mixes = [own_mix(counts[one], prior) for one in model.vectors]
        idle = np.zeros(n) if self.order_only else gap_us.astype(np.float64)
        away = departure(counts[model.vectors[0]], counts[model.vectors[-1]])
        features = _single(gate_features(n_known, idle, scale_days(model.experts), away))
        return Known(logits, features, np.concatenate([*mixes, *own], axis=1), sum(one.shape[1] for one in mixes))

    def _said(self, expert: Expert, counts: dict[HalfLife, Floats], prior: Floats) -> Floats:
        """What an expert says; [n, n_topics] or, of everybody, [1, n_topics]."""
        if expert.half_life is None:
            return prior[None]
        own = counts[expert.half_life]
        return expert.shares(own, own.sum(axis=1, keepdims=True), prior)

    def _promised(self, records: NDArray[np.void], whole: dict[HalfLife, Floats]) -> Counts:
        """Events that each user's rate promises; [n]."""
        half_life = slowest_in_time(self.model.experts) or self.scales.topic_half_lives[-1]
        first = records["first_us"]
        age_days = np.where(first == ALWAYS, 0, self.at_us - np.maximum(first, self.at_us - _LONGEST)) / US_PER_DAY
        return promised_events(whole[half_life].sum(axis=1, dtype=np.float64), half_life, age_days, self.model.horizon)


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
