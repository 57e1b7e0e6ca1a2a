"""Small logs and topics by hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

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


ROOMS = {
    "kitchen": ("whisk", "pan", "ladle", "grater"),
    "garden": ("spade", "trowel", "planter", "hose"),
    "desk": ("pencil", "eraser", "notebook", "stapler"),
    "nursery": ("rattle", "mobile", "teether", "blanket"),
}
SHADES = ("red", "blue", "green", "small", "large")


def make_house(
    seed: int = 0, per_tool: int = 12, n_users: int = 300
) -> tuple[EventLog, Catalog, np.ndarray, np.ndarray]:
    """Sixteen tools in four rooms; titles say the tool and, half of the time, its room; people buy within a room."""
    rng = np.random.default_rng(seed)
    tools = [(room, tool) for room, own in ROOMS.items() for tool in own]
    tool = np.repeat(np.arange(len(tools)), per_tool)
    titles = [
        f"{rng.choice(SHADES)} {tools[own][1]} {tools[own][0] if rng.random() < 0.5 else ''}".strip() for own in tool
    ]
    room = tool // 4
    items = Vocabulary(f"i{place}" for place in range(len(tool)))
    users = np.repeat(np.arange(n_users), 15)
    liked = rng.integers(0, 4, n_users)[users]
    favourite = 4 * liked + np.where(rng.random(len(users)) < 0.6, (users * 7) % 4, rng.integers(0, 4, len(users)))
    item = (favourite * per_tool + rng.integers(0, per_tool, len(users))).astype(np.int32)
    empty = Catalog.empty(items)
    catalog = replace(empty, title=np.array(titles, object), listed=~empty.listed)
    log = EventLog.from_columns(
        Vocabulary(f"u{place}" for place in range(n_users)),
        items,
        users.astype(np.int32),
        item,
        rng.integers(0, 100 * US_PER_DAY, len(users)),
    )
    return log, catalog, tool, room


def make_tagged(tags: Sequence[str]) -> Catalog:
    """Items i0, i1, … with the topics of each between bars."""
    items = Vocabulary(f"i{place}" for place in range(len(tags)))
    names = tuple(sorted({one for own in tags for one in own.split("|")}))
    cells = [
        (place, names.index(one), 1 / len(own.split("|"))) for place, own in enumerate(tags) for one in own.split("|")
    ]
    row, column, weight = zip(*cells, strict=True)
    topics = sparse.csr_matrix((np.array(weight, np.float32), (row, column)), shape=(len(tags), len(names)))
    empty = Catalog.empty(items)
    return replace(empty, topic_names=names, topics=topics, listed=~empty.listed)


@pytest.fixture
def log_of() -> Callable[..., EventLog]:
    return make_log


@pytest.fixture
def topics_of() -> Callable[..., Topics]:
    return make_topics


@pytest.fixture
def catalog_of() -> Callable[..., Catalog]:
    return make_catalog


@pytest.fixture
def house() -> Callable[..., tuple[EventLog, Catalog, np.ndarray, np.ndarray]]:
    return make_house


@pytest.fixture
def tagged() -> Callable[[Sequence[str]], Catalog]:
    return make_tagged
