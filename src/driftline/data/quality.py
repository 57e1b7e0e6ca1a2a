"""What is wrong with a log that could be read: every check of `driftline check`, each with its count and an example.

Nothing is dropped here. A finding carries the events that strict cleaning would drop; default cleaning keeps them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from driftline.data import columns
from driftline.data.dataset import Problem
from driftline.data.events import EventLog
from driftline.data.ingest import Ingested
from driftline.data.kinds import RATING
from driftline.data.problems import KEPT, REPORTED, problem
from driftline.data.robots import robots_by_rate, robots_by_regularity
from driftline.types import US_PER_SECOND, format_time

DOUBLE_CLICK_US = 2 * US_PER_SECOND
"""The same user, item and kind again within this time is an accident."""

TAKEN_BACK = frozenset({"cancellation", "return", "refund"})
"""Kinds that take an earlier event back."""

_NEIGHBOURS = 8
"""How many events back a double click is looked for: between the two, others may stand."""


@dataclass(frozen=True, eq=False)
class Finding:
    """A problem and the events [n_events] that strict cleaning drops for it; None where it drops nothing."""

    problem: Problem
    drop: NDArray[np.bool_] | None = None


def examine(events: Ingested, n_listed: int, *, order_only: bool = False) -> list[Finding]:
    """Every check on a sorted log; `n_listed` items, from row 0, stand in the items table (0: there is none).

    Where there are no real times the checks that read them are left out.
    """
    timed: tuple[Callable[[Ingested], Iterator[Finding]], ...] = (_near_duplicates, _robots, _clock)
    checks = [_taken_back, _negative_values, _once_only, *(() if order_only else timed)]
    findings = [finding for check in checks for finding in check(events)]
    return findings + list(_not_in_catalog(events, n_listed))


def strict_mask(findings: list[Finding], n_events: int) -> NDArray[np.bool_]:
    """The events that strict cleaning drops; shape [n_events]."""
    drop = np.zeros(n_events, bool)
    for finding in findings:
        if finding.drop is not None:
            drop |= finding.drop
    return drop


def double_clicks(log: EventLog) -> NDArray[np.bool_]:
    """Events whose user did the same with the same item at most `DOUBLE_CLICK_US` earlier, not at once; [n_events]."""
    mask = np.zeros(len(log), bool)
    for back in range(1, min(_NEIGHBOURS, len(log) - 1) + 1):
        gap = log.time_us[back:] - log.time_us[:-back]
        same = (log.user_row[back:] == log.user_row[:-back]) & (gap > 0) & (gap <= DOUBLE_CLICK_US)
        same &= (log.item_row[back:] == log.item_row[:-back]) & (log.kind[back:] == log.kind[:-back])
        mask[back:] |= same
    return mask


def repeated_in_moment(log: EventLog) -> NDArray[np.bool_]:
    """Events whose user, time, item and kind stood earlier in the same moment; shape [n_events]."""
    mask = np.zeros(len(log), bool)
    if len(log) < 2:
        return mask
    tied = np.diff(log.moment) == 0
    rows = np.flatnonzero(np.concatenate([tied, [False]]) | np.concatenate([[False], tied]))
    order = np.lexsort((rows, log.kind[rows], log.item_row[rows], log.moment[rows]))
    rows = rows[order]
    again = np.diff(log.moment[rows]) == 0
    again &= (np.diff(log.item_row[rows]) == 0) & (np.diff(log.kind[rows]) == 0)
    mask[rows[1:][again]] = True
    return mask


def _near_duplicates(events: Ingested) -> Iterator[Finding]:
    log = events.log
    same = repeated_in_moment(log)
    for code, mask in (("near_duplicates", same), ("double_clicks", double_clicks(log) & ~same)):
        if mask.any():
            yield Finding(_events(events, code, mask, KEPT), mask)


def _robots(events: Ingested) -> Iterator[Finding]:
    log = events.log
    for code, users in (("robots_rate", robots_by_rate(log)), ("robots_regular", robots_by_regularity(log))):
        if users.any():
            first = int(users.argmax())
            example = f"user {log.users[first]}: {int((log.user_row == first).sum())} events"
            yield Finding(problem(code, int(users.sum()), example, KEPT), users[log.user_row])


def _taken_back(events: Ingested) -> Iterator[Finding]:
    log = events.log
    for place, kind in enumerate(log.kinds):
        if kind.name in TAKEN_BACK:
            mask = log.kind == place
            counts = "counted as interest, as dataset.toml says" if kind.positive else "no target, no sign of interest"
            if mask.any():
                code = {"cancellation": "cancellations"}.get(kind.name, "returns")
                yield Finding(_events(events, code, mask, f"{REPORTED}; {counts}"))


def _negative_values(events: Ingested) -> Iterator[Finding]:
    """A negative amount outside ratings is a return whose event column does not say so."""
    log = events.log
    exempt = np.array([kind.name in TAKEN_BACK or kind.name == RATING for kind in log.kinds])
    mask = (log.value < 0) & ~exempt[log.kind]
    if mask.any():
        action = f"{REPORTED}, as interest; write return or cancellation into the event column to change that"
        yield Finding(_events(events, "negative_values", mask, action))


def _once_only(events: Ingested) -> Iterator[Finding]:
    log = events.log
    rows = (("users_with_one_event", log.user_row, log.users), ("items_with_one_event", log.item_row, log.items))
    for code, row, vocabulary in rows:
        once = np.bincount(row, minlength=len(vocabulary)) == 1
        if once.any():
            yield Finding(problem(code, int(once.sum()), vocabulary[int(once.argmax())], REPORTED))


def _not_in_catalog(events: Ingested, n_listed: int) -> Iterator[Finding]:
    """Items are numbered with the table's first, so those after them are not in it."""
    log = events.log
    missing = log.n_items - n_listed
    if n_listed and missing:
        yield Finding(problem("items_not_in_catalog", missing, log.items[n_listed], f"{REPORTED}, without attributes"))


