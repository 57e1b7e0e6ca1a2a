"""From what was measured to what the page shows: the dataset, the table of models, the slate."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from driftline.console.content import OTHER, Data, Fault, Interval, ModelRow, Models, Slate, SlateItem, Topic
from driftline.data.catalog import Catalog
from driftline.data.dataset import Dataset
from driftline.data.events import EventLog
from driftline.demo.days import day_of, iso_day
from driftline.evaluation.compare import Evaluation
from driftline.interest.topics import Topics
from driftline.metrics.bootstrap import Estimate
from driftline.ranking.slate import Slate as Recommended

SHOWN_METRICS = ("ndcg@10", "hr@10", "hr@20", "mrr@20")
NOTICE = "NOTICE.md"


def data_of(dataset: Dataset, repeats: str, folder: Path, title: str) -> Data:
    """The dataset in numbers, what reading found, and the notice that lies beside it."""
    log, report = dataset.log, dataset.report
    positive = log.positive
    notice = folder / NOTICE
    return Data(
        name=title,
        users=len(np.unique(positive.user_row)),
        items=len(np.unique(positive.item_row)),
        events=len(positive),
        first=iso_day(day_of(log.first_us)),
        last=iso_day(day_of(log.last_us)),
        rows=report.rows,
        kept=report.kept,
        time_unit=report.time_unit,
        repeats=repeats,
        faults=tuple(Fault(one.code, one.count, one.example, one.action) for one in report.problems),
        notice=notice.read_text(encoding="utf-8") if notice.is_file() else "",
    )


def topics_of(topics: Topics, catalog: Catalog) -> tuple[Topic, ...]:
    """Every topic with the titles of the items that explain its name."""
    rows = [catalog.items.rows(examples) for examples in topics.examples]
    titles = [tuple(catalog.label(int(row)) for row in of_topic) for of_topic in rows]
    return tuple(Topic(name, of_topic) for name, of_topic in zip(topics.names, titles, strict=True))


def models_of(evaluation: Evaluation) -> Models:
    """The table of models; each row says how far it is behind the best by each metric, paired over users."""
    best = {metric: evaluation.ranked(metric)[0] for metric in SHOWN_METRICS}
    rows = []
    for name in evaluation.ranked():
        behind = {
            metric: interval_of(evaluation.versus[leader][name][metric])
            for metric, leader in best.items()
            if leader != name
        }
        figures = {metric: interval_of(evaluation.models[name][metric]) for metric in SHOWN_METRICS}
        warm, cold = (_values(part.get(name, {})) for part in (evaluation.warm, evaluation.cold))
        rows.append(ModelRow(name, figures, warm, cold, behind, evaluation.fit_seconds.get(name)))
    asked = evaluation.questions
    return Models(
        protocol=evaluation.protocol,
        cutoff=str(evaluation.data["cutoff"])[:10],
        targets=asked.targets,
        users=asked.users,
        cold_targets=asked.cold_targets,
        rows=tuple(rows),
        arms=evaluation.shares,
    )


def slate_of(recommended: Recommended, log: EventLog, topics: Topics, catalog: Catalog) -> Slate:
    """A slate with what its user did before and after; `log` holds positive events, later ones too."""
    mine = log.user_row == log.users.row(recommended.user_id)
    later = mine & (log.time_us >= recommended.at_us)
    items = []
    for one in recommended.items:
        row = catalog.items.row(one.item_id)
        taken = log.time_us[later & (log.item_row == row)]
        had = bool((mine & ~later & (log.item_row == row)).any())
        items.append(
            SlateItem(
                one.item_id,
                one.title,
                one.reason,
                dict(one.arms),
                _topic_of(topics, row),
                had,
                iso_day(day_of(int(taken.min()))) if len(taken) else None,
            )
        )
    return Slate(tuple(items), iso_day(day_of(log.last_us)))


def interval_of(one: Estimate) -> Interval:
    """An estimate as the page knows it."""
    return Interval(one.value, one.low, one.high)


def _values(row: Mapping[str, Estimate]) -> dict[str, float]:
    return {metric: row[metric].value for metric in SHOWN_METRICS if metric in row}


def _topic_of(topics: Topics, item_row: int) -> int:
    weights = topics.of_items(np.array([item_row], np.int32))
    return int(weights.indices[weights.data.argmax()]) if weights.nnz else OTHER
