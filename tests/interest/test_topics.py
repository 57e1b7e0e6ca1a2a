"""Topics are the catalog's where it has them, else they are found, named after what sets them apart, and kept."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from scipy import sparse

from driftline.data.catalog import Catalog
from driftline.data.events import EventLog
from driftline.data.synthetic import still
from driftline.data.vocabulary import Vocabulary
from driftline.errors import RunError
from driftline.interest.clusters import cluster, derived_number, matched
from driftline.interest.learned import find_topics, learn_topics
from driftline.interest.topics import Topics, catalog_topics
from driftline.interest.vectors import use_vectors
from driftline.types import US_PER_DAY

SUBJECTS = {
    "tea": ("teapot", "teacup", "saucer"),
    "garden": ("spade", "planter", "trowel"),
    "baking": ("whisk", "muffin", "cookie"),
    "christmas": ("bauble", "tinsel", "wreath"),
    "stationery": ("notebook", "pencil", "eraser"),
}
COLOURS = ("red", "blue", "green", "set of 4", "pack of 12")


def shop(seed: int = 0, n_items: int = 120, n_users: int = 150) -> tuple[EventLog, Catalog, np.ndarray]:
    """A shop whose titles are two words of a subject and a colour; each user buys within one or two subjects."""
    rng = np.random.default_rng(seed)
    words = list(SUBJECTS.values())
    subject = np.arange(n_items) % len(words)
    titles = [
        f"{rng.choice(COLOURS)} {' '.join(rng.choice(words[own], 2, replace=False))} {place}".upper()
        for place, own in enumerate(subject)
    ]
    users = np.repeat(np.arange(n_users), 20)
    liked = rng.integers(0, len(words), (n_users, 2))[users, rng.integers(0, 2, len(users))]
    item = (liked + len(words) * rng.integers(0, n_items // len(words), len(users))).astype(np.int32)
    items = Vocabulary(f"i{place}" for place in range(n_items))
    empty = Catalog.empty(items)
    catalog = Catalog(
        items, np.array(titles, object), empty.text, (), empty.topics, ~empty.listed, empty.available_from_us
    )
    log = EventLog.from_columns(
        Vocabulary(f"u{place}" for place in range(n_users)),
        items,
        users.astype(np.int32),
        item,
        rng.integers(0, 100 * US_PER_DAY, len(users)),
    )
    return log, catalog, subject


def purity(topics: Topics, truth: np.ndarray) -> float:
    """The share of items whose topic's most frequent subject is theirs."""
    found = np.asarray(topics.weights.argmax(axis=1)).ravel()
    return float(sum(np.bincount(truth[found == one]).max() for one in np.unique(found)) / len(truth))


def test_catalog_topics_share_an_item_equally_and_leave_out_items_without(catalog_of, log_of):
    items = Vocabulary(["a", "b", "c"])
    empty = Catalog.empty(items)
    weights = sparse.csr_matrix(np.array([[0.5, 0.5], [0, 1], [0, 0]], np.float32))
    catalog = Catalog(items, empty.title, empty.text, ("x", "y"), weights, ~empty.listed, empty.available_from_us)
    log = log_of([("u", "a", 0), ("u", "c", 1), ("u", "b", 2), ("u", "b", 3)], items=["a", "b", "c"])
    topics = catalog_topics(catalog, log)
    assert topics.ids == topics.names == ("x", "y")
    assert topics.weights.toarray().tolist() == [[0.5, 0.5], [0, 1], [0, 0]]
    assert topics.share_without(log) == 1 / 4
    assert topics.examples == (("a",), ("b", "a"))


def test_items_that_came_after_the_topics_have_none():
    log, catalog, _ = shop()
    topics = learn_topics(log, catalog)
    rows = np.array([0, 5000], np.int32)
    assert topics.of_items(rows).sum(axis=1).ravel().tolist() == [[1.0, 0.0]]


