"""Fitting forecasts: experts, their pool, and the spread of what comes, at rolling origins inside the log.

How strongly the pool is held to its leading expert is chosen on users that it was not fitted on and, where origins are
moments, at later ones: vectors, weights and pulls are learned from one half of the users and judged on the other. If no
pool is better there by more than chance, the leading expert alone is the forecast. The spread is fitted to what the
judged pool said of users that it did not know.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from driftline.data.events import EventLog
from driftline.data.split import user_halves
from driftline.interest.dynamics import Dynamics
from driftline.interest.experts import Expert, ladder, vector_half_lives
from driftline.interest.fitting import MIX_DAYS, Questions
from driftline.interest.forecast import HorizonModel
from driftline.interest.horizons import Horizon, ask
from driftline.interest.pool import Pool, Ridge, fit_pool
from driftline.interest.signals import SMALLEST, Signals, promises, slowest_in_time
from driftline.interest.space import Space
from driftline.interest.spread import Spread, fit_spread
from driftline.interest.state import Counts, HalfLife
from driftline.interest.topics import Topics

RIDGES = (
    Ridge(0.1, 0.03, 0.1),
    Ridge(0.01, 0.01, 0.03),
    Ridge(0.003, 0.003, 0.01),
    Ridge(0.001, 0.001, 0.003),
    Ridge(0.001, 0.001, 0.001),
)
"""What is tried, from the strongest on."""

MIN_USERS = 40
"""With fewer users than this on either side there is no pool."""

SURE_GAIN = 1.0
"""A pool is taken when its gain over the leading expert, on users it was not fitted on, is so many standard errors."""

LATE_SHARE = 0.25
"""The last part of the origins, on which pools are judged."""

LEAST_ORIGINS = 4
"""With fewer moments of asking than this, pools are judged at all of them."""

HALVES = 7_919
"""What tells these halves of the users from others."""

STRENGTHS = (0.3, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0)
COMMON = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6)
"""What is tried for an expert's pulls toward everybody's mix."""


@dataclass(frozen=True, eq=False)
class Halves:
    """Half of the users, and what is learned from them alone; `whole` is learned from all."""

    first: NDArray[np.bool_]
    space: Space
    whole: Space

    @classmethod
    def of(cls, log: EventLog, *, seed: int = 0) -> Halves:
        """Halves by hash of the users' ids."""
        # Not the halves that an evaluation of other users makes, of which a log may hold one alone.
        first = user_halves(log.users, seed=seed + HALVES)
        return cls(first, Space.of(log.select(first[log.user_row]), seed=seed), Space.of(log, seed=seed))


def fit_horizon(
    log: EventLog,
    topics: Topics,
    dynamics: Dynamics,
    horizon: Horizon,
    *,
    halves: Halves | None = None,
    blind: bool = False,
    seed: int = 0,
) -> HorizonModel | None:
    """Fit one horizon; None where the log is too short to ask anything of it. `log` holds positive events.

    With `blind` nothing is read but how often things were had: the twin that does not know in which order.
    """
    asked = ask(log, topics, horizon, seed=seed)
    if not len(asked.query):
        return None
    halves = halves or Halves.of(log, seed=seed)
    steps = ladder(dynamics.span_days, order_only=dynamics.order_only)
    trial = _Trial(asked, Signals(log, topics, dynamics, halves.whole, asked.histories), steps[:1] if blind else steps)
    ridge, unseen, gain = _choose(trial, halves)
    pool = trial.start if ridge is None else trial.fitted(ridge)
    shares = pool.shares(trial.known)
    alone = {str(one): trial.loss(trial.at_pairs(trial.signals.shares(one))) for one in trial.experts}
    return HorizonModel(
        horizon,
        trial.experts,
        trial.vectors,
        trial.leading,
        pool,
        _fit_spread(trial, shares if unseen is None else unseen),
        _fit_pace(trial, horizon),
        {"pool": trial.loss(trial.at_pairs(shares))} | alone,
        gain,
    )


