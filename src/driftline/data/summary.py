"""What is in a dataset, in one JSON-ready document: sizes, time, kinds, repeats, topics, and what is wrong with it."""

from __future__ import annotations

from typing import Any

import numpy as np

from driftline.data.dataset import REPEATS_ALLOWED_ABOVE, Dataset, repeat_share
from driftline.types import format_time

_SIDE = ("users", "relations", "friends", "context", "occasions", "impressions")


def summarise(dataset: Dataset) -> dict[str, Any]:
    """The document of `driftline check`: the contract's keys, then users, items, kinds, repeats, topics and tables."""
    log, report = dataset.log, dataset.report
    show = _position if dataset.order_only else format_time
    return {
        "name": dataset.name,
        "rows": report.rows,
        "kept": report.kept,
        "users": log.n_users,
        "items": log.n_items,
        "problems": [
            {"code": one.code, "count": one.count, "example": one.example, "action": one.action}
            for one in report.problems
        ],
        "time": {
            "unit": report.time_unit,
            "first": show(log.first_us),
            "last": show(log.last_us),
            "order_only": dataset.order_only,
        },
        "kinds": _kinds(dataset),
        "history": _history(dataset),
        "repeats": _repeats(dataset),
        "topics": _topics(dataset),
        "tables": {name: table.height for name in _SIDE if (table := getattr(dataset, name)) is not None},
    }


def _position(time_us: int) -> int:
    return int(time_us)


def _kinds(dataset: Dataset) -> dict[str, dict[str, Any]]:
    log = dataset.log
    counts = np.bincount(log.kind, minlength=len(log.kinds))
    return {
        kind.name: {"count": int(count), "weight": kind.weight, "target": kind.target and kind.positive}
        for kind, count in zip(log.kinds, counts, strict=True)
    }


def _history(dataset: Dataset) -> dict[str, float]:
    """Events per user and per moment."""
    log = dataset.log
    per_user = np.bincount(log.user_row, minlength=log.n_users)
    moments = int(log.moment[-1]) + 1 if len(log) else 0
    return {
        "median": float(np.median(per_user)) if len(per_user) else 0.0,
        "longest": int(per_user.max(initial=0)),
        "events_per_moment": len(log) / moments if moments else 0.0,
    }


def _repeats(dataset: Dataset) -> dict[str, Any]:
    """The share of events that repeat a pair, and the rule that follows on the whole log, unless one is declared."""
    share = repeat_share(dataset.log)
    rule = dataset.repeats or ("allow" if share > REPEATS_ALLOWED_ABOVE else "exclude")
    return {"share": share, "rule": rule, "declared": dataset.repeats is not None}


def _topics(dataset: Dataset) -> dict[str, float]:
    """How many topics there are, and the share of items and of events that have one."""
    catalog, log = dataset.catalog, dataset.log
    has = np.diff(catalog.topics.indptr) > 0
    return {
        "count": len(catalog.topic_names),
        "share_of_items": float(has.mean()) if len(has) else 0.0,
        "share_of_events": float(has[log.item_row].mean()) if len(log) else 0.0,
        "listed_items": int(catalog.listed.sum()),
    }
