"""Where an interest is going: its slope with an interval, and the word for it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.special import stdtrit
from scipy.stats import hypergeom

from driftline.interest.dynamics import TREND_SPAN
from driftline.interest.state import Counts

LEVEL = 0.95
YEAR_DAYS = 365.25
SEASON_DAYS = 45.0
SEASON_CHANCE = 0.05
SILENCE_CHANCE = 0.01
LEAST_MOMENTS = 4.0
"""With fewer moments (as many as their weights amount to) no direction is stated."""
AWAY_HALF_LIVES = 3.0


@dataclass(frozen=True, eq=False)
class Moments:
    """One user's moments, oldest first: when, how much they weigh after fading, and what they were about.

    `age` [n] in days (events) before the question; `weight` [n]; `topics` [n, n_topics] the faded weight of each
    topic; `carries` [n, n_topics] its weight before fading.
    """

    age: Counts
    weight: Counts
    topics: Counts
    carries: Counts


@dataclass(frozen=True, eq=False)
class Trends:
    """How much each topic's share has changed over the last `TREND_SPAN` (or since the first event), with its interval.

    Arrays have shape [n_topics]; `known` says whether there were moments enough to tell.
    """

    change: Counts
    low: Counts
    high: Counts
    known: bool


def trends(moments: Moments) -> Trends:
    """The weighted regression of each topic's share on time, over moments.

    `y = a + b t` over events weighed as they have faded; the error of b is the sandwich over moments, whose events
    are not independent (Liang and Zeger 1986), with Student's t at the number of moments that the weights amount to.
    """
    n_topics = moments.topics.shape[1]
    weight = moments.weight
    effective = float(weight.sum() ** 2 / (weight**2).sum()) if (weight > 0).any() else 0.0
    none = np.zeros(n_topics)
    if effective < LEAST_MOMENTS:
        return Trends(none, none - 1, none + 1, known=False)
    time = -moments.age
    time = time - weight @ time / weight.sum()
    spread = float(weight @ time**2)
    if spread <= 0:
        return Trends(none, none - 1, none + 1, known=False)
    mean = moments.topics.sum(axis=0) / weight.sum()
    slope = time @ moments.topics / spread
    left = moments.topics - weight[:, None] * (mean + np.outer(time, slope))
    error = np.sqrt(((time[:, None] * left) ** 2).sum(axis=0) * effective / (effective - 2)) / spread
    margin = float(stdtrit(effective - 2, (1 + LEVEL) / 2)) * error
    over = min(TREND_SPAN, float(moments.age.max() - moments.age.min()))
    low, high = (np.clip((slope + sign * margin) * over, -1, 1) for sign in (-1, 1))
    return Trends(np.clip(slope * over, -1, 1), low, high, known=True)


def lifecycles(found: Trends, moments: Moments, *, half_life: float, times: bool) -> list[str]:
    """A word for each topic: emerging, stable, seasonal, fading, dormant, or unknown where there is too little.

    Emerging and fading need a slope whose interval leaves 0 out. Dormant is a topic that was wanted and has been
    silent for longer than chance allows at its former share, or whose user has been away for three half-lives.
    Seasonal needs a history of more than a year in which the topic was more frequent around this day last year, and
    is now, than in between.
    """
    if not len(moments.age):
        return ["unknown"] * moments.topics.shape[1]
    away = float(moments.age.min()) > AWAY_HALF_LIVES * half_life
    dormant = _silent(moments) | away
    seasonal = _seasonal(moments) if times else np.zeros(len(found.change), bool)
    words = np.where(found.low > 0, "emerging", np.where(found.high < 0, "fading", "stable"))
    words = np.where(found.known, words, "unknown")
    return [str(word) for word in np.where(dormant, "dormant", np.where(seasonal, "seasonal", words))]


def _silent(moments: Moments) -> NDArray[np.bool_]:
    """Topics that have been absent from more recent moments than chance allows; shape [n_topics]."""
    has = moments.carries > 0
    n = len(has)
    last = np.where(has.any(axis=0), n - 1 - has[::-1].argmax(axis=0), -1)
    share = has.sum(axis=0) / np.maximum(last + 1, 1)
    since = np.where(last >= 0, n - 1 - last, 0)
    old = moments.age[np.maximum(last, 0)] > TREND_SPAN
    return np.asarray((has.sum(axis=0) >= 2) & old & ((1 - share) ** since < SILENCE_CHANCE), bool)


def _seasonal(moments: Moments) -> NDArray[np.bool_]:
    """Topics more frequent around today's date, last year and now, than in between; shape [n_topics]."""
    age = moments.age
    now, last = age <= SEASON_DAYS, np.abs(age - YEAR_DAYS) <= SEASON_DAYS
    between = (age > SEASON_DAYS) & (age < YEAR_DAYS - SEASON_DAYS)
    if age.max() <= YEAR_DAYS or not (now.any() and last.any() and between.any()):
        return np.zeros(moments.topics.shape[1], bool)
    has = moments.carries > 0
    return _more_frequent(has, now, between) & _more_frequent(has, last, between)


def _more_frequent(has: NDArray[np.bool_], inside: NDArray[np.bool_], outside: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Fisher's exact test, one-sided: more of the moments `inside` carry the topic than of those `outside`."""
    a, b = has[inside].sum(axis=0), has[outside].sum(axis=0)
    n_in, n_out = int(inside.sum()), int(outside.sum())
    return np.asarray(hypergeom.sf(a - 1, n_in + n_out, a + b, n_in) < SEASON_CHANCE, bool)


def moments_of(age: Counts, weight: Counts, faded: Counts, topics: Counts) -> Moments:
    """Events of one user gathered into moments, oldest first; events without a topic are left out.

    `age`, `weight` and what is left of it, `faded`, have shape [n_events]; `topics` [n_events, n_topics] are the topic
    shares of the items. Events of equal age are one moment.
    """
    has = topics.any(axis=1)
    times, place = np.unique(-age[has], return_inverse=True)
    gather = sparse.csr_matrix((np.ones(len(place)), (place, np.arange(len(place)))), shape=(len(times), len(place)))
    return Moments(
        -times,
        gather @ faded[has],
        gather @ (faded[has, None] * topics[has]),
        gather @ (weight[has, None] * topics[has]),
    )
