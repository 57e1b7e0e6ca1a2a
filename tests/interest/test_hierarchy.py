"""Topics stand in a hierarchy where the data gives one: by paths, by items that carry both, by groups; else flat."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import sparse

from driftline.interest.groups import LEAST_TOPICS
from driftline.interest.hierarchy import Hierarchy, containment_hierarchy, find_hierarchy, path_hierarchy
from driftline.interest.learned import learn_topics
from driftline.interest.topics import Topics, catalog_topics


def test_paths_in_names_are_a_tree_whose_inner_places_are_topics_or_groups():
    found = path_hierarchy(["Home", "Home > Kitchen > Pans", "Home > Kitchen > Pots", "Toys > Dolls", "Loose"])
    assert found is not None
    assert found.source == "paths"
    assert found.parents == {
        "Home > Kitchen > Pans": "Home > Kitchen",
        "Home > Kitchen > Pots": "Home > Kitchen",
        "Home > Kitchen": "Home",
        "Toys > Dolls": "Toys",
    }
    assert [group.id for group in found.groups] == ["Home > Kitchen", "Toys"], "Home is a topic itself"


@pytest.mark.parametrize(
    "names",
    [
        ["Action", "Sci-Fi/Fantasy", "Drama", "Crime", "War"],
        ["R&B/Soul", "Hip-Hop/Rap", "Folk/Country"],
        ["a >", "> b", ">"],
        [],
    ],
    ids=["one slash of five", "no place is shared", "empty parts", "no topics"],
)
def test_a_separator_here_and_there_is_no_path(names: list[str]):
    assert path_hierarchy(names) is None


def test_slashes_are_paths_where_places_are_shared():
    found = path_hierarchy(["Home/Kitchen", "Home/Bath", "Home / Garden"])
    assert found is not None
    assert set(found.parents.values()) == {"Home"}


def test_a_topic_whose_items_all_carry_a_wider_one_lies_inside_the_narrowest_such(tagged):
    tags = ["care|hair|shampoo"] * 6 + ["care|hair|dye"] * 6 + ["care|nails"] * 8 + ["scent"] * 40
    catalog = tagged(tags)
    found = containment_hierarchy(catalog.topic_names, sparse.csr_matrix(catalog.topics))
    assert found is not None
    assert found.parents == {"shampoo": "hair", "dye": "hair", "hair": "care", "nails": "care"}


def test_topics_that_only_overlap_and_a_lone_item_stay_flat(tagged):
    tags = ["action|crime"] * 6 + ["action"] * 6 + ["crime"] * 6 + ["drama"] * 10 + ["drama|noir"] + ["love"] * 8
    catalog = tagged(tags)
    weights = sparse.csr_matrix(catalog.topics)
    assert find_hierarchy(catalog.topic_names, weights) == Hierarchy()
    assert Hierarchy().told(5) == "5 topics, flat"


def test_what_most_items_carry_says_nothing_of_any(tagged):
    tags = ["all|a"] * 10 + ["all|b"] * 10 + ["all|c"] * 10
    catalog = tagged(tags)
    assert containment_hierarchy(catalog.topic_names, sparse.csr_matrix(catalog.topics)) is None


def test_catalog_topics_list_their_parents_and_groups_their_examples(tagged):
    catalog = tagged(["Home > Kitchen"] * 3 + ["Home > Bath"] * 3)
    topics = catalog_topics(catalog)
    assert [(one["topic"], one["parent"]) for one in topics.as_json()] == [
        ("Home > Bath", "Home"),
        ("Home > Kitchen", "Home"),
    ]
    (home,) = topics.hierarchy.groups_json()
    assert (home["group"], home["parent"], home["examples"]) == ("Home", None, ["i3", "i0", "i4"])
    assert home["below"] == ["Home > Bath", "Home > Kitchen"]
    assert topics.group(0) == "Home"
    assert topics.hierarchy.told(2) == "2 topics in 1 group, by the paths in their names"


def test_a_parent_that_is_a_topic_is_the_group_of_those_below(tagged):
    topics = catalog_topics(tagged(["care|hair"] * 6 + ["care"] * 6 + ["scent"] * 20))
    assert topics.group(topics.column("hair")) == "care"
    assert topics.group(topics.column("care")) is None


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_learned_topics_are_grouped_by_the_rooms_that_people_buy_in(house, seed: int):
    log, catalog, _, room = house(seed)
    topics = learn_topics(log, catalog, n_topics=16, seed=seed)
    assert topics.hierarchy.source == "groups"
    ids = np.array([topics.hierarchy.parents[one] for one in topics.ids])
    of_item = ids[np.asarray(topics.weights.argmax(axis=1)).ravel()]
    pure = sum(np.unique(of_item[room == one], return_counts=True)[1].max() for one in range(4)) / len(room)
    assert pure > 0.9
    assert len(topics.hierarchy.groups) == 4
    for group in topics.hierarchy.groups_json():
        assert len(group["examples"]) == 3
        assert all(of_item[catalog.items.row(item)] == group["group"] for item in group["examples"])
    assert len({group.name for group in topics.hierarchy.groups}) == 4


def test_a_few_learned_topics_stay_flat(house):
    log, catalog, _, _ = house()
    topics = learn_topics(log, catalog, n_topics=LEAST_TOPICS - 1)
    assert topics.hierarchy == Hierarchy()


@pytest.mark.parametrize("seed", [0, 1])
def test_groups_keep_ids_and_names_through_a_refit(house, seed: int):
    log, catalog, _, _ = house(seed)
    keep = np.random.default_rng(seed).random(len(log)) < 0.9
    old = learn_topics(log.select(keep), catalog, n_topics=16, seed=seed)
    new = learn_topics(log, catalog, n_topics=16, previous=old, seed=seed + 50)
    assert [(one.id, one.name) for one in new.hierarchy.groups] == [(one.id, one.name) for one in old.hierarchy.groups]
    assert new.hierarchy.parents == old.hierarchy.parents
    again = learn_topics(log, catalog, n_topics=16, previous=new, seed=seed)
    assert again.hierarchy == new.hierarchy, "the same data again changes nothing"


def test_a_group_that_is_new_gets_an_id_that_was_never_used(house):
    log, catalog, _, _ = house()
    old = learn_topics(log, catalog, n_topics=16)
    fewer = replace(old, hierarchy=replace(old.hierarchy, groups=old.hierarchy.groups[:2]))
    new = learn_topics(log, catalog, n_topics=16, previous=fewer)
    numbers = [int(group.id[1:]) for group in new.hierarchy.groups]
    assert len(set(numbers)) == len(numbers)
    assert all(one in (1, 2) or one > 4 for one in numbers)


def test_a_hierarchy_is_the_same_after_save_and_load(house, tagged, tmp_path: Path):
    for name, topics in (("tags", catalog_topics(tagged(["a > b", "a > c"]))), ("learned", learn_topics(*house()[:2]))):
        topics.save(tmp_path / name)
        assert Topics.load(tmp_path / name).hierarchy == topics.hierarchy
