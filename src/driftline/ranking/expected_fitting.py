"""Learning items ahead: in time that the blend was not fitted on, what came in whole windows after it.

Whether anything comes and how much is learned from all users, level, power, sharpness, tail and shape from windows in
which something came, of the users who did not teach the blend its weights: the two factors of the likelihood are apart.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit

from driftline.data.events import EventLog, Histories, histories, histories_until
from driftline.data.split import user_halves
from driftline.data.targets import Fold
from driftline.interest.horizons import Horizon
from driftline.ranking.blend import FittedBlend
from driftline.ranking.expected import FLOOR, N_PACE, Expected, chance_of, pace_features, smoothed
from driftline.types import US_PER_DAY

HORIZONS = (Horizon(days=28.0), Horizon(days=7.0), Horizon(days=1.0), Horizon(events=20))
"""Which are fitted, as far as the time that the blend does not know is long enough; a day only where a week is not."""

MIN_WINDOWS = 30
"""With fewer windows in which anything came nothing is fitted."""

MOST_WINDOWS = 600
MOST_ASKED = 200_000
N_OTHERS = 50
"""How many windows items are learned from, how many whether anything comes, and items beside candidates of each."""

RIDGE = 1e-3
"""What holds the weights of a pace, per window."""

START = (0.0, 0.0, 0.0, -1.0, 0.0)
"""Level, logarithms of power and sharpness, logit of the tail, logarithm of the shape."""

BOUNDS = ((-5.0, 5.0), (-2.0, 2.0), (-4.0, 2.0), (-6.0, 4.0), (-2.5, 4.0))

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Windows:
    """Histories and what came after them: rows `start[w]:end[w]` of the log; both shape [n_windows]."""

    asked: Histories
    start: NDArray[np.int64]
    end: NDArray[np.int64]

    @property
    def came(self) -> NDArray[np.int64]:
        """How many events came in each."""
        return self.end - self.start

    def take(self, rows: NDArray[np.int64]) -> Windows:
        """Some of the windows."""
        return Windows(self.asked.take(rows), self.start[rows], self.end[rows])


@dataclass(frozen=True, eq=False)
class Pairs:
    """Windows' candidates, what came, and some others: arrays of shape [n_pairs], sorted by window.

    `popular` are shares of popularity, `weight` says for how many items a pair stands, `events` how many are expected.
    """

    window: NDArray[np.int64]
    score: Floats
    proposed: NDArray[np.bool_]
    popular: Floats
    came: NDArray[np.bool_]
    weight: Floats
    events: Floats

    def loss(self, given: Floats) -> float:
        """Nats per window of what came among all items, under what START names."""
        level, power, sharpness, tail, shape = _read(given)
        n = int(self.window[-1]) + 1
        best = np.full(n, -np.inf)
        np.maximum.at(best, self.window[self.proposed], self.score[self.proposed])
        raised = np.where(self.proposed, self.score - np.where(np.isfinite(best), best, 0.0)[self.window], 0.0)
        odds = np.where(self.proposed, np.exp(sharpness * raised), 0.0)
        total = np.bincount(self.window, odds, minlength=n)
        kept = np.where(total > 0, tail, 1.0)[self.window]
        share = (1 - kept) * odds / np.maximum(total, FLOOR)[self.window] + kept * self.popular
        chance = np.clip(chance_of(np.exp(level) * (self.events * share) ** power, shape), FLOOR, 1 - 1e-9)
        losses = -np.where(self.came, np.log(chance), np.log1p(-chance))
        return float((losses * self.weight).sum() / n)


def fit_expected(blend: FittedBlend, fold: Fold, *, order_only: bool = False, seed: int = 0) -> tuple[Expected, ...]:
    """What can be learned of items ahead from `fold.train` after `fold.inner`, which the blend was fitted on."""
    if fold.inner is fold.train or not len(fold.inner):
        return ()
    found: list[Expected] = []
    for horizon in HORIZONS:
        # One day differs from the next: a day is reached from a week by the week's rhythm, which is better.
        spared = order_only if horizon.days is not None else False
        spared = spared or (horizon.days == 1.0 and any(one.horizon.days is not None for one in found))
        one = None if spared else _fit(blend, fold, windows_of(fold, horizon), horizon, seed)
        found += [] if one is None else [one]
    return tuple(found)


def windows_of(fold: Fold, horizon: Horizon) -> Windows:
    """Whole windows after the inner part: in time one after the other, of events the first of each user."""
    log = fold.train
    if horizon.events is not None:
        return _next_events(log, fold.inner, horizon.events)
    length, cutoff = round((horizon.days or 0.0) * US_PER_DAY), fold.inner.last_us + 1
    origins = np.arange(cutoff, log.last_us + 2 - length, length, dtype=np.int64)
    users = np.tile(np.arange(log.n_users, dtype=np.int32), len(origins))
    now = histories(log, users, np.repeat(origins, log.n_users))
    then = histories(log, users, now.at_us + length)
    known = np.flatnonzero(now.lengths > 0)
    return Windows(now, now.end, then.end).take(known)


def _next_events(log: EventLog, inner: EventLog, n: int) -> Windows:
    """The first n events of each user after the inner part, or as many as there are."""
    read = np.bincount(inner.user_row, minlength=log.n_users)
    start, limit = log.user_offsets[:-1] + read, log.user_offsets[1:]
    users = np.flatnonzero((read > 0) & (start < limit))
    return Windows(histories_until(log, start[users]), start[users], np.minimum(start + n, limit)[users])


def _fit(blend: FittedBlend, fold: Fold, windows: Windows, horizon: Horizon, seed: int) -> Expected | None:
    """One horizon, or None where too little came."""
    rng = np.random.default_rng(seed)
    active = np.flatnonzero((windows.came > 0) & user_halves(fold.train.users)[windows.asked.user_row])
    if len(active) < MIN_WINDOWS:
        return None
    paced = Expected(horizon) if horizon.days is None else _paced(windows, horizon, rng)
    chosen = np.sort(rng.permutation(active)[:MOST_WINDOWS])
    taught = windows.take(chosen)
    events = taught.came.astype(np.float64) if horizon.days is None else paced.window(taught.asked, horizon)[1]
    pairs = pairs_of(blend, taught, events, exclude=fold.stop.repeats == "exclude", rng=rng)
    best = minimize(pairs.loss, np.array(START), method="L-BFGS-B", bounds=BOUNDS).x
    return Expected(horizon, paced.comes, paced.events, *_read(best), n_windows=len(active))


def _read(given: Floats) -> tuple[float, float, float, float, float]:
    """Level, power, sharpness, tail and shape, of numbers as in START."""
    level, power, sharpness, tail, shape = (float(one) for one in given)
    return level, float(np.exp(power)), float(np.exp(sharpness)), float(expit(tail)), float(np.exp(shape))


def _paced(windows: Windows, horizon: Horizon, rng: np.random.Generator) -> Expected:
    """Whether anything comes, and how much then, by what is known of the user."""
    asked = windows.take(np.sort(rng.permutation(len(windows.start))[:MOST_ASKED]))
    features, came = pace_features(asked.asked, horizon.days or 1.0), asked.came.astype(np.float64)
    comes = _logistic(features, came > 0)
    events = _log_linear(features[came > 0], came[came > 0])
    return Expected(horizon, tuple(map(float, comes)), tuple(map(float, events)))


def _logistic(features: Floats, came: NDArray[np.bool_]) -> Floats:
    """Weights under which what came is likeliest, held a little to 0."""

    def loss(weights: Floats) -> tuple[float, Floats]:
        logits = features @ weights
        value = np.logaddexp(0, np.where(came, -logits, logits)).mean() + RIDGE * weights @ weights
        slope = features.T @ (expit(logits) - came) / len(came) + 2 * RIDGE * weights
        return float(value), np.asarray(slope, np.float64)

    return np.asarray(minimize(loss, np.zeros(N_PACE), jac=True, method="L-BFGS-B").x, np.float64)


def _log_linear(features: Floats, counts: Floats) -> Floats:
    """Weights of the logarithm of a mean count (Poisson pseudo-likelihood), held a little to 0."""
    scale = float(counts.mean())

    def loss(weights: Floats) -> tuple[float, Floats]:
        means = np.exp(np.clip(features @ weights, -5, 12))
        value = (means - counts * np.log(means)).mean() / scale + RIDGE * weights @ weights
        slope = features.T @ (means - counts) / len(counts) / scale + 2 * RIDGE * weights
        return float(value), np.asarray(slope, np.float64)

    start = np.zeros(N_PACE)
    start[0] = np.log(scale)
    return np.asarray(minimize(loss, start, jac=True, method="L-BFGS-B").x, np.float64)


def pairs_of(blend: FittedBlend, windows: Windows, events: Floats, *, exclude: bool, rng: np.random.Generator) -> Pairs:
    """The pairs of windows that are learned from; under `exclude` what was had before cannot come again."""
    log, parts = windows.asked.log, []
    popular = smoothed(blend.popularity, log.n_items)
    first = 0
    for batch in windows.asked.batches(MOST_WINDOWS):
        for row, scores in enumerate(blend.score(batch)):
            place = first + row
            may = np.ones(log.n_items, bool)
            if exclude:
                may[log.item_row[batch.start[row] : batch.end[row]]] = False
            came = np.zeros(log.n_items, bool)
            came[log.item_row[windows.start[place] : windows.end[place]]] = True
            parts.append(_pairs_of_one(place, scores.astype(np.float64), came & may, may, popular, events[place], rng))
        first += len(batch)
    return Pairs(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


def _pairs_of_one(
    place: int,
    scores: Floats,
    came: NDArray[np.bool_],
    may: NDArray[np.bool_],
    popular: Floats,
    events: float,
    rng: np.random.Generator,
) -> tuple[NDArray[np.generic], ...]:
    """The columns of `Pairs` for one window."""
    proposed = (scores > 0) & may
    told = np.flatnonzero(proposed | came)
    rest = np.flatnonzero(may & ~proposed & ~came)
    others = rng.choice(rest, min(N_OTHERS, len(rest)), replace=False)
    items = np.concatenate([told, others])
    weight = np.ones(len(items))
    weight[len(told) :] = len(rest) / max(len(others), 1)
    share = popular[items] / max(float(popular[may].sum()), FLOOR)
    return (
        np.full(len(items), place),
        scores[items],
        proposed[items],
        share,
        came[items],
        weight,
        np.full(len(items), events),
    )
