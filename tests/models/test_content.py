"""Content: words, topics and categories, on worlds whose items say what they are."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest

from driftline.data.catalog import Catalog
from driftline.data.events import histories
from driftline.data.synthetic import still
from driftline.errors import NotEnoughDataError
from driftline.models.content import Content, content_blocks

TITLES = [
    "red paper lantern",
    "red paper napkins",
    "blue glass jar",
    "blue glass vase",
    "",
    "東京の地図",
    "東京の写真",
    "x",
]


def titled(log: Any, **more: Any) -> Catalog:
    return replace(Catalog.empty(log.items), title=np.array(TITLES, object), **more)


def test_items_with_words_in_common_with_the_history_come_first(events: Any, everybody: Any) -> None:
    log = events([(0, 1, 0), (1, 1, 2), (2, 1, 5), (3, 1, 4), (4, 1, 7)])
    scores = Content().fit(log, catalog=titled(log)).score(everybody(log))
    assert [set(row.argsort()[-2:].tolist()) for row in scores[:3]] == [{0, 1}, {2, 3}, {5, 6}]
    assert scores[0, 1] > 0.1
    assert scores[0, 2] < 1e-6


def test_a_history_without_a_known_word_gets_the_order_of_popularity(events: Any, everybody: Any) -> None:
    log = events([(0, 1, 4), (1, 1, 4), (2, 1, 0)])
    scores = Content().fit(log, catalog=titled(log)).score(everybody(log))
    assert scores[0].argsort()[::-1][:2].tolist() == [4, 0]
    assert scores[5].argsort()[::-1][:2].tolist() == [4, 0]


def test_items_without_any_event_are_found_by_their_topic() -> None:
    """Half of the items never occur; those that share the user's topics are scored above the others."""
    world = still(n_users=40, n_items=40, n_topics=4, n_events=20, noise=0.0)
    log = world.log.select(world.log.item_row < 20)
    asked = histories(log, np.arange(40, dtype=np.int32), np.full(40, log.last_us + 1))
    scores = Content().fit(log, catalog=world.dataset.catalog).score(asked)[:, 20:]
    liked = [
        np.bincount(world.truth.item_topic[log.item_row[a:b]], minlength=4).argmax()
        for a, b in zip(asked.start, asked.end, strict=True)
    ]
    assert (world.truth.item_topic[20:][scores.argmax(axis=1)] == liked).mean() > 0.9


def test_categories_are_text_columns_with_few_values(events: Any) -> None:
    """A link is different for every item and a number is no category; a missing value is no value."""
    log = events([(0, 1, 0)])
    attributes = pl.DataFrame(
        {
            "colour": ["red", "red", "blue", "blue", None, "red", "blue", None],
            "link": [f"page {n}" for n in range(8)],
            "weight": list(range(8)),
            "unit": ["piece"] * 8,
        }
    )
    (block,) = content_blocks(replace(Catalog.empty(log.items), attributes=attributes))
    rows = block.toarray()
    assert (rows[0] == rows[1]).all()
    assert (rows[0] != rows[2]).any()
    assert rows.sum(axis=1).tolist() == [1, 1, 1, 1, 0, 1, 1, 0]


def test_what_few_items_have_says_more(events: Any, everybody: Any) -> None:
    """Item 0 is red, as most, and of brass, as item 7 alone: of items that share one of the two, 7 is the liker."""
    log = events([(0, 1, 0)])
    colours = ["red", "red", "red", "red", "blue", "red", "blue", "blue"]
    metals = ["brass", "iron", "iron", "iron", "iron", "iron", "iron", "brass"]
    catalog = replace(Catalog.empty(log.items), attributes=pl.DataFrame({"colour": colours, "metal": metals}))
    scores = Content().fit(log, catalog=catalog).score(everybody(log))[0]
    assert scores[7] > scores[1] > scores[4]


def test_of_equally_like_items_the_more_popular_comes_first(events: Any, everybody: Any) -> None:
    """By hand: the score is that without popularity times the root of one and the item's events."""
    log = events([(0, 1, 0), (1, 1, 1), (2, 1, 1), (3, 1, 1), (4, 1, 2)])
    plain = Content().fit(log, catalog=titled(log)).score(everybody(log))[0]
    popular = Content(popularity=0.5).fit(log, catalog=titled(log)).score(everybody(log))[0]
    assert popular[:2] == pytest.approx(plain[:2] * np.sqrt([2, 4]), rel=1e-5)


def test_a_catalog_that_says_nothing_is_refused(events: Any) -> None:
    log = events([(0, 1, 0)])
    for catalog in (None, Catalog.empty(log.items)):
        with pytest.raises(NotEnoughDataError, match="titles"):
            Content().fit(log, catalog=catalog)


def test_an_update_keeps_the_vectors_and_moves_the_counts(events: Any, everybody: Any) -> None:
    log = events([(0, 1, 0), (1, 1, 2)])
    fitted = Content().fit(log, catalog=titled(log))
    newer = fitted.update(events([(0, 2, 9)], n_items=10))
    assert newer.counts[[0, 9]].tolist() == [1, 1]
    assert newer.score(everybody(log))[:, :8] == pytest.approx(fitted.score(everybody(log)), abs=1e-6)
