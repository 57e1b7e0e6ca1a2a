"""What people move toward: shares of topics in steps of days, their changes with intervals, and what they move with."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from driftline.console.content import ContextLine, Interval, Movement, Occasion, Population
from driftline.data.dataset import Dataset
from driftline.data.events import EventLog
from driftline.demo.days import day_of, iso_day
from driftline.interest.population import LEAST_PEOPLE, shares_by, shifts, sparse_sums, topic_sums
from driftline.interest.topics import Topics

if TYPE_CHECKING:
    import polars as pl

LONGEST_SPAN_DAYS = 365
STEP_DAYS = (7, 14, 28, 91)
MOST_STEPS = 110
SLOW_TREND_DAYS = 21
"""The centred mean that is taken away before two daily series are compared."""
MIN_DAYS = 60
LEVEL = 0.05
"""A topic is said to follow a series only beyond this, corrected for the number of topics, and beyond its placebos."""
UNITS = {"temperature": "°C"}
"""Units of the series that ship with the package; a dataset folder says none."""

Floats = NDArray[np.float64]


def population(dataset: Dataset, topics: Topics) -> Population | None:
    """Everybody's movement between the last span and the one before it; None where a topic or time is missing.

    A span is a quarter of the whole time, at most a year.
    """
    log = dataset.log.positive
    if not len(topics) or not len(log) or dataset.order_only:
        return None
    days = day_of(log.time_us)
    first, last = int(days.min()), int(days.max())
    span = min((last - first + 1) // 4, LONGEST_SPAN_DAYS)
    if span < 1:
        return None
    step = next((one for one in STEP_DAYS if (last - first) / one <= MOST_STEPS), STEP_DAYS[-1])
    starts = np.arange(first, last - step + 2, step) if last - first + 1 >= step else np.array([first])
    cuts = (last + 1 - 2 * span, last + 1 - span, last + 1)
    shares = shares_by(topics, log, (days - first) // step, len(starts))
    changes, people = changes_between(topics, log, days, cuts)
    kept = [topic for topic in range(len(topics)) if people[topic] >= LEAST_PEOPLE]
    return Population(
        steps=tuple(iso_day(day) for day in starts),
        step_days=step,
        earlier=(iso_day(cuts[0]), iso_day(cuts[1] - 1)),
        recent=(iso_day(cuts[1]), iso_day(last)),
        movements=tuple(Movement(topic, _cells(shares[:, topic]), changes[topic]) for topic in kept),
        without_topic=topics.share_without(log),
        too_few=len(topics) - len(kept),
        least_people=LEAST_PEOPLE,
        occasions=holidays(dataset.occasions, first, last),
        context=context_line(dataset.context, topics, log, starts, step),
    )


def changes_between(
    topics: Topics, log: EventLog, days: NDArray[np.int64], cuts: tuple[int, int, int]
) -> tuple[list[Interval], NDArray[np.int64]]:
    """Each topic's share in the second span less that in the first, with the interval over users.

    With it, how many users took part in the topic in either span; shape [n_topics].
    """
    inside = [(days >= low) & (days < high) for low, high in pairwise(cuts)]
    spans = [
        sparse_sums(topics, log, np.where(part, log.user_row, -1).astype(np.int64), log.n_users) for part in inside
    ]
    if not all(span.nnz for span in spans):
        return [Interval(0.0, 0.0, 0.0)] * len(topics), np.zeros(len(topics), np.int64)
    found = shifts(*spans)
    ends = zip(found.change, found.low, found.high, strict=True)
    return [Interval(float(value), float(low), float(high)) for value, low, high in ends], found.people


def holidays(occasions: pl.DataFrame | None, first: int, last: int) -> tuple[Occasion, ...]:
    """Holidays of the span by their first day."""
    if occasions is None or "kind" not in occasions.columns:
        return ()
    rows = occasions.filter(occasions["kind"] == "holiday").sort("start_us")
    marks = [(int(day_of(start)), str(name)) for start, name in zip(rows["start_us"], rows["name"], strict=True)]
    return tuple(Occasion(iso_day(day), name) for day, name in marks if first <= day <= last)


def context_line(
    context: pl.DataFrame | None, topics: Topics, log: EventLog, starts: NDArray[np.int64], step: int
) -> ContextLine | None:
    """The first series of the context over the steps, and the topics that move with it from day to day."""
    if context is None or not context.height:
        return None
    name = str(context["name"][0])
    rows = context.filter(context["name"] == name)
    days, values = day_of(rows["time_us"].to_numpy()), rows["value"].to_numpy().astype(np.float64)
    first, n_days = int(starts[0]), int(starts[-1] - starts[0]) + step
    daily = _daily_means(days - first, values, n_days)
    steps = _daily_means((days - first) // step, values, len(starts))
    if np.isnan(daily).all():
        return None
    sums = topic_sums(topics, log, day_of(log.time_us) - first, n_days)
    follows, closest = followers(sums, daily)
    return ContextLine(name, UNITS.get(name, ""), _cells(steps), follows, closest)


def followers(sums: Floats, series: Floats) -> tuple[dict[int, Interval], tuple[int, float] | None]:
    """Topics whose daily share moves with a series: the correlation, both less their mean over 21 days, its interval.

    `sums` [n_days, n_topics] are topic weights of events. Kept is what Fisher's z finds beyond LEVEL after Bonferroni,
    and what beats 95 of 100 placebos: the same series moved by whole days around the calendar. With them the topic
    that comes closest, kept or not; nothing where fewer than MIN_DAYS days can be compared.
    """
    totals = sums.sum(1)
    there = (totals > 0) & ~np.isnan(series)
    if there.sum() < MIN_DAYS:
        return {}, None
    shares = np.where(totals[:, None] > 0, sums / np.maximum(totals, 1e-12)[:, None], np.nan)[there]
    moves, weather = _less_trend(shares), _less_trend(series[there][:, None])[:, 0]
    every = [_correlation(moves[:, topic], weather) for topic in range(sums.shape[1])]
    found = {
        topic: _fisher_interval(r, len(weather))
        for topic, r in enumerate(every)
        if _beyond_chance(r, len(weather), len(every)) and _beats_placebos(r, moves[:, topic], weather)
    }
    closest = int(np.argmax(np.abs(every)))
    return found, (closest, every[closest])


def _daily_means(place: NDArray[np.int64], values: Floats, n: int) -> Floats:
    keep = (place >= 0) & (place < n)
    counts = np.bincount(place[keep], minlength=n)
    sums = np.bincount(place[keep], weights=values[keep], minlength=n)
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)


def _less_trend(values: Floats) -> Floats:
    """Each column less its centred mean over SLOW_TREND_DAYS rows (fewer at the ends)."""
    half = SLOW_TREND_DAYS // 2
    sums = np.vstack([np.zeros(values.shape[1]), np.cumsum(values, axis=0)])
    rows = np.arange(len(values))
    low, high = np.maximum(rows - half, 0), np.minimum(rows + half + 1, len(values))
    return np.asarray(values - (sums[high] - sums[low]) / (high - low)[:, None], np.float64)


def _correlation(a: Floats, b: Floats) -> float:
    scale = float(np.linalg.norm(a - a.mean()) * np.linalg.norm(b - b.mean()))
    return float((a - a.mean()) @ (b - b.mean())) / scale if scale > 0 else 0.0


def _beyond_chance(r: float, n_days: int, n_topics: int) -> bool:
    from scipy.special import erfc

    z = abs(np.arctanh(np.clip(r, -0.999999, 0.999999))) * np.sqrt(n_days - 3)
    return float(erfc(z / np.sqrt(2))) * n_topics < LEVEL


def _beats_placebos(r: float, moves: Floats, weather: Floats) -> bool:
    shifts = range(SLOW_TREND_DAYS, len(weather) - SLOW_TREND_DAYS)
    placebos = np.array([abs(_correlation(moves, np.roll(weather, shift))) for shift in shifts])
    return bool((placebos >= abs(r)).mean() <= LEVEL)


def _fisher_interval(r: float, n_days: int) -> Interval:
    z, margin = np.arctanh(r), 1.96 / np.sqrt(n_days - 3)
    return Interval(r, float(np.tanh(z - margin)), float(np.tanh(z + margin)))


def _cells(values: Floats) -> tuple[float | None, ...]:
    return tuple(None if np.isnan(value) else float(value) for value in values)
