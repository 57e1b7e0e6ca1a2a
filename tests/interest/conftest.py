"""Small logs and topics by hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest
from scipy import sparse

from driftline.data.catalog import Catalog
from driftline.data.events import EventLog
from driftline.data.kinds import Kind
from driftline.data.vocabulary import Vocabulary
from driftline.interest.topics import Topics
from driftline.types import US_PER_DAY

Row = tuple[str, str, float] | tuple[str, str, float, str] | tuple[str, str, float, str, float]


def make_log(
    rows: Sequence[Row], kinds: Sequence[Kind] = (Kind("interaction"),), items: Sequence[str] = ()
) -> EventLog:
    """Rows of user, item, day [, kind [, value]]."""
    users = Vocabulary(dict.fromkeys(row[0] for row in rows))
    names = Vocabulary(items or dict.fromkeys(row[1] for row in rows))
    kind = {one.name: place for place, one in enumerate(kinds)}
    return EventLog.from_columns(
        users,
        names,
        users.rows([row[0] for row in rows]),
        names.rows([row[1] for row in rows]),
        np.array([round(row[2] * US_PER_DAY) for row in rows], np.int64),
        kinds=kinds,
        kind=np.array([kind[row[3]] if len(row) > 3 else 0 for row in rows], np.int8),
        value=np.array([row[4] if len(row) > 4 else np.nan for row in rows], np.float32),
    )


def make_topics(items: Vocabulary, of: dict[str, str]) -> Topics:
    """Topics by their names, with vertical bars between."""
    names = tuple(sorted({name for names in of.values() for name in names.split("|")}))
    dense = np.zeros((len(items), len(names)))
    for item, own in of.items():
        for name in own.split("|"):
            dense[items.row(item), names.index(name)] = 1 / len(own.split("|"))
    return Topics(names, names, sparse.csr_matrix(dense), tuple(() for _ in names), items)


def make_catalog(titles: dict[str, str]) -> Catalog:
    """Items with a title each and no topics."""
    empty = Catalog.empty(Vocabulary(titles))
    return Catalog(
        empty.items,
        np.array(list(titles.values()), object),
        empty.text,
        (),
        empty.topics,
        ~empty.listed,
        empty.available_from_us,
    )


@pytest.fixture
def log_of() -> Callable[..., EventLog]:
    return make_log


@pytest.fixture
def topics_of() -> Callable[..., Topics]:
    return make_topics


@pytest.fixture
def catalog_of() -> Callable[..., Catalog]:
    return make_catalog
