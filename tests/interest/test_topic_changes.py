"""What became of topics from one fit to the next is told: what went on, is new, ended, merged, split or renamed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from driftline.data.catalog import Catalog
from driftline.interest.learned import learn_topics
from driftline.interest.topic_changes import topic_changes
from driftline.interest.topics import catalog_topics
from driftline.interest.vectors import says_something

Tagged = Callable[[Sequence[str]], Catalog]


def changes(tagged: Tagged, before: list[str], now: list[str]) -> dict[str, Any]:
    """What became of the topics of a catalog whose items change their tags, with topics by name."""
    return topic_changes(catalog_topics(tagged(before)), catalog_topics(tagged(now))).as_json()


def named(told: list[dict[str, Any]]) -> list[tuple[Any, Any]]:
    """Merges, splits and new names as pairs of names."""

    def names(topics: Any) -> Any:
        return topics["name"] if isinstance(topics, dict) else [one["name"] for one in topics]

    return [(names(one["from"]), names(one["into"])) for one in told]


def test_two_topics_that_become_a_third_are_merged_into_it(tagged: Tagged):
    told = changes(tagged, ["cups"] * 4 + ["pots"] * 5 + ["toys"] * 3, ["tea"] * 9 + ["toys"] * 3)
    assert told["went_on"] == ["toys"]
    assert told["new"] == [{"topic": "tea", "name": "tea"}]
    assert [one["topic"] for one in told["ended"]] == ["cups", "pots"]
    assert named(told["merged"]) == [(["cups", "pots"], "tea")]
    assert told["split"] == told["renamed"] == []


def test_a_topic_that_another_swallows_is_merged_into_it(tagged: Tagged):
    told = changes(tagged, ["cups"] * 4 + ["tea"] * 50, ["tea"] * 54)
    assert named(told["merged"]) == [(["cups", "tea"], "tea")]
    assert (told["went_on"], told["new"]) == (["tea"], [])


def test_a_topic_that_falls_into_two_is_split(tagged: Tagged):
    told = changes(tagged, ["tea"] * 9 + ["toys"] * 3, ["cups"] * 4 + ["pots"] * 5 + ["toys"] * 3)
    assert named(told["split"]) == [("tea", ["cups", "pots"])]
    assert told["merged"] == told["renamed"] == []


def test_a_part_that_leaves_a_topic_is_split_from_it(tagged: Tagged):
    told = changes(tagged, ["tea"] * 50 + ["toys"] * 9, ["cups"] * 4 + ["tea"] * 46 + ["toys"] * 9)
    assert named(told["split"]) == [("tea", ["cups", "tea"])]


def test_tags_added_beside_the_old_ones_split_the_topic_they_refine(tagged: Tagged):
    told = changes(tagged, ["tea"] * 9 + ["toys"] * 3, ["tea|cups"] * 4 + ["tea"] * 5 + ["toys"] * 3)
    assert named(told["split"]) == [("tea", ["cups", "tea"])]
    assert told["went_on"] == ["tea", "toys"]


def test_another_name_for_the_same_items_is_a_new_name(tagged: Tagged):
    told = changes(tagged, ["tea cups"] * 4 + ["toys"] * 3, ["teacups"] * 4 + ["toys"] * 3)
    assert named(told["renamed"]) == [("tea cups", "teacups")]
    assert told["merged"] == told["split"] == []


def test_what_ends_over_many_and_what_comes_of_many_is_neither_merge_nor_split(tagged: Tagged):
    told = changes(
        tagged, ["odd"] * 6 + ["a"] * 9 + ["b"] * 9 + ["c"] * 9, list("aabbcc") + ["a"] * 9 + ["b"] * 9 + ["c"] * 9
    )
    assert [one["topic"] for one in told["ended"]] == ["odd"]
    assert told["merged"] == told["split"] == told["renamed"] == []


def test_the_same_topics_over_new_items_go_on(tagged: Tagged):
    told = changes(tagged, ["a"] * 3 + ["b"] * 3, ["a"] * 3 + ["b"] * 3 + ["a|b"] * 9)
    assert told == {"went_on": ["a", "b"], "new": [], "ended": [], "merged": [], "split": [], "renamed": []}


def test_topics_of_other_items_altogether_end_and_begin(tagged: Tagged):
    now = catalog_topics(tagged(["x"] * 3))
    elsewhere = replace(now, items=type(now.items)(f"other{place}" for place in range(3)))
    told = topic_changes(catalog_topics(tagged(["a"] * 3)), elsewhere).as_json()
    assert ([one["topic"] for one in told["ended"]], [one["topic"] for one in told["new"]]) == (["a"], ["x"])


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_learned_topics_that_a_refit_joins_are_told_and_the_others_keep_their_names(seed: int, house: Any):
    """Sixteen tools are four rooms: a refit on four topics merges each room's tools and keeps an old name for it."""
    log, catalog, tool, _ = house(seed)
    old = learn_topics(log, catalog, n_topics=16, seed=seed)
    new = learn_topics(log, catalog, n_topics=4, previous=old, seed=seed)
    told = topic_changes(old, new).as_json()
    assert len(new) == 4
    assert {one["topic"] for group in told["merged"] for one in group["from"]} == set(old.ids)
    words = np.array([_tool(title) for title in catalog.title])
    for group in told["merged"]:
        parts = {
            words[np.asarray(old.weights[:, [old.column(one["topic"])]].todense()).ravel() > 0][0]
            for one in group["from"]
        }
        rooms = {int(tool[words == part][0]) // 4 for part in parts}
        assert len(rooms) == 1, "what is merged is of one room"


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_learned_topics_that_a_refit_divides_are_told(seed: int, house: Any):
    log, catalog, _, _ = house(seed)
    old = learn_topics(log, catalog, n_topics=4, seed=seed)
    new = learn_topics(log, catalog, n_topics=16, previous=old, seed=seed)
    told = topic_changes(old, new).as_json()
    parts = [part["topic"] for one in told["split"] for part in one["into"]]
    assert len(told["split"]) >= 3
    assert len(parts) == len(set(parts)) > 12
    assert set(parts) | set(told["went_on"]) == set(new.ids), "every new topic is a part of an old one"
    assert told["merged"] == []


def _tool(title: str) -> str:
    """The second word of a title: the shade comes first, the room, if any, last."""
    return next(word for word in title.split()[1:] if says_something(word))