def _clock(events: Ingested) -> Iterator[Finding]:
    yield from _far_from_the_rest(events)
    yield from _against_the_file(events)
    yield from _sessions_backwards(events)


def _far_from_the_rest(events: Ingested) -> Iterator[Finding]:
    """Times that lie further from the bulk of the log than the bulk is long; no clock is asked."""
    log = events.log
    if len(log) < 20:
        return
    edge = max(1, len(log) // 100)
    ordered = np.partition(log.time_us, (edge, len(log) - 1 - edge))
    low, high = int(ordered[edge]), int(ordered[len(log) - 1 - edge])
    span = max(high - low, 1)
    for code, mask in (("far_future", log.time_us > high + span), ("far_past", log.time_us < low - span)):
        if mask.any():
            yield Finding(_events(events, code, mask, REPORTED))


def _against_the_file(events: Ingested) -> Iterator[Finding]:
    """In a file that is written in order of time, the rows that step back; a file in another order says nothing."""
    log = events.log
    time_of_row = log.time_us[np.argsort(events.file_row)]
    back = np.diff(time_of_row) < 0
    if back.any() and back.mean() <= 0.01:
        first = int(back.argmax()) + 1
        example = f"after {format_time(time_of_row[first - 1])} comes {format_time(time_of_row[first])}"
        yield Finding(problem("clock_skew", int(back.sum()), example, f"{REPORTED}, sorted by time"))


def _sessions_backwards(events: Ingested) -> Iterator[Finding]:
    """Sessions whose rows in the file go back in time, where most sessions do not."""
    log = events.log
    if log.extra is None or columns.SESSION_ID not in log.extra.columns:
        return
    codes = log.extra[columns.SESSION_ID].rank("dense").fill_null(0).to_numpy().astype(np.int64)
    order = np.lexsort((events.file_row, codes, log.user_row))
    inside = (np.diff(codes[order]) == 0) & (np.diff(log.user_row[order]) == 0) & (codes[order][1:] > 0)
    back = inside & (np.diff(log.time_us[order]) < 0)
    if back.any() and back.sum() <= 0.1 * inside.sum():
        mask = np.zeros(len(log), bool)
        mask[order[1:][back]] = True
        yield Finding(_events(events, "sessions_backwards", mask, f"{REPORTED}, sorted by time"))


def _events(events: Ingested, code: str, mask: NDArray[np.bool_], action: str) -> Problem:
    """The problem of the events under a mask; the first of them in the log is the example."""
    log, first = events.log, int(mask.argmax())
    who = f"user {log.users[log.user_row[first]]}, item {log.items[log.item_row[first]]}"
    example = f"row {events.file_row[first] + 1}: {who}, {format_time(log.time_us[first])}"
    return problem(code, int(mask.sum()), example, action)
