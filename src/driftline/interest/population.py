"""The population: topics that rise and fall, and how interest moves between them, with intervals over users.

Two spans of one length are compared: the last one before a moment, and the one before that.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.special import ndtri

from driftline.data.events import EventLog
from driftline.errors import RequestError
from driftline.interest.reading import rounded
from driftline.interest.state import Counts
from driftline.interest.topics import Topics
from driftline.types import US_PER_DAY, format_time

Z = 1.959964
"""Intervals hold 95 % of a normal distribution."""
LEAST_PEOPLE = 10
"""Topics that fewer people took part in are left out: an interval over a handful of people says nothing."""
LEAST_EVENTS = 5
"""Somebody with fewer events in either span is in no flow: shares of so few are chance."""
QUARTER = 0.25
LONGEST_DAYS = 365.0
"""By default the spans are a quarter of the time before the moment, at most a year."""
MOST_TOPICS = 64
"""Flows are told between the topics with the most events; what is left of each user's interest is one more."""
MOST_FLOWS = 20
CHANCE = 0.05
"""How likely it may be that any flow is listed where nobody moves."""
OTHER = "other"


@dataclass(frozen=True, eq=False)
class Shifts:
    """How much each topic's share of events rose from one group of events to the next; arrays [n_topics].

    `people` are those who took part in the topic; `low` and `high` are the 95 % interval over users.
    """

    before: Counts
    after: Counts
    low: Counts
    high: Counts
    people: NDArray[np.int64]

    @property
    def change(self) -> Counts:
        """Share after less share before; shape [n_topics]."""
        return np.asarray(self.after - self.before, np.float64)


@dataclass(frozen=True, eq=False)
class Flows:
    """How much interest moved from topic i to topic j, less what moved back: `net` [n_topics, n_topics], antisymmetric.

    In shares of the mean user's interest; `error` is the standard error over the `n_users` users.
    """

    net: Counts
    error: Counts
    n_users: int


def shares_by(topics: Topics, log: EventLog, group: NDArray[np.int64], n_groups: int) -> Counts:
    """The share of each topic among the events of each group (NaN for a group without); shape [n_groups, n_topics]."""
    sums = topic_sums(topics, log, group, n_groups)
    totals = sums.sum(1, keepdims=True)
    return np.where(totals > 0, sums / np.where(totals > 0, totals, 1), np.nan)


def topic_sums(topics: Topics, log: EventLog, group: NDArray[np.int64], n_groups: int) -> Counts:
    """Topic weights of events summed by group; groups outside 0 … n_groups are left out; shape [n_groups, n_topics]."""
    return np.asarray(sparse_sums(topics, log, group, n_groups).toarray(), np.float64)


def sparse_sums(topics: Topics, log: EventLog, group: NDArray[np.int64], n_groups: int) -> sparse.csr_matrix:
    """`topic_sums` without the zeros."""
    keep = (group >= 0) & (group < n_groups)
    cells = (np.ones(int(keep.sum())), (group[keep], log.item_row[keep]))
    by_item = sparse.csr_matrix(cells, shape=(n_groups, max(log.n_items, 1)))
    return sparse.csr_matrix(by_item @ topics.of_items(np.arange(by_item.shape[1], dtype=np.int32)))


def shifts(before: sparse.csr_matrix, after: sparse.csr_matrix) -> Shifts:
    """Rise and fall of topics from topic weights of users in two spans, [n_users, n_topics] each.

    A share is a ratio of sums over users. The error of a difference is that of its linear part, to which user u adds

        z = (y_u - n_u q) / N - (x_u - m_u p) / M

    with x, y the weights before and after, m, n and M, N their sums of the user and of all, p, q the shares: what a
    user does in both spans counts as of one person (Cochran 1977, section 6.3).
    """
    sizes = [np.asarray(sums.sum(axis=1), np.float64).ravel() for sums in (before, after)]
    totals = [max(float(size.sum()), 1e-12) for size in sizes]
    p, q = (
        np.asarray(sums.sum(axis=0), np.float64).ravel() / n for sums, n in zip((before, after), totals, strict=True)
    )
    m, n = (size / total for size, total in zip(sizes, totals, strict=True))
    own = sparse.csr_matrix(after / totals[1] - before / totals[0])
    squares = np.asarray(own.multiply(own).sum(axis=0), np.float64).ravel()
    squares += 2 * (p * (own.T @ m) - q * (own.T @ n)) + p**2 * (m @ m) + q**2 * (n @ n) - 2 * p * q * (m @ n)
    n_users = max(int(((sizes[0] + sizes[1]) > 0).sum()), 2)
    error = Z * np.sqrt(np.maximum(squares, 0) * n_users / (n_users - 1))
    people = np.asarray(((before + after) > 0).sum(axis=0)).ravel().astype(np.int64)
    return Shifts(p, q, q - p - error, q - p + error, people)


def flows(before: sparse.csr_matrix, after: sparse.csr_matrix) -> Flows:
    """How the mean user's interest moved between topics, from topic weights in two spans, [n_users, n_topics] each.

    What a user's topics lost is shared out over those that gained, in proportion: `f_ij = lost_i gained_j / Σ gained`,
    and what moved back is taken off, f - fᵀ. Chance moves as much one way as the other, so it cancels.
    """
    shares = [_rows_as_shares(sums) for sums in (before, after)]
    moved = sparse.csr_matrix(shares[1] - shares[0])
    gained, lost = moved.maximum(0), (-moved).maximum(0)
    total = np.asarray(gained.sum(axis=1), np.float64).ravel()
    each = sparse.diags(np.divide(1.0, total, out=np.zeros_like(total), where=total > 0))
    n = moved.shape[0]
    one_way = (lost.T @ (each @ gained)).toarray() / max(n, 1)
    # Of one user at most one of f_ij and f_ji is above 0, so the square of the difference is the sum of the squares.
    squares = (lost.power(2).T @ (each @ each @ gained.power(2))).toarray() / max(n, 1)
    net, squares = one_way - one_way.T, squares + squares.T
    error = np.sqrt(np.maximum(squares - net**2, 0) / max(n - 1, 1))
    return Flows(net, error, n)