def test_a_drawn_topic_is_one_of_the_items_own_and_each_is_drawn(topics_of):
    items = Vocabulary(["a", "b", "c"])
    topics = topics_of(items, {"a": "x|y", "b": "z"})
    drawn = topics.drawn(np.array([0, 1, 2] * 200, np.int32), seed=1)
    assert set(drawn[::3]) == {0, 1}
    assert abs((drawn[::3] == 0).mean() - 0.5) < 0.12
    assert set(drawn[1::3]) == {2}
    assert set(drawn[2::3]) == {-1}


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_planted_subjects_are_found_and_named_by_their_words(seed):
    log, catalog, subject = shop(seed)
    topics = learn_topics(log, catalog, n_topics=5, seed=seed)
    assert purity(topics, subject) > 0.95
    assert len(set(topics.names)) == len(topics) == 5
    for name in topics.names:
        words = set(re.split(" · ", name))
        assert any(words <= set(own) for own in SUBJECTS.values()), name


def test_every_topic_has_three_examples_of_its_own():
    log, catalog, _ = shop()
    topics = learn_topics(log, catalog)
    for column, examples in enumerate(topics.examples):
        rows = [catalog.items.row(item) for item in examples]
        assert len(set(rows)) == 3
        assert (topics.weights.toarray()[rows, column] > 0).all()


def test_without_text_topics_come_from_who_takes_what_and_are_named_after_items():
    log, catalog, subject = shop(n_users=400)
    topics = learn_topics(log, Catalog.empty(catalog.items), n_topics=5)
    assert purity(topics, subject) > 0.9
    assert len(set(topics.names)) == 5
    first = topics.names[0].split(" · ")
    assert all(log.items.row(item) >= 0 for item in first)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_refit_on_more_data_and_another_seed_keeps_names_and_ids(seed):
    log, catalog, _ = shop(seed, n_items=200)
    keep = np.random.default_rng(seed).random(len(log)) < 0.9
    old = learn_topics(log.select(keep), catalog, seed=seed)
    new = learn_topics(log, catalog, previous=old, seed=seed + 100)
    assert new.ids == old.ids
    assert new.names == old.names
    moved = np.asarray(new.weights.argmax(axis=1)).ravel() != np.asarray(old.weights.argmax(axis=1)).ravel()
    assert moved.mean() < 0.1


def test_a_refit_finds_its_topics_again_when_items_are_listed_in_another_order():
    log, catalog, _ = shop(n_items=200)
    old = learn_topics(log, catalog)
    turn = np.random.default_rng(0).permutation(len(catalog.items))
    items = Vocabulary(catalog.items.ids[turn])
    back = np.argsort(turn).astype(np.int32)
    turned = Catalog(
        items, catalog.title[turn], catalog.text, (), catalog.topics, catalog.listed, catalog.available_from_us
    )
    again = EventLog.from_columns(log.users, items, log.user_row, back[log.item_row], log.time_us)
    new = learn_topics(again, turned, previous=old)
    assert set(new.ids) == set(old.ids)
    assert dict(zip(new.ids, new.names, strict=True)) == dict(zip(old.ids, old.names, strict=True))


def test_a_topic_that_is_new_gets_an_id_that_was_never_used():
    log, catalog, _ = shop()
    old = learn_topics(log, catalog, n_topics=3)
    more = learn_topics(log, catalog, n_topics=6, previous=old)
    assert set(old.ids) == {"t1", "t2", "t3"}
    assert all(id_ in old.ids or int(id_[1:]) > 3 for id_ in more.ids)
    fewer = Topics(
        old.ids[:2], old.names[:2], old.weights[:, :2].tocsr(), old.examples[:2], old.items, True, old.n_given
    )
    assert "t3" not in learn_topics(log, catalog, n_topics=5, previous=fewer).ids


@pytest.mark.parametrize("titles", [{"a": "A TEACUP"}, {"a": ""}])
def test_one_item_one_event_one_user_is_one_topic(log_of, catalog_of, titles):
    topics = learn_topics(log_of([("u", "a", 1)]), catalog_of(titles))
    assert len(topics) == 1
    assert topics.weights.toarray().tolist() == [[1.0]]
    assert topics.examples == (("a",),)


def test_names_are_distinct_even_where_all_titles_are_the_same(log_of, catalog_of):
    rows = [(f"u{user}", f"i{user % 4 * 10 + place}", place) for user in range(40) for place in range(10)]
    items = {f"i{place}": "THING" for place in range(40)}
    topics = learn_topics(log_of(rows, items=list(items)), catalog_of(items), n_topics=4)
    assert len(set(topics.names)) == len(topics) > 1


def test_what_the_catalog_names_is_never_learned():
    world = still(n_users=20, n_events=20)
    topics = find_topics(world.log, world.dataset.catalog)
    assert topics.names == world.dataset.catalog.topic_names
    assert not topics.learned