class _Trial:
    """Questions, what is known at them, and a pool's start; topics stand in groups."""

    def __init__(self, asked: Questions, signals: Signals, steps: tuple[HalfLife, ...]) -> None:
        self.asked, self.signals = asked, signals
        self.group = np.asarray(signals.groups.argmax(axis=1)).ravel()[asked.topic]
        prior = asked.at_pairs(signals.prior)
        own = [self._drawn(one, prior) for one in steps]
        self.leading = min(range(len(own)), key=lambda place: own[place][1])
        self.experts = (*(expert for expert, _ in own), *_everybody(signals.dynamics))
        self.vectors = vector_half_lives(steps)
        self.known = signals.known(self.experts, self.vectors)
        self.start = Pool.start(self.known, self.leading)

    @cached_property
    def came(self) -> Counts:
        """How often each group came; [n, n_groups]."""
        found = np.zeros((len(self.asked.histories), self.signals.groups.shape[1]))
        np.add.at(found, (self.asked.query, self.group), self.asked.count)
        return found

    @property
    def user(self) -> NDArray[np.int32]:
        """Whose each question is."""
        return np.asarray(self.asked.histories.user_row, np.int32)

    def at_pairs(self, shares: Counts) -> NDArray[np.float64]:
        """The entries of [n, n_groups] at the pairs that came."""
        return np.asarray(shares[self.asked.query, self.group], np.float64)

    def loss(self, share: NDArray[np.float64]) -> float:
        """Nats per event, mean over users, of shares at the pairs."""
        return float(self.asked.mean_over_users(-np.log(np.maximum(share, SMALLEST))))

    def weight(self, rows: NDArray[np.bool_]) -> Counts:
        """What an event of each question counts among those of some rows: every user alike, faded; [n].

        What was asked long ago teaches less of what is asked now: it fades as the slowest expert in time does.
        """
        totals = np.where(rows, self.came.sum(axis=1), 0.0)
        of_user = np.bincount(self.user, totals)
        found = np.where(rows, self._faded / np.maximum(of_user[self.user], 1e-12), 0.0)
        return np.asarray(found / max(float(found @ totals), 1e-12), np.float64)

    @cached_property
    def _faded(self) -> Counts:
        """What is left of each question; all of it where they are asked after so many events; [n]."""
        at = self.asked.histories.at_us
        slowest = slowest_in_time(self.experts)
        if slowest is None or not asked_together(self.asked):
            return np.ones(len(at))
        return slowest.remaining(at.max() - at, at.max() - at)

    def fitted(self, ridge: Ridge) -> Pool:
        """The pool of all questions."""
        rows = np.ones(len(self.came), bool)
        return fit_pool(self.known.halved, self.came, self.weight(rows), self.start, ridge, self.start)

    def by_user(self, shares: Counts, rows: NDArray[np.bool_]) -> Counts:
        """Nats per event of each user with anything at some rows."""
        losses = -(self.came * np.log(np.maximum(shares, SMALLEST))).sum(axis=1)[rows]
        came = np.bincount(self.user[rows], self.came.sum(axis=1)[rows])
        return np.asarray(np.bincount(self.user[rows], losses)[came > 0] / came[came > 0], np.float64)

    def _drawn(self, half_life: HalfLife, prior: NDArray[np.float64]) -> tuple[Expert, float]:
        """The expert of a half-life with the pulls toward everybody's mix that are best together, and its loss.

        Over topics, not groups, since the leading expert shares out groups among their topics; `prior` [n_pairs].
        """
        counts = self.signals.evidence.counts(self.signals.topics, half_life)
        own = self.asked.at_pairs(counts)
        total = np.asarray(counts.sum(axis=1), np.float64).ravel()[self.asked.query]
        options = [Expert(half_life, strength, common) for strength in STRENGTHS for common in COMMON]
        losses = [self.loss(one.shares(own, total, prior)) for one in options]
        return options[int(np.argmin(losses))], min(losses)


def _everybody(dynamics: Dynamics) -> tuple[Expert, ...]:
    """Everybody's mix, as fast as experts are drawn to it, and the other speeds that are told apart."""
    others = [HalfLife(days=one) for one in MIX_DAYS if one != dynamics.mix_half_life.length]
    return (Expert(), *(() if dynamics.order_only else (Expert(everybody=one) for one in others)))


def _choose(trial: _Trial, halves: Halves) -> tuple[Ridge | None, Counts | None, float]:
    """How strongly the pool is held, what it then says of users that it did not know (NaN of others), and its gain.

    None where it is no better than the leading expert alone.
    """
    first = halves.first[trial.user]
    late = _late(trial.asked)
    taught, judged = first & ~late, ~first & (late if late.any() else True)
    if min(len(np.unique(trial.user[taught])), len(np.unique(trial.user[judged]))) < MIN_USERS:
        return None, None, 0.0
    signals = trial.signals
    blind = Signals(signals.log, signals.topics, signals.dynamics, halves.space, signals.asked)
    known = blind.known(trial.experts, trial.vectors)
    taught_on = known.take(taught).halved
    weight = trial.weight(taught)[taught]
    plain = trial.by_user(trial.start.shares(known), judged)
    found: list[tuple[float, Ridge | None, Pool]] = [(0.0, None, trial.start)]
    start, best = trial.start, -np.inf
    for ridge in RIDGES:
        start = fit_pool(taught_on, trial.came[taught], weight, start, ridge, trial.start)
        gains = plain - trial.by_user(start.shares(known), judged)
        if gains.mean() <= best:
            break  # Weaker still would be worse still.
        best = float(gains.mean())
        if best > SURE_GAIN * gains.std() / np.sqrt(len(gains)):
            found.append((best, ridge, start))
    gain, chosen, pool = max(found, key=lambda one: one[0])
    return chosen, np.where(first[:, None], np.nan, pool.shares(known)), gain


def _fit_spread(trial: _Trial, shares: Counts) -> Spread:
    """The spread around shares, of the questions where they are not NaN."""
    there = ~np.isnan(shares).any(axis=1)
    return fit_spread(shares[there], trial.came[there], trial.signals.n_known[there])


def asked_together(asked: Questions) -> bool:
    """Whether users are asked at the same few moments, and not each at their own."""
    return len(np.unique(asked.histories.at_us)) * 2 <= len(asked.histories)


def _late(asked: Questions) -> NDArray[np.bool_]:
    """Which questions are asked at the last moments, where there are enough of them; else none."""
    moments = np.unique(asked.histories.at_us)
    if len(moments) < LEAST_ORIGINS or not asked_together(asked):
        return np.zeros(len(asked.histories), bool)
    n_late = max(round(LATE_SHARE * len(moments)), 1)
    return np.asarray(asked.histories.at_us >= moments[-n_late], bool)


def _fit_pace(trial: _Trial, horizon: Horizon) -> tuple[float, float]:
    """How many events come by how many a recent rate promises."""
    if horizon.days is None:
        return 0.0, 0.0
    promised = promises(trial.signals, trial.experts, horizon)
    came = trial.asked.totals
    there = came > 0
    x, y = np.log1p(promised[there]), np.log(came[there])
    spread = float(((x - x.mean()) ** 2).sum())
    b = float(((x - x.mean()) * (y - y.mean())).sum() / spread) if spread > 0 else 0.0
    # The mean of the counts, not of their logarithms.
    a = float(np.log(came[there].sum() / np.exp(b * x).sum()))
    return a, b