def population(
    log: EventLog, topics: Topics, at_us: int, *, window_us: int | None = None, order_only: bool = False
) -> dict[str, Any]:
    """Which topics rise and fall and between which people move, from what is strictly before a moment, as JSON values.

    `window_us` is how long each of the two spans is, by default a quarter of the time before the moment. A topic is
    `rising` or `falling` where the 95 % interval of its change leaves 0 out; a flow is listed where it is beyond chance
    for the number of pairs (Bonferroni). RequestError where either span is empty or there are no times.
    """
    if order_only:
        raise RequestError("expected data with times for the population's movement, got an order alone")
    events = log.positive.before(at_us)
    window = _window(events, at_us) if window_us is None else window_us
    cuts = (at_us - 2 * window, at_us - window, at_us)
    spans = [_of_users(topics, events, low, high) for low, high in pairwise(cuts)]
    if not all(span.nnz for span in spans):
        days = window / US_PER_DAY
        raise RequestError(f"expected events in both spans of {days:g} days before {format_time(at_us)}; set --window")
    found = shifts(*spans)
    listed = [topic for topic in np.argsort(-found.change, kind="stable") if found.people[topic] >= LEAST_PEOPLE]
    columns = np.sort(np.argsort(-(found.before + found.after), kind="stable")[:MOST_TOPICS])
    fewer = np.minimum(*(_n_events(events, low, high) for low, high in pairwise(cuts)))
    enough = np.flatnonzero(fewer >= LEAST_EVENTS)
    moved = flows(*(_gathered(span[enough], columns) for span in spans))
    return {
        "at": format_time(at_us),
        "before": {"from": format_time(cuts[0]), "to": format_time(cuts[1])},
        "recent": {"from": format_time(cuts[1]), "to": format_time(cuts[2])},
        "users": int(((spans[0] + spans[1]).sum(axis=1) > 0).sum()),
        "topics": [_shift_entry(topics, found, int(topic)) for topic in listed],
        "too_few": int((found.people > 0).sum()) - len(listed),
        "flow_users": moved.n_users,
        "flows": _flow_entries(topics, moved, columns),
    }


def _window(events: EventLog, at_us: int) -> int:
    span = (at_us - events.first_us) if len(events) else 0
    return max(int(min(QUARTER * span, LONGEST_DAYS * US_PER_DAY)), 1)


def _of_users(topics: Topics, events: EventLog, low: int, high: int) -> sparse.csr_matrix:
    """Topic weights of each user's events in a span; shape [n_users, n_topics]."""
    inside = (events.time_us >= low) & (events.time_us < high)
    return sparse_sums(topics, events, np.where(inside, events.user_row, -1).astype(np.int64), events.n_users)


def _n_events(events: EventLog, low: int, high: int) -> NDArray[np.int64]:
    inside = (events.time_us >= low) & (events.time_us < high)
    return np.bincount(events.user_row[inside], minlength=events.n_users).astype(np.int64)


def _rows_as_shares(sums: sparse.csr_matrix) -> sparse.csr_matrix:
    total = np.asarray(sums.sum(axis=1), np.float64).ravel()
    return sparse.csr_matrix(sparse.diags(np.divide(1.0, total, out=np.zeros_like(total), where=total > 0)) @ sums)


def _gathered(sums: sparse.csr_matrix, columns: NDArray[np.int64]) -> sparse.csr_matrix:
    """Some of the columns, and the sum of all others as the last one."""
    own = sums[:, columns]
    rest = np.asarray(sums.sum(axis=1) - own.sum(axis=1), np.float64).clip(0)
    return sparse.csr_matrix(sparse.hstack([own, sparse.csr_matrix(np.where(rest > 1e-9, rest, 0))]))


def _shift_entry(topics: Topics, found: Shifts, topic: int) -> dict[str, Any]:
    low, high = found.low[topic], found.high[topic]
    return {
        "topic": topics.ids[topic],
        "name": topics.names[topic],
        "before": rounded(found.before[topic]),
        "after": rounded(found.after[topic]),
        "change": rounded(found.change[topic]),
        "low": rounded(low),
        "high": rounded(high),
        "direction": "rising" if low > 0 else "falling" if high < 0 else "steady",
        "people": int(found.people[topic]),
    }


def _flow_entries(topics: Topics, moved: Flows, columns: NDArray[np.int64]) -> list[dict[str, Any]]:
    """The flows beyond chance, the largest first; the last column is all other topics."""
    n = len(columns) + 1
    beyond = float(ndtri(1 - CHANCE / max(n * (n - 1), 1)))
    pairs = np.argwhere((moved.net > beyond * moved.error) & (moved.error > 0))
    pairs = pairs[np.argsort(-moved.net[pairs[:, 0], pairs[:, 1]], kind="stable")][:MOST_FLOWS]
    ids, names = [topics.ids[one] for one in columns], [topics.names[one] for one in columns]
    ids, names = [*ids, OTHER], [*names, "all other"]
    return [
        {
            "from": ids[i],
            "from_name": names[i],
            "to": ids[j],
            "to_name": names[j],
            "share": rounded(moved.net[i, j]),
            "low": rounded(moved.net[i, j] - Z * moved.error[i, j]),
            "high": rounded(moved.net[i, j] + Z * moved.error[i, j]),
        }
        for i, j in pairs
    ]