def test_topics_are_the_same_after_save_and_load_and_damage_is_one_line(tmp_path: Path):
    log, catalog, _ = shop()
    topics = learn_topics(log, catalog)
    topics.save(tmp_path)
    again = Topics.load(tmp_path)
    assert (again.ids, again.names, again.examples, again.n_given) == (
        topics.ids,
        topics.names,
        topics.examples,
        topics.n_given,
    )
    assert (again.weights != topics.weights).nnz == 0
    assert again.items == topics.items
    (tmp_path / "topics.npz").write_bytes(b"nothing")
    with pytest.raises(RunError, match="fit again") as error:
        Topics.load(tmp_path)
    assert "\n" not in str(error.value)


def test_numbers_of_topics_stay_readable():
    assert [derived_number(n) for n in (0, 1, 30, 4000, 10**7)] == [1, 1, 2, 29, 64]


def test_clusters_of_directions_are_found_and_rows_of_zeros_belong_to_none():
    rng = np.random.default_rng(0)
    truth = np.repeat(np.arange(4), 30)
    points = np.eye(8)[truth] + 0.1 * rng.normal(size=(120, 8))
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    points[::10] = 0
    labels = cluster(points, np.ones(120), 4)
    assert (labels[::10] == -1).all()
    inside = labels >= 0
    assert all(len(np.unique(labels[inside & (truth == one)])) == 1 for one in range(4))
    assert len(np.unique(labels[inside])) == 4


def test_matching_is_one_to_one_by_overlap():
    """New 0 shares three of four items with old 1, new 1 half of old 0; new 2 shares too little with anything."""
    new = np.array([0, 0, 0, 0, 1, 1, 2, 2, 2, 2], np.int32)
    old = np.array([1, 1, 1, 0, 0, 0, 0, -1, -1, -1], np.int32)
    assert matched(new, old, 3, 2).tolist() == [1, 0, -1]


@pytest.mark.parametrize("seed", range(6))
def test_people_who_share_no_item_with_the_others_take_no_items_vector_away(seed: int) -> None:
    """Thirty people took all of twelve items, one took a thirteenth alone: every item is known, the two sides apart.

    Two groups have two trivial directions of one strength, and it must not be left to chance which of them goes.
    """
    user_row = np.append(np.repeat(np.arange(30), 12), 30).astype(np.int32)
    item_row = np.append(np.tile(np.arange(12), 30), 12).astype(np.int32)
    users, items = Vocabulary(f"u{n}" for n in range(31)), Vocabulary(f"i{n}" for n in range(13))
    log = EventLog.from_columns(users, items, user_row, item_row, np.arange(len(user_row), dtype=np.int64))
    vectors = use_vectors(log, seed=seed)
    likeness = vectors @ vectors.T
    np.testing.assert_allclose(likeness[:12, :12], 1.0, atol=1e-6)
    np.testing.assert_allclose(likeness[:12, 12], -1.0, atol=1e-6)


@pytest.mark.parametrize("n_users", [30, 30_000], ids=["whole", "by iteration"])
@pytest.mark.parametrize("seed", [0, 5])
def test_where_everybody_takes_everything_nothing_tells_items_apart(n_users: int, seed: int) -> None:
    """Nothing is left beside the trivial direction: no item has a vector, and all of them are one topic."""
    user_row, item_row = np.repeat(np.arange(n_users), 12), np.tile(np.arange(12), n_users)
    users, items = Vocabulary(f"u{n}" for n in range(n_users)), Vocabulary(f"i{n}" for n in range(12))
    times = np.arange(len(user_row), dtype=np.int64)
    log = EventLog.from_columns(users, items, user_row.astype(np.int32), item_row.astype(np.int32), times)
    assert not use_vectors(log, seed=seed).any()
    assert len(learn_topics(log, Catalog.empty(items), seed=seed).names) == 1


def test_small_and_large_decompositions_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    """Likenesses of items are the same from the whole decomposition and from the iteration."""
    log = still(60, 90, 6, seed=3).dataset.log
    whole = use_vectors(log)
    monkeypatch.setattr("driftline.interest.vectors.DENSE_CELLS", 0)
    by_iteration = use_vectors(log)
    np.testing.assert_allclose(by_iteration @ by_iteration.T, whole @ whole.T, atol=1e-6)
