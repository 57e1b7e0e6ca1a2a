"""Topics learned where the catalog names none: groups of items by what is said of them and by who takes them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from driftline.data.catalog import Catalog
from driftline.data.events import EventLog
from driftline.interest.clusters import Labels, centres_of, cluster, derived_number, kept_number, matched
from driftline.interest.groups import Items, group_topics
from driftline.interest.naming import names_of
from driftline.interest.topics import Topics, catalog_topics, examples_of, weights_of
from driftline.interest.vectors import Vectors, joined, text_vectors, use_vectors


def find_topics(log: EventLog, catalog: Catalog, *, previous: Topics | None = None, seed: int = 0) -> Topics:
    """The catalog's topics where it has them, else topics that are learned."""
    return (
        catalog_topics(catalog, log) if catalog.has_topics else learn_topics(log, catalog, previous=previous, seed=seed)
    )


def learn_topics(
    log: EventLog, catalog: Catalog, *, n_topics: int | None = None, previous: Topics | None = None, seed: int = 0
) -> Topics:
    """Group items into topics and name them.

    Vectors of items (text beside co-use; co-use alone where there is no text) are grouped by spherical k-means. The
    number of topics follows the catalog's size unless given. With `previous` topics the groups start from the old
    ones, and a group that overlaps an old one keeps its id and name; new groups get numbers that were never used.
    An item of which nothing is known (no words in common, no events) has no topic.
    """
    items = _items(log, catalog, seed=seed)
    old = None if previous is None or not previous.learned else _Old.of(previous, items, log)
    number = n_topics or _number(items, 0 if old is None else len(old.topics))
    first = None if old is None else old.centres
    labels = _whole(cluster(items.vectors, items.worth, max(number, 1), first=first, seed=seed), log)
    names, ids, given = _names(labels, items, catalog, old)
    weights = weights_of(labels, len(ids))
    examples = examples_of(weights, items.typical(labels, len(ids)), catalog.items)
    above = None if old is None else old.topics.hierarchy
    hierarchy = group_topics(items, labels, ids, catalog, previous=above, seed=seed)
    return Topics(ids, names, weights, examples, catalog.items, True, given, hierarchy)


@dataclass(frozen=True, eq=False)
class _Old:
    """Topics of before among the items of now: the label of each item, and the directions of those that are left."""

    topics: Topics
    labels: Labels
    centres: Vectors

    @classmethod
    def of(cls, topics: Topics, items: Items, log: EventLog) -> _Old:
        labels = _old_labels(topics, log)
        centres = centres_of(items.vectors, items.worth, labels, len(topics))
        return cls(topics, labels, centres[(centres != 0).any(axis=1)])


def _items(log: EventLog, catalog: Catalog, *, seed: int) -> Items:
    use = use_vectors(log, seed=seed)
    vectors = joined(text_vectors(catalog, use, seed=seed), use)
    return Items(vectors, use, np.log1p(log.positive.item_counts()) + 0.1)


def _number(items: Items, n_before: int) -> int:
    return kept_number(derived_number(int((items.vectors != 0).any(axis=1).sum())), n_before)


def _old_labels(previous: Topics, log: EventLog) -> Labels:
    """The old topic of each item of the log, by item id; -1 where it had none."""
    row = previous.items.rows(log.items.ids)
    has = (row >= 0) & previous.has_topic[np.maximum(row, 0)] if len(previous.items) else np.zeros(len(row), bool)
    labels = np.full(len(row), -1, np.int32)
    labels[has] = previous.weights.indices[previous.weights.indptr[row[has]]]
    return labels


def _whole(labels: Labels, log: EventLog) -> Labels:
    """The labels without gaps; where nothing could be grouped, all items that have events are one topic."""
    if (labels < 0).all():
        return np.where(log.positive.item_counts() > 0, 0, -1).astype(np.int32)
    used = np.unique(labels[labels >= 0])
    return np.where(labels < 0, -1, np.searchsorted(used, labels)).astype(np.int32)


def _names(
    labels: Labels, items: Items, catalog: Catalog, old: _Old | None
) -> tuple[tuple[str, ...], tuple[str, ...], int]:
    """Names and ids of the topics, and the highest number that any id ever had; old ones where a topic goes on."""
    n_topics = int(labels.max(initial=-1)) + 1
    same = np.full(n_topics, -1) if old is None else matched(labels, old.labels, n_topics, len(old.topics))
    kept = {} if old is None else {new: int(one) for new, one in enumerate(same) if one >= 0}
    old_names = {} if old is None else {new: old.topics.names[one] for new, one in kept.items()}
    fresh = names_of(labels, n_topics, catalog, items.use, items.worth, taken=tuple(old_names.values()))
    given = 0 if old is None else old.topics.n_given
    ids = []
    for topic in range(n_topics):
        given += topic not in kept
        ids.append(f"t{given}" if old is None or topic not in kept else old.topics.ids[kept[topic]])
    return tuple(old_names.get(topic, fresh[topic]) for topic in range(n_topics)), tuple(ids), given
