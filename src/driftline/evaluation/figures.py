"""From ranks to figures: each user's own, the table's means over users, and the intervals around them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from driftline.data.catalog import Catalog
from driftline.data.dataset import candidate_mask
from driftline.data.events import EventLog
from driftline.data.targets import Targets
from driftline.evaluation.protocols import warm_targets
from driftline.metrics.bootstrap import Estimate, column_means, estimate, resampled_means
from driftline.metrics.ranking import RANK_METRICS, Values, means_by
from driftline.metrics.ranks import Ranked, Score, rank_targets
from driftline.metrics.slates import coverage, diversity, novelty

SLATE = 10
"""How many items a slate has for coverage, novelty and diversity."""

COVERAGE, NOVELTY, DIVERSITY = f"coverage@{SLATE}", f"novelty@{SLATE}", f"diversity@{SLATE}"

Part = str
"""Which targets a figure is over: `""` for all, `"warm"`, `"cold"`."""
Key = tuple[Part, str]
Figures = Mapping[str, Mapping[str, Estimate]]
"""Model, then metric, to an estimate."""


@dataclass(frozen=True, eq=False)
class Judged:
    """One model after one seed: per part and metric each user's figure (NaN where there is none), and its coverage."""

    by_user: Mapping[Key, Values]
    coverage: float


@dataclass(frozen=True, eq=False)
class Judge:
    """The test targets with all that figures need of them, worked out once.

    `distance` says what diversity compares: `topics` of the catalog, or the `users` whom items had in training.
    """

    targets: Targets
    train: EventLog
    catalog: Catalog

    @cached_property
    def users(self) -> NDArray[np.int32]:
        """User rows that have a target, ascending; the order of every user's figures."""
        return np.unique(self.targets.user_row)

    @cached_property
    def distance(self) -> str:
        """What diversity compares."""
        return "topics" if self.catalog.has_topics else "users"

    def judge(self, score: Score) -> Judged:
        """Rank all targets by one model's scores."""
        ranked = rank_targets(score, self.targets, k=SLATE)
        return Judged(
            {**self._of_ranks(ranked), **self._of_slates(ranked)}, coverage(ranked.slates, self._n_candidates)
        )

    def _of_ranks(self, ranked: Ranked) -> dict[Key, Values]:
        warm = warm_targets(self.targets)
        parts = {"": np.ones(len(warm), bool), "warm": warm, "cold": ~warm}
        place = np.searchsorted(self.users, self.targets.user_row)
        return {
            (part, name): means_by(metric(ranked.ranks[keep]), place[keep], len(self.users))
            for name, metric in RANK_METRICS.items()
            for part, keep in parts.items()
        }

    def _of_slates(self, ranked: Ranked) -> dict[Key, Values]:
        place = np.searchsorted(self.users, self.targets.histories.user_row)
        rare = novelty(ranked.slates, self.train.item_counts())
        unlike = diversity(ranked.slates, self._item_vectors)
        n = len(self.users)
        return {("", NOVELTY): means_by(rare, place, n), ("", DIVERSITY): means_by(unlike, place, n)}

    @cached_property
    def _n_candidates(self) -> int:
        last = self.targets.histories.at_us.max(keepdims=True)
        return int(candidate_mask(self.targets.catalog, self.train, last).sum())

    @cached_property
    def _item_vectors(self) -> sparse.csr_matrix:
        """What an item is, for distances: its topics, or which users had it; shape [n_items, …]."""
        if self.distance == "topics":
            return self.catalog.topics
        firsts = self.train.firsts
        cells = (self.train.item_row[firsts], self.train.user_row[firsts])
        shape = (self.train.n_items, self.train.n_users)
        return sparse.csr_matrix((np.ones(len(firsts), np.float32), cells), shape=shape)


