"""Evaluate models side by side: fit each, ask the same questions, put an interval around every figure."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from driftline.data.dataset import Dataset
from driftline.data.split import Tie
from driftline.data.targets import Fold
from driftline.errors import RequestError
from driftline.evaluation.figures import Figures, Judge, Judged, Tables
from driftline.evaluation.protocols import Protocol, Questions, make_fold, questions
from driftline.metrics.bootstrap import N_RESAMPLES
from driftline.models.base import FittedModel, Model
from driftline.ranking.training import Trained, train
from driftline.types import Progress, format_time


@dataclass(frozen=True)
class Evaluation:
    """Everything that one evaluation found; `as_json` is the contract's shape.

    `models` has every metric; `warm` and `cold` have those of ranks, over the targets whose item has, or has not, an
    event in the training part. `versus[a][b]` is a - b, paired over users. `distance` says what diversity compares.
    `dropped` says of each arm that the blend of any seed went without why it did.
    """

    data: Mapping[str, Any]
    protocol: Protocol
    seeds: tuple[int, ...]
    seconds: float
    models: Figures
    versus: Mapping[str, Figures]
    warm: Figures
    cold: Figures
    questions: Questions
    distance: str
    fit_seconds: Mapping[str, float] = field(default_factory=dict)
    shares: Mapping[str, float] = field(default_factory=dict)
    skipped: Mapping[str, str] = field(default_factory=dict)
    dropped: Mapping[str, str] = field(default_factory=dict)
    task: str = "next-item"

    def tied(self, a: str, b: str, metric: str) -> bool:
        """Whether the interval of the paired difference of two models holds 0."""
        return a == b or self.versus[a][b][metric].holds_zero

    def ranked(self, metric: str = "ndcg@10") -> list[str]:
        """Names of models, the best by a metric first."""
        return sorted(self.models, key=lambda name: (-self.models[name][metric].value, name))

    def as_json(self) -> dict[str, Any]:
        """One document in the contract's shape, with the counts of questions, fits and shares beside it."""
        return {
            "data": dict(self.data),
            "protocol": self.protocol,
            "task": self.task,
            "seeds": list(self.seeds),
            "seconds": self.seconds,
            "models": _figures_json(self.models),
            "versus": {name: _figures_json(others) for name, others in self.versus.items()},
            "warm": _figures_json(self.warm),
            "cold": _figures_json(self.cold),
            "targets": self.questions.as_json(),
            "diversity_by": self.distance,
            "fit_seconds": dict(self.fit_seconds),
            "shares": dict(self.shares),
            "skipped": dict(self.skipped),
            "dropped": dict(self.dropped),
        }


def evaluate(
    dataset: Dataset,
    models: Mapping[str, Model],
    *,
    protocol: Protocol = "global-time",
    seeds: Sequence[int] = (0,),
    blend_arms: Sequence[str] | None = None,
    show: Sequence[str] | None = None,
    tie: Tie = "file",
    watch: Callable[[Trained], None] | None = None,
    progress: Progress | None = None,
) -> Evaluation:
    """Fit models on the training part of a protocol's fold and ask them its test targets.

    A user's figure is the mean over that user's targets, then over seeds; a table's figure is the mean over users, its
    interval the percentile bootstrap over users, its spread the standard deviation over seeds. `blend_arms` names the
    models under a blend, which then stands in the table as "blend"; `show` names the models to report where some serve
    the blend alone. `watch` is handed the fits of each seed, for callers that go on with them. RequestError without a
    model or a seed, NotEnoughDataError where nothing can be asked.
    """
    if not seeds or not models:
        raise RequestError(f"expected at least one model and one seed, got {len(models)} and {len(seeds)}")
    began = time.perf_counter()
    fold = make_fold(dataset, protocol, tie=tie)
    judge = Judge(fold.test, fold.train, dataset.catalog)
    runs = [_run(models, fold, judge, blend_arms, show, seed, watch, progress) for seed in seeds]
    tables = Tables([run.judged for run in runs], n_resamples=N_RESAMPLES)
    return Evaluation(
        data=_data(dataset, fold, protocol),
        protocol=protocol,
        seeds=tuple(seeds),
        seconds=time.perf_counter() - began,
        models=tables.all(),
        versus=tables.versus(),
        warm=tables.part("warm"),
        cold=tables.part("cold"),
        questions=questions(fold, len(np.unique(dataset.log.positive.user_row))),
        distance=judge.distance,
        fit_seconds=_mean_of([run.seconds for run in runs]),
        shares=_mean_shares([run.shares for run in runs]),
        skipped={name: why for run in runs for name, why in run.skipped.items()},
        dropped={name: why for run in runs for name, why in run.dropped.items()},
    )


