"""Splits of a log: what models learn from, what they choose by, and what they are asked.

Three folds. `last_item_fold` is the protocol of the papers, `global_time_fold` the one without leakage,
`production_fold` serves a fit that will answer questions. Models read positive events; targets are the events that a
model may be asked to predict. Halves of users are drawn by a seeded hash of the user's id, so they depend neither on
the order of a file nor on who else is in it.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from driftline.data.catalog import Catalog
from driftline.data.dataset import Dataset, Repeats, detect_repeats
from driftline.data.events import EventLog, histories, histories_until
from driftline.data.targets import Fold, Targets
from driftline.data.vocabulary import Vocabulary
from driftline.errors import RequestError
from driftline.types import ALWAYS, Times

Tie = Literal["file", "hash"]
"""How rows of one user and one time are ordered where an order is needed: as in the file, or by a seeded hash."""

CUTOFF_QUANTILE = 0.9
"""The share of events that lies before the cutoff of a global-time fold, and before that of its validation."""

MIN_TARGETS = 3
"""A user with fewer targets than this trains and is not tested under last-item: to learn, to choose, to ask."""

_Ask = Callable[[EventLog, NDArray[np.int64], EventLog], Targets]
"""From a log, positions of targets in it, and the log that answers were learned from, to the questions."""


def last_item_fold(dataset: Dataset, *, tie: Tie = "file", seed: int = 0) -> Fold:
    """The last target of each user is asked, the one before it validates, what is before that trains.

    At test time the input is every earlier row, the validation event included; nothing is refitted on it, so `inner`
    is `train`. All items of the data are candidates. Users with fewer than 3 targets train and are not tested. Source:
    Kang and McAuley 2018, section IV; the cuts of Zhou et al. 2020.
    """
    log = dataset.log.positive if tie == "file" else _hash_ties(dataset.log.positive, seed)
    last, before_last = _from_the_end(log, 1, MIN_TARGETS), _from_the_end(log, 2, MIN_TARGETS)
    train = _until(log, before_last)
    repeats = dataset.repeats or detect_repeats(train)
    ask = _asker(_all_listed(dataset.catalog), repeats, histories_are="rows")
    first, second = _by_halves(log, before_last, seed)
    return Fold(
        train,
        train,
        ask(log, first, train),
        ask(log, second, train),
        ask(log, last, train),
        _just_after(train),
    )


def global_time_fold(dataset: Dataset, *, cutoff_us: int | None = None, successive: bool = True, seed: int = 0) -> Fold:
    """What is before the cutoff trains; each later target of a user is asked, from what this user did before it.

    The cutoff is the 0.9 quantile of all event times unless given. `successive=False` asks the last target of each
    user alone. All targets of one moment share the history strictly before that moment. A user without an event before
    the cutoff is asked too: a service meets such people. RequestError where the data has an order but no times.
    Source: Hidasi and Czapp 2023, "Widespread flaws in offline evaluation of recommender systems".
    """
    if dataset.order_only:
        raise RequestError(
            f"expected real times for a global-time split, got {dataset.name} with order_only = true; use last-item"
        )
    cutoff = _cut(dataset.log.time_us) if cutoff_us is None else cutoff_us
    log = dataset.log.positive
    train = log.before(cutoff)
    ask = _asker(dataset.catalog, dataset.repeats or detect_repeats(train), histories_are="moments")
    inner_cutoff = _cut(dataset.log.time_us[dataset.log.time_us < cutoff])
    inner, stop, stack = _validate_in_time(train, inner_cutoff, ask, successive=successive, seed=seed)
    test = ask(log, _targets_from(log, cutoff, successive=successive), train)
    return Fold(train, inner, stop, stack, test, cutoff)


def production_fold(dataset: Dataset, *, seed: int = 0) -> Fold:
    """Everything trains, nothing is asked; validation is cut out of the inside.

    By global time, or, where the data has an order alone, by the last target of each user that has at least two.
    """
    log = dataset.log.positive
    repeats = dataset.repeats or detect_repeats(log)
    if dataset.order_only:
        ask = _asker(_all_listed(dataset.catalog), repeats, histories_are="rows")
        last = _from_the_end(log, 1, 2)
        inner, stop, stack = _validated(log, _until(log, last), last, ask, seed)
    else:
        ask = _asker(dataset.catalog, repeats, histories_are="moments")
        inner, stop, stack = _validate_in_time(log, _cut(dataset.log.time_us), ask, successive=True, seed=seed)
    return Fold(log, inner, stop, stack, ask(log, _NOWHERE, log), _just_after(log))


def by_user(log: EventLog, *, seed: int = 0) -> tuple[EventLog, EventLog]:
    """The log of one half of the users and that of the other, drawn by a seeded hash."""
    first = user_halves(log.users, seed=seed)[log.user_row]
    return log.select(first), log.select(~first)


def user_halves(users: Vocabulary, *, seed: int = 0) -> NDArray[np.bool_]:
    """Which users are in the first half, by a seeded hash of their ids; shape [n_users]."""
    return np.asarray((id_hashes(users, seed=seed) >> np.uint64(63)) == 0, bool)


def id_hashes(ids: Vocabulary, *, seed: int = 0) -> NDArray[np.uint64]:
    """A number per id that looks random and depends on the id's text and the seed alone; shape [n_ids]."""
    sums = (zlib.crc32(str(id_).encode("utf-8", "surrogatepass")) for id_ in ids)
    return _mixed(np.fromiter(sums, np.uint64, len(ids)) + np.uint64((seed * _GOLDEN) % 2**64))


