"""Change: real histories of two users joined at event 80 against whole ones, and the alarms where nothing changes.

Everything is fitted on half the users and measured on the other half. What is joined is at the same place of both
histories, its times moved on without a gap; where nobody takes an item twice, the second user's events on items of the
first are left out: a repeat would give the join away.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.datasets import folder_of
from benchmarks.report import Report, Table, with_interval
from benchmarks.tables import asked as tables
from driftline.data.dataset import Dataset, detect_repeats
from driftline.data.events import EventLog, Histories
from driftline.data.reading import read_dataset
from driftline.data.split import user_halves
from driftline.data.vocabulary import Vocabulary
from driftline.interest.change import ChangeModel, alarms
from driftline.interest.change_fitting import fit_change
from driftline.interest.evidence import event_weights
from driftline.interest.fitting import fit_dynamics
from driftline.interest.learned import find_topics
from driftline.interest.model import InterestModel
from driftline.metrics.bootstrap import estimate

HEAD, TAIL = 80, 30
"""Events before the join (on to the end of their moment) and after it."""
LONGEST_HEAD = 160
JOINS = 3
"""How many others each user is joined with."""
SHORT_EVENTS = 8.0
"""Half-life of the short expert whose surprise is compared."""
N_RESAMPLES = 1000

Rows = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Spliced:
    """Histories by hand: `log` has a user for each; `first` [n] is whose head it has, `joined` [n] whether two were."""

    log: EventLog
    first: Rows
    joined: NDArray[np.bool_]
    tail_start: Rows


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("dataset", nargs="?", default="beauty", help="a name or a dataset folder")
    parser.add_argument("--swap", action="store_true", help="fit on the half that is measured on otherwise")
    parser.add_argument("--seed", type=int, default=0, help="which half is fitted on, and who is joined with whom")


def run(asked: argparse.Namespace) -> Report:
    folder = folder_of(asked.dataset, asked.source, asked.cache)
    dataset = read_dataset(Path(folder))
    found = measure(dataset, swap=asked.swap, seed=asked.seed)
    auc = [(name, with_interval(one, 3)) for name, one in found["auc"].items()]
    rates = [(name, f"{one:.4f}") for name, one in found["rates"].items()]
    notes = (f"{found['whole']} whole histories, {found['joins']} joined ones; intervals draw users",)
    shown = [
        Table(f"ROC-AUC {TAIL} events after the join, {folder.name}", ("score", "ROC-AUC"), auc, notes),
        Table("Alarms", ("where", "figure"), rates, (f"{found['months']:,.0f} user-months",)),
    ]
    return tables.report(asked, f"change-{folder.name}", f"Change on {folder.name}", shown, found)


def measure(dataset: Dataset, *, swap: bool = False, seed: int = 0) -> dict[str, Any]:
    """AUC of the score and of plain surprise on spliced users, and the alarms where order is destroyed and real."""
    log = dataset.log.positive
    half = user_halves(log.users, seed=seed) ^ swap
    fitted = log.select(half[log.user_row])
    topics = find_topics(fitted, dataset.catalog, seed=seed)
    dynamics = fit_dynamics(fitted, topics, order_only=dataset.order_only, seed=seed)
    change = fit_change(fitted, topics, dynamics, seed=seed)
    model = InterestModel(topics, dynamics, change=change)
    repeats = (dataset.repeats or detect_repeats(fitted)) == "allow"
    spliced = splice(log, np.flatnonzero(~half), repeats=repeats, seed=seed)
    scores = {
        "score of change": model.change_scores(whole_histories(spliced.log)),
        "surprise": surprise(model, spliced),
    }
    months, rates = alarm_rates(model, change, log, np.flatnonzero(~half), seed=seed)
    found = found_in_time(model, change, spliced)
    rates |= {"joined: alarm within 30 events": float(found[spliced.joined].mean())}
    rates |= {"whole: alarm in the same events": float(found[~spliced.joined].mean())}
    return {
        "auc": {name: auc_with_interval(one, spliced, seed=seed) for name, one in scores.items()},
        "rates": rates,
        "months": months,
        "threshold": change.threshold if np.isfinite(change.threshold) else None,
        "whole": int((~spliced.joined).sum()),
        "joins": int(spliced.joined.sum()),
    }


def splice(log: EventLog, users: Rows, *, repeats: bool, seed: int = 0) -> Spliced:
    """Whole and joined histories of users who are long enough."""
    rng = np.random.default_rng(seed)
    cuts = {int(user): cut for user in users if (cut := _cut(log, int(user))) is not None}
    parts: list[tuple[int, Rows, Rows]] = []
    joined = []
    for user, cut in cuts.items():
        head = np.arange(log.user_offsets[user], cut)
        parts.append((user, head, np.arange(cut, cut + TAIL)))
        joined.append(False)
        others = np.array([one for one in cuts if one != user])
        for other in rng.choice(others, min(JOINS, len(others)), replace=False):
            tail = np.arange(cuts[int(other)], log.user_offsets[other + 1])
            tail = tail if repeats else tail[~np.isin(log.item_row[tail], log.item_row[head])]
            if len(tail) >= TAIL:
                parts.append((user, head, tail[:TAIL]))
                joined.append(True)
    return _as_log(log, parts, np.array(joined, bool))


def surprise(model: InterestModel, spliced: Spliced) -> Floats:
    """How much likelier a short expert finds the last events than one that never forgets, in nats; shape [n]."""
    log, topics = spliced.log, model.topics
    weights = event_weights(log, model.dynamics.ratings)
    prior = model.dynamics.base_mix
    found = np.zeros(log.n_users)
    for user in range(log.n_users):
        rows = rows_of(log, user)
        events = topics.of_items(log.item_row[rows]).toarray() * weights[rows, None]
        short, long = np.zeros(len(topics)), np.zeros(len(topics))
        for place, event in enumerate(events):
            if place >= len(events) - TAIL and event.any():
                chances = [event @ smoothed_to(counts, prior) for counts in (short, long)]
                found[user] += np.log(chances[0] / chances[1])
            short, long = short * 2 ** (-1 / SHORT_EVENTS) + event, long + event
    return found


def smoothed_to(counts: Floats, prior: Floats, strength: float = 8.0) -> Floats:
    """Shares of counts [n_topics] with so many events of the prior."""
    return np.asarray((counts + strength * prior) / (counts.sum() + strength), np.float64)


def alarm_rates(
    model: InterestModel, change: ChangeModel, log: EventLog, users: Rows, *, seed: int = 0
) -> tuple[float, dict[str, float]]:
    """Alarms a user-month of users that taught nothing, with their moments in random order and as they were."""
    rng, order_only = np.random.default_rng(seed + 1), model.dynamics.order_only
    weights = event_weights(log, model.dynamics.ratings)
    count, months = np.zeros(2), np.zeros(2)
    for user in users[np.diff(log.user_offsets)[users] > 0]:
        walk = change.walk(log, rows_of(log, user), model.topics, weights)
        for place, order in enumerate((rng.permutation(len(walk.sizes)), None)):
            scores = walk.scores(order)
            count[place] += alarms(scores, change.threshold).sum()
            months[place] += walk.months(scores, order_only=order_only)
    destroyed, real = count / np.maximum(months, 1)
    stated = {"a user-month, stated": change.rate}
    return float(months[0]), {**stated, "a user-month, order destroyed": destroyed, "a user-month, as it was": real}


def found_in_time(model: InterestModel, change: ChangeModel, spliced: Spliced) -> NDArray[np.bool_]:
    """Whose score stands above the threshold after any moment of the tail."""
    log = spliced.log
    weights = event_weights(log, model.dynamics.ratings)
    found = np.zeros(log.n_users, bool)
    for user in range(log.n_users):
        walk = change.walk(log, rows_of(log, user), model.topics, weights)
        late = np.cumsum(walk.sizes) > spliced.tail_start[user]
        found[user] = (np.nan_to_num(walk.scores()[late], nan=-np.inf) > change.threshold).any()
    return found


def rows_of(log: EventLog, user: int) -> slice:
    """The rows of one user's events."""
    return slice(int(log.user_offsets[user]), int(log.user_offsets[user + 1]))