@dataclass(frozen=True)
class _Run:
    """What is kept of a seed once its models are gone."""

    judged: Mapping[str, Judged]
    seconds: Mapping[str, float]
    shares: Mapping[str, float]
    skipped: Mapping[str, str]
    dropped: Mapping[str, str]


def _run(
    models: Mapping[str, Model],
    fold: Fold,
    judge: Judge,
    blend_arms: Sequence[str] | None,
    show: Sequence[str] | None,
    seed: int,
    watch: Callable[[Trained], None] | None,
    progress: Progress | None,
) -> _Run:
    trained = train(models, fold, catalog=judge.catalog, blend_arms=blend_arms, seed=seed, progress=progress)
    if watch:
        watch(trained)
    judged = _judged(judge, _shown(trained.fitted, show), progress)
    shares, dropped = (trained.blend.shares, trained.blend.dropped) if trained.blend else ({}, {})
    return _Run(judged, dict(trained.seconds), dict(shares), dict(trained.skipped), dict(dropped))


def _shown(fitted: Mapping[str, FittedModel], show: Sequence[str] | None) -> dict[str, FittedModel]:
    shown = {name: model for name, model in fitted.items() if show is None or name in show}
    if not shown:
        raise RequestError(f"expected a model to report, got none of {', '.join(show or ())} among {', '.join(fitted)}")
    return shown


def _judged(judge: Judge, fitted: Mapping[str, FittedModel], progress: Progress | None) -> dict[str, Judged]:
    judged = {}
    for done, (name, model) in enumerate(fitted.items()):
        if progress:
            progress(done, len(fitted), "rank all items")
        judged[name] = judge.judge(model.score)
    if progress:
        progress(len(fitted), len(fitted), "rank all items")
    return judged


def _data(dataset: Dataset, fold: Fold, protocol: Protocol) -> dict[str, Any]:
    """The sizes of what can be learned from, and the cutoff where there is one for all."""
    log = dataset.log.positive
    return {
        "name": dataset.name,
        "users": len(np.unique(log.user_row)),
        "items": len(np.unique(log.item_row)),
        "events": len(log),
        "train_events": len(fold.train),
        "cutoff": format_time(fold.cutoff_us) if protocol == "global-time" else None,
    }


def _mean_of(rows: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """The mean of each key over the rows that have it."""
    keys = dict.fromkeys(key for row in rows for key in row)
    return {key: float(np.mean([row[key] for row in rows if key in row])) for key in keys}


def _mean_shares(rows: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """The mean share of each arm over seeds, 0 where a seed dropped it; they sum to 1 as those of each seed do.

    >>> _mean_shares([{"a": 1.0}, {"a": 0.5, "b": 0.5}])
    {'a': 0.75, 'b': 0.25}
    """
    arms = dict.fromkeys(arm for row in rows for arm in row)
    return _mean_of([{arm: row.get(arm, 0.0) for arm in arms} for row in rows])


def _figures_json(figures: Figures) -> dict[str, dict[str, dict[str, float]]]:
    return {name: {metric: one.as_json() for metric, one in row.items()} for name, row in figures.items()}
