"""One person worth seeing, chosen by a stated rule, and the river of their interests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from driftline.console.content import OTHER, Band, Curve, Horizon, River, Visit
from driftline.data.catalog import Catalog
from driftline.data.events import EventLog, histories
from driftline.demo.days import day_of, iso_day
from driftline.interest.horizons import Horizon as Ahead
from driftline.interest.model import InterestModel
from driftline.interest.population import topic_sums
from driftline.interest.reading import Past, beta_intervals
from driftline.interest.state import counts_of
from driftline.interest.topics import Topics
from driftline.types import US_PER_DAY, Rows

HORIZONS = (28, 14, 7)
"""Days ahead; the longest that the log goes on after the cutoff is taken, so that all of it can be judged."""
HORIZON_STEPS = 4
BEFORE_DAYS = 28
MIN_LATER = 5
"""Events in the horizon with which a forecast can be held against something."""
MIN_VISITS = (12, 8, 5, 3, 2, 1)
"""Days with events that a person must have before the cutoff; the first number that leaves somebody is taken."""
SHOWN_TOPICS = 8
TITLES = 3
WEEKLY_FROM_DAYS, WEEKLY_TO_DAYS = 84, 800
N_DATES = 60

Floats = NDArray[np.float64]
Shown = Sequence[tuple[int, NDArray[np.int64]]]
"""The topics of the curves with the columns that each gathers."""


@dataclass(frozen=True)
class Person:
    """A chosen user, and the rule in words."""

    user_row: int
    user_id: str
    rule: str


def choose_person(log: EventLog, topics: Topics, cutoff_us: int) -> Person:
    """The user whose interests moved the most, among those with many visits who came around the cutoff.

    Moved: the total variation between the topic mixes of the first and the second half of the visits, less that between
    odd and even visits, which is what chance alone gives. `log` holds positive events, at least one before the cutoff.
    """
    past, ahead = log.before(cutoff_us), horizon_days(log, cutoff_us)
    visits = _visit_numbers(past)
    n_visits = np.bincount(past.user_row[visits.first], minlength=log.n_users)
    around = _events_in(log, cutoff_us - BEFORE_DAYS * US_PER_DAY, cutoff_us) > 0
    around &= _events_in(log, cutoff_us, cutoff_us + ahead * US_PER_DAY) >= MIN_LATER
    told = f", events in the {BEFORE_DAYS} days before and at least {MIN_LATER} in the {ahead} after"
    for least in MIN_VISITS:
        for came, words in ((around, told), (n_visits > 0, "")):
            users = np.flatnonzero((n_visits >= least) & came)
            if len(users):
                user = int(users[np.argmax(_movement(past, topics, visits, users))])
                rule = (
                    f"of {len(users):,} people with at least {least} visits{words}, the one whose interests moved most"
                )
                return Person(user, str(log.users[user]), rule)
    raise AssertionError("a log without an event before its cutoff has nobody to show")


@dataclass(frozen=True, eq=False)
class _Visits:
    """Per event the number of its user's visit (a day with events), from 0; `first` marks one event of each."""

    number: NDArray[np.int64]
    total: NDArray[np.int64]
    first: NDArray[np.bool_]


def _visit_numbers(log: EventLog) -> _Visits:
    days = day_of(log.time_us)
    change = np.ones(len(log), bool)
    change[1:] = (np.diff(days) != 0) | (np.diff(log.user_row) != 0)
    running = np.cumsum(change) - 1
    start = log.user_offsets[log.user_row]
    number = running - running[start]
    total = running[log.user_offsets[log.user_row + 1] - 1] - running[start] + 1
    return _Visits(number, total, change)


def _events_in(log: EventLog, low_us: int, high_us: int) -> NDArray[np.int64]:
    inside = (log.time_us >= low_us) & (log.time_us < high_us)
    return np.bincount(log.user_row[inside], minlength=log.n_users)


def _movement(log: EventLog, topics: Topics, visits: _Visits, users: NDArray[np.int64]) -> Floats:
    """How far each user's interests moved; shape [len(users)]."""
    place = np.full(log.n_users, -1, np.int64)
    place[users] = np.arange(len(users))
    user = place[log.user_row]

    def distance(part: NDArray[np.bool_]) -> Floats:
        sums = topic_sums(topics, log, np.where(user < 0, -1, 2 * user + part), 2 * len(users))
        mixes = sums / np.maximum(sums.sum(1, keepdims=True), 1e-12)
        return np.asarray(np.abs(mixes[::2] - mixes[1::2]).sum(1) / 2, np.float64)

    return distance(2 * visits.number >= visits.total) - distance(visits.number % 2 == 1)


def horizon_days(log: EventLog, cutoff_us: int) -> int:
    """The days to look ahead from a cutoff: the longest horizon that the log covers, or the shortest of all."""
    covered = (log.last_us + 1 - cutoff_us) / US_PER_DAY
    return next((days for days in HORIZONS if days <= covered), HORIZONS[-1])