def auc_with_interval(scores: Floats, spliced: Spliced, *, seed: int = 0) -> dict[str, float]:
    """The area under the ROC curve of joined against whole histories; the interval draws users with all their joins."""
    scores = np.nan_to_num(scores, nan=-np.inf)
    rng = np.random.default_rng(seed)
    users, user = np.unique(spliced.first, return_inverse=True)
    draws = [
        auc(scores, spliced.joined, np.bincount(rng.integers(0, len(users), len(users)), minlength=len(users))[user])
        for _ in range(N_RESAMPLES)
    ]
    return estimate(auc(scores, spliced.joined, np.ones(len(user))), np.array(draws)).as_json()


def auc(scores: Floats, positive: NDArray[np.bool_], weight: Floats | Rows) -> float:
    """Chance that a positive scores above a negative, ties half; `weight` [n] says how often each is there.

    >>> auc(np.array([1.0, 2.0, 2.0, 3.0]), np.array([False, False, True, True]), np.ones(4))
    0.875
    """
    _, level = np.unique(scores, return_inverse=True)
    for_, against = (np.bincount(level, weight * part) for part in (positive, ~positive))
    below = np.cumsum(against) - against
    return float((for_ * (below + against / 2)).sum() / (for_.sum() * against.sum()))


def whole_histories(log: EventLog) -> Histories:
    """All events of every user, whatever their time."""
    rows = np.arange(log.n_users, dtype=np.int32)
    at = np.full(log.n_users, log.last_us + 1)
    return Histories(log, log.user_offsets[:-1], log.user_offsets[1:], at, rows)


def _cut(log: EventLog, user: int) -> int | None:
    """The row at which a user's first moment after `HEAD` events begins; None where too few come after."""
    start, end = int(log.user_offsets[user]), int(log.user_offsets[user + 1])
    if end - start < HEAD + TAIL:
        return None
    cut = int(np.searchsorted(log.moment, log.moment[start + HEAD - 1], side="right"))
    return cut if cut - start <= LONGEST_HEAD and end - cut >= TAIL else None


def _as_log(log: EventLog, parts: list[tuple[int, Rows, Rows]], joined: NDArray[np.bool_]) -> Spliced:
    """A log in which each part is a user; the tail begins when the head's user really came next."""
    rows = np.concatenate([np.concatenate([head, tail]) for _, head, tail in parts])
    times = [
        np.concatenate([log.time_us[head], log.time_us[tail] - log.time_us[tail[0]] + log.time_us[head[-1] + 1]])
        for _, head, tail in parts
    ]
    lengths = np.array([len(head) + len(tail) for _, head, tail in parts])
    user = np.repeat(np.arange(len(parts), dtype=np.int32), lengths)
    one = replace(
        log.select(np.zeros(0, np.int64)),
        users=Vocabulary([str(place) for place in range(len(parts))]),
        user_row=user,
        item_row=log.item_row[rows],
        time_us=np.concatenate(times),
        kind=log.kind[rows],
        value=log.value[rows],
        extra=None,
    )
    heads = np.array([len(head) for _, head, _ in parts])
    return Spliced(one, np.array([user for user, _, _ in parts]), joined, heads)