_GOLDEN = 0x9E3779B97F4A7C15
_NOWHERE: NDArray[np.int64] = np.zeros(0, np.int64)


def _mixed(numbers: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Steele et al. 2014, the finaliser of SplitMix64: every bit of the input moves every bit of the output."""
    z = numbers + np.uint64(_GOLDEN)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(z ^ (z >> np.uint64(31)), np.uint64)


def _hash_ties(log: EventLog, seed: int) -> EventLog:
    """The same log with the rows of each moment ordered by a seeded hash of user and item."""
    users, items = id_hashes(log.users, seed=seed), id_hashes(log.items, seed=seed + 1)
    draw = _mixed(users[log.user_row] ^ items[log.item_row]) if len(log) else np.zeros(0, np.uint64)
    return log.select(np.lexsort((draw, log.time_us, log.user_row)))


def _cut(times: Times) -> int:
    """The 0.9 quantile of times, rounded up, since an event is before 10.5 exactly if it is before 11."""
    return math.ceil(np.quantile(times, CUTOFF_QUANTILE)) if len(times) else 0


def _just_after(log: EventLog) -> int:
    return log.last_us + 1 if len(log) else 0


def _targets_from(log: EventLog, cutoff: int, *, successive: bool) -> NDArray[np.int64]:
    """Positions of targets at or after the cutoff: all, or the last of each user."""
    positions = np.flatnonzero(log.is_target & (log.time_us >= cutoff))
    return positions if successive else positions[_last_of_user(log, positions)]


def _last_of_user(log: EventLog, positions: NDArray[np.int64]) -> NDArray[np.int64]:
    """The places in `positions` where the last one of each user stands."""
    return np.flatnonzero(np.diff(log.user_row[positions], append=-1))


def _from_the_end(log: EventLog, n: int, minimum: int) -> NDArray[np.int64]:
    """The position of the n-th target from the end of each user that has at least `minimum` targets."""
    positions = np.flatnonzero(log.is_target)
    counts = np.bincount(log.user_row[positions], minlength=log.n_users)
    last = _last_of_user(log, positions)
    enough = counts[log.user_row[positions[last]]] >= minimum
    return positions[last[enough] - (n - 1)]


def _until(log: EventLog, ends: NDArray[np.int64]) -> EventLog:
    """Each user's rows before the position in `ends` that is theirs; all rows of a user without one."""
    limit = np.full(log.n_users, len(log), np.int64)
    limit[log.user_row[ends]] = ends
    return log.select(np.arange(len(log)) < limit[log.user_row])


def _by_halves(log: EventLog, positions: NDArray[np.int64], seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    first = user_halves(log.users, seed=seed)[log.user_row[positions]]
    return positions[first], positions[~first]


def _validate_in_time(
    log: EventLog, cutoff: int, ask: _Ask, *, successive: bool, seed: int
) -> tuple[EventLog, Targets, Targets]:
    """The global-time construction inside a log: (what is before the cutoff, the targets of either half of users)."""
    return _validated(log, log.before(cutoff), _targets_from(log, cutoff, successive=successive), ask, seed)


def _validated(
    log: EventLog, inner: EventLog, positions: NDArray[np.int64], ask: _Ask, seed: int
) -> tuple[EventLog, Targets, Targets]:
    """Inner log and validation targets; where nothing would be left to learn from, all is inner, nothing validates."""
    if not len(inner):
        return log, ask(log, _NOWHERE, log), ask(log, _NOWHERE, log)
    first, second = _by_halves(log, positions, seed)
    return inner, ask(log, first, inner), ask(log, second, inner)


def _asker(catalog: Catalog, repeats: Repeats, *, histories_are: Literal["rows", "moments"]) -> _Ask:
    """How positions become questions: each row from every earlier row, or each moment from every earlier moment."""

    def ask(log: EventLog, positions: NDArray[np.int64], train: EventLog) -> Targets:
        items = log.item_row[positions]
        if histories_are == "rows":
            query = np.arange(len(positions))
            return Targets(histories_until(log, positions), query, items, train, catalog, repeats)
        _, first, query = np.unique(log.moment[positions], return_index=True, return_inverse=True)
        asked = positions[first]
        questions = histories(log, log.user_row[asked], log.time_us[asked])
        return Targets(questions, query.astype(np.int64), items, train, catalog, repeats)

    return ask


def _all_listed(catalog: Catalog) -> Catalog:
    """The catalog in which every item can be had at any time: papers rank all items of the data."""
    n = len(catalog.items)
    return Catalog(
        catalog.items,
        catalog.title,
        catalog.text,
        catalog.topic_names,
        catalog.topics,
        np.ones(n, bool),
        np.full(n, ALWAYS, np.int64),
        catalog.attributes,
    )
