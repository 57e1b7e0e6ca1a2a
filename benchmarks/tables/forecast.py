"""Forecast: skill against every baseline, at each origin, and what the order of events is worth.

The order-blind twin is the same forecast from how often things were had. On the permuted order every user's items stand
over that user's own times in another order: what a forecast still gains over its twin there is not order.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.datasets import folder_of
from benchmarks.report import Report, Table
from benchmarks.tables import asked as tables
from driftline.data.dataset import Dataset
from driftline.data.events import EventLog
from driftline.data.reading import read_dataset
from driftline.evaluation.forecasting import BLIND, DRIFTLINE, ForecastEvaluation, evaluate_forecast
from driftline.interest.horizons import Horizon
from driftline.metrics.bootstrap import Estimate

HORIZONS = "7d,28d,next-20"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("dataset", help="a name or a dataset folder")
    parser.add_argument("--horizons", type=tables.names, default=HORIZONS, help="horizons with commas between")
    parser.add_argument("--seed", type=int, default=0, help="of halves of users, of draws, and of the permuted order")


def run(asked: argparse.Namespace) -> Report:
    folder = folder_of(asked.dataset, asked.source, asked.cache)
    dataset = read_dataset(Path(folder))
    shown, found = [], {}
    for horizon in asked.horizons:
        tables.say(horizon)
        real, mixed = (
            evaluate_forecast(one, Horizon.parse(horizon), seed=asked.seed) for one in both(dataset, asked.seed)
        )
        shown += [skill_table(folder.name, real), worth_table(real, mixed)]
        found[horizon] = {"real": real.as_json(), "permuted": mixed.as_json()}
    return tables.report(asked, f"forecast-{folder.name}", f"Forecasts on {folder.name}", shown, found)


def both(dataset: Dataset, seed: int) -> tuple[Dataset, Dataset]:
    """The data as it is, and with every user's items in another order over the same times."""
    return dataset, replace(dataset, log=permuted(dataset.log, seed))


def permuted(log: EventLog, seed: int) -> EventLog:
    """Whatever an event is but its time changes place with other events of the same user."""
    order = np.lexsort((np.random.default_rng(seed).random(len(log)), log.user_row))
    extra = None if log.extra is None else log.extra[order]
    return replace(log, item_row=log.item_row[order], kind=log.kind[order], value=log.value[order], extra=extra)


def skill_table(name: str, found: ForecastEvaluation) -> Table:
    """Every forecast's figures, and as notes the skill at each origin and where intervals cover less or more."""
    rows = [
        (model, f"{row['log_score'].value:.4f}", percent(row["skill"]), f"{row['ndcg@10'].value:.4f}", covered(row))
        for model, row in sorted(found.models.items(), key=lambda one: one[1]["log_score"].value)
    ]
    notes = [f"{found.users:,} users, {found.windows:,} windows; best baseline {found.best}"]
    if found.by_origin:
        notes.append("skill by origin: " + ", ".join(percent(one.skill) for one in found.by_origin))
    own, low = found.coverage[DRIFTLINE], found.coverage[DRIFTLINE].deciles[0]
    notes.append(
        f"coverage of {DRIFTLINE}: lowest tenth of activity {low.value:.1%} ({low.pairs:,} pairs), "
        f"windows of 10 events {own.long_windows.value:.1%} ({own.long_windows.pairs:,}), "
        f"plain multinomial {own.multinomial.value:.1%}"
    )
    columns = ("forecast", "nats", "skill", "NDCG@10", "coverage@90")
    return Table(f"{found.horizon} on {name}", columns, rows, tuple(notes))


def worth_table(real: ForecastEvaluation, mixed: ForecastEvaluation) -> Table:
    """What the forecast gains over its order-blind twin, in nats, on both orders."""
    rows = []
    for name, found in (("real", real), ("permuted", mixed)):
        gain = found.versus[BLIND][DRIFTLINE]["log_score"]
        base = found.models[BLIND]["log_score"].value
        rows.append((name, f"{gain.value:.4f} [{gain.low:.4f}, {gain.high:.4f}]", f"{gain.value / base:.2%}"))
    return Table(f"What order is worth, {real.horizon}", ("order", "nats less than the blind twin", "of them"), rows)


def percent(one: Estimate) -> str:
    return f"{one.value:+.2%} [{one.low:+.2%}, {one.high:+.2%}]"


def covered(row: Any) -> str:
    return f"{row['coverage@90'].value:.1%}"