class Tables:
    """Figures of every model with intervals, from the judged models of every seed."""

    def __init__(self, runs: Sequence[Mapping[str, Judged]], *, n_resamples: int) -> None:
        self._runs = runs
        self._names = [name for name in runs[0] if all(name in run for run in runs)]
        keys = list(runs[0][self._names[0]].by_user)
        self._column = {(name, key): i for i, (name, key) in enumerate((n, k) for n in self._names for k in keys)}
        self._by_seed = np.stack([_columns(run, self._column) for run in runs])
        self._seed_means = np.stack([column_means(values) for values in self._by_seed])
        users = _mean_over_seeds(self._by_seed)
        self._means = column_means(users)
        self._draws = resampled_means(users, n_resamples=n_resamples)

    def part(self, part: Part) -> dict[str, dict[str, Estimate]]:
        """The table over all targets (`""`), or over the `warm` or `cold` ones; metrics without a figure left out."""
        return {name: {m: self._estimate(name, (p, m)) for p, m in self._keys(part, name)} for name in self._names}

    def all(self) -> dict[str, dict[str, Estimate]]:
        """The table over all targets, with coverage, whose interval is its range over seeds: slates are no sample."""
        table = self.part("")
        for name, row in table.items():
            seen = [run[name].coverage for run in self._runs]
            row[COVERAGE] = Estimate(float(np.mean(seen)), min(seen), max(seen), _spread(np.array(seen)))
        return table

    def versus(self) -> dict[str, dict[str, dict[str, Estimate]]]:
        """For every two models the difference of the first and the second, paired over the users who have both."""
        return {a: {b: self._differences(a, b) for b in self._names if b != a} for a in self._names}

    def _keys(self, part: Part, *names: str) -> list[Key]:
        """The keys of a part for which all the models have a figure."""
        keys = [key for name, key in self._column if name == names[0] and key[0] == part]
        return [key for key in keys if not any(np.isnan(self._means[self._column[name, key]]) for name in names)]

    def _estimate(self, name: str, key: Key) -> Estimate:
        i = self._column[name, key]
        return estimate(float(self._means[i]), self._draws[:, i], spread=_spread(self._seed_means[:, i]))

    def _differences(self, a: str, b: str) -> dict[str, Estimate]:
        found = {m: self._difference(a, b, (p, m)) for p, m in self._keys("", a, b)}
        return {metric: one for metric, one in found.items() if not np.isnan(one.value)}

    def _difference(self, a: str, b: str, key: Key) -> Estimate:
        i, j = self._column[a, key], self._column[b, key]
        if (np.isnan(self._by_seed[:, :, i]) != np.isnan(self._by_seed[:, :, j])).any():
            return self._over_both(self._by_seed[:, :, i] - self._by_seed[:, :, j])
        draws, seeds = self._draws[:, i] - self._draws[:, j], self._seed_means[:, i] - self._seed_means[:, j]
        return estimate(float(self._means[i] - self._means[j]), draws, spread=_spread(seeds))

    def _over_both(self, by_seed: NDArray[np.float64]) -> Estimate:
        """The estimate of differences [n_seeds, n_users] that are NaN for a user for whom either model has none."""
        users = _mean_over_seeds(by_seed[:, :, None])
        draws = resampled_means(users, n_resamples=len(self._draws))[:, 0]
        return estimate(float(column_means(users)[0]), draws, spread=_spread(column_means(by_seed.T)))


def _columns(run: Mapping[str, Judged], column: Mapping[tuple[str, Key], int]) -> NDArray[np.float64]:
    return np.stack([run[name].by_user[key] for name, key in column], axis=1)


def _mean_over_seeds(by_seed: NDArray[np.float64]) -> NDArray[np.float64]:
    """Means over the first axis without NaN; shape [n_users, n_columns]."""
    n_seeds, n_users, n_columns = by_seed.shape
    return column_means(by_seed.reshape(n_seeds, n_users * n_columns)).reshape(n_users, n_columns)


def _spread(of_seeds: NDArray[np.float64]) -> float | None:
    """The standard deviation over seeds, or None for a single seed."""
    return float(np.std(of_seeds, ddof=1)) if len(of_seeds) > 1 else None
