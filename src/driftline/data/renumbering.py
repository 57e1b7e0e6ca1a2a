"""The same dataset under another numbering: for a model that was fitted when its rows had other numbers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from driftline.data.catalog import Catalog
from driftline.data.dataset import Dataset
from driftline.data.events import EventLog
from driftline.data.items_table import grown
from driftline.data.vocabulary import Vocabulary
from driftline.types import Rows


def renumbered(dataset: Dataset, users: Vocabulary, items: Vocabulary) -> Dataset:
    """The dataset with the ids of `users` and `items` as its first rows, in that order, and its other ids after them.

    Ids that it does not know are rows without events, and items without attributes.
    """
    log = dataset.log
    users, items = users.extended(log.users.ids), items.extended(log.items.ids)
    if users == log.users and items == log.items:
        return dataset
    log = EventLog.from_columns(
        users,
        items,
        users.rows(log.users.ids)[log.user_row],
        items.rows(log.items.ids)[log.item_row],
        log.time_us,
        kinds=log.kinds,
        kind=log.kind,
        value=log.value,
        extra=log.extra,
    )
    catalog = grown(dataset.catalog, dataset.catalog.items.extended(items.ids))
    return replace(dataset, log=log, catalog=_taken(catalog, catalog.items.rows(items.ids), items))


def _taken(catalog: Catalog, rows: Rows, items: Vocabulary) -> Catalog:
    """The rows of a catalog, in their order, under the ids `items`."""
    return replace(
        catalog,
        items=items,
        title=catalog.title[rows],
        text=catalog.text[rows],
        topics=catalog.topics[rows],
        listed=catalog.listed[rows],
        available_from_us=catalog.available_from_us[rows],
        attributes=None if catalog.attributes is None else catalog.attributes[rows.astype(np.int64)],
    )