def river(person: Person, log: EventLog, catalog: Catalog, interest: InterestModel, cutoff_us: int) -> River:
    """The person's interests up to the cutoff, the forecast from there, and what then came."""
    mine = log.select(log.user_row == person.user_row)
    past = mine.before(cutoff_us)
    days = _dates(int(day_of(past.first_us)), int(day_of(cutoff_us)))
    moments = np.append((days[:-1] + 1) * US_PER_DAY, cutoff_us)
    weights, alphas = _through_time(person.user_row, log, interest, moments)
    shown = _shown(weights)
    before = Past.of(log, person.user_id, cutoff_us)
    days_ahead = horizon_days(log, cutoff_us)
    steps = days_ahead * np.arange(1, HORIZON_STEPS + 1) / HORIZON_STEPS
    ahead = tuple(_horizon(interest, log, before, float(step), shown) for step in steps)
    came = mine.select((mine.time_us >= cutoff_us) & (mine.time_us < cutoff_us + days_ahead * US_PER_DAY))
    sums = topic_sums(interest.topics, came, np.zeros(len(came), np.int64), 1)[0]
    return River(
        user_id=person.user_id,
        rule=person.rule,
        now=iso_day(day_of(cutoff_us)),
        dates=tuple(iso_day(day) for day in days),
        curves=tuple(_curve(topic, columns, weights, alphas) for topic, columns in shown),
        visits=_visits(past, catalog),
        forecast=ahead,
        came=tuple(float(sums[columns].sum() / sums.sum()) for _, columns in shown) if sums.sum() > 0 else (),
        came_events=len(came),
    )


def _dates(first: int, last: int) -> NDArray[np.int64]:
    """Days of the river, the last one last: weekly for a year or so, about sixty otherwise."""
    span = max(last - first, 2)
    step = 7 if WEEKLY_FROM_DAYS <= span <= WEEKLY_TO_DAYS else max(1, round(span / N_DATES))
    return np.arange(last, first - 1, -step, dtype=np.int64)[::-1]


def _through_time(
    user_row: int, log: EventLog, interest: InterestModel, moments: NDArray[np.int64]
) -> tuple[Floats, Floats]:
    """Faded pseudo-counts and Dirichlet parameters at each moment; both [n_moments, n_topics]."""
    dynamics, topics = interest.dynamics, interest.topics
    rows: Rows = np.full(len(moments), user_row, np.int32)
    asked = histories(log, rows, moments)
    counts = counts_of(asked, topics, (dynamics.half_life,), dynamics.ratings)[:, 0]
    return counts, dynamics.posterior(counts, dynamics.priors(log, topics, moments))


def _shown(weights: Floats) -> list[tuple[int, NDArray[np.int64]]]:
    """Topics with the most evidence in the order in which they had it, then the rest: (topic, its columns)."""
    mass = weights.sum(0)
    best = np.argsort(-mass, kind="stable")[:SHOWN_TOPICS]
    best = best[mass[best] > 0]
    when = (weights[:, best] * np.arange(len(weights))[:, None]).sum(0) / np.maximum(mass[best], 1e-12)
    shown = [(int(topic), np.array([topic])) for topic in best[np.argsort(when, kind="stable")]]
    rest = np.setdiff1d(np.arange(weights.shape[1]), best)
    return [*shown, (OTHER, rest)] if len(rest) else shown


def _curve(topic: int, columns: NDArray[np.int64], weights: Floats, alphas: Floats) -> Curve:
    """A Beta marginal of the Dirichlet at each date, with its 90 % interval."""
    a, total = alphas[:, columns].sum(1), alphas.sum(1)
    mean, low, high = beta_intervals(a, total)
    return Curve(topic, _floats(weights[:, columns].sum(1)), _floats(mean), _floats(low), _floats(high))


def _horizon(interest: InterestModel, log: EventLog, past: Past, days: float, shown: Shown) -> Horizon:
    """The forecast of every curve's topics for the days after the cutoff."""
    found, _ = interest.distribution(log, past, Ahead(days=days))
    bands = []
    for topic, columns in shown:
        share, low50, high50 = found.interval(columns, 0.5)
        _, low90, high90 = found.interval(columns, 0.9)
        bands.append(Band(topic, share, low50, high50, low90, high90))
    return Horizon(days, tuple(bands))


def _visits(past: EventLog, catalog: Catalog) -> tuple[Visit, ...]:
    days = day_of(past.time_us)
    found = []
    for day in np.unique(days):
        items = past.item_row[days == day]
        titles = tuple(catalog.label(int(item)) for item in dict.fromkeys(items.tolist()))[:TITLES]
        found.append(Visit(iso_day(day), len(items), titles))
    return tuple(found)


def _floats(values: Floats) -> tuple[float, ...]:
    return tuple(float(round(value, 5)) for value in values)
