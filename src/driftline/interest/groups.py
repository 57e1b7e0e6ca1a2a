"""Groups of learned topics: the topics clustered once more, named as they are, and kept from one fit to the next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from driftline.data.catalog import Catalog
from driftline.interest.clusters import Labels, centres_of, cluster, kept_number, matched
from driftline.interest.hierarchy import Group, Hierarchy
from driftline.interest.naming import names_of
from driftline.interest.topics import examples_of, weights_of
from driftline.interest.vectors import Vectors

LEAST_TOPICS = 12
"""Fewer topics than this are read at a glance, and stay flat."""


@dataclass(frozen=True, eq=False)
class Items:
    """What is known of items: all of it as one vector each, use alone, and how much each weighs in a group."""

    vectors: Vectors
    use: Vectors
    worth: NDArray[np.float64]

    def typical(self, labels: Labels, n_labels: int) -> NDArray[np.float64]:
        """How well each item stands for its group: its worth times its likeness to it; shape [n_items]."""
        centres = centres_of(self.vectors, self.worth, labels, max(n_labels, 1))
        alike = (self.vectors * centres[np.maximum(labels, 0)]).sum(axis=1)
        return np.asarray(self.worth * np.where(labels >= 0, alike, 0), np.float64)


def group_topics(
    items: Items,
    labels: Labels,
    ids: Sequence[str],
    catalog: Catalog,
    *,
    previous: Hierarchy | None = None,
    seed: int = 0,
) -> Hierarchy:
    """The topics `ids` in groups of those whose items are alike; `labels` [n_items] is the topic of each item.

    About √n groups of n topics; flat where there are fewer than `LEAST_TOPICS`. With a `previous` hierarchy groups
    start from the topics of the old ones that went on, and a group that overlaps an old one keeps its id and name.
    """
    old = _Old.of(previous or Hierarchy(), ids)
    if len(ids) < LEAST_TOPICS:
        return Hierarchy(n_given=old.n_given)
    centres = centres_of(items.vectors, items.worth, labels, len(ids))
    member = labels >= 0
    mass = np.bincount(labels[member], items.worth[member], minlength=len(ids)).astype(np.float64)
    first = centres_of(centres, mass, old.labels, len(old.groups)) if old.groups else None
    number = kept_number(round(np.sqrt(len(ids))), len(old.groups))
    own = cluster(centres, mass, number, first=first, seed=seed)
    return _named(own, old, items, labels, ids, catalog)


@dataclass(frozen=True, eq=False)
class _Old:
    """Groups of before that still have topics, in their order, and the number of each topic's; -1 for none."""

    groups: tuple[Group, ...]
    labels: Labels
    n_given: int

    @classmethod
    def of(cls, previous: Hierarchy, ids: Sequence[str]) -> _Old:
        if previous.source != "groups":
            return cls((), np.full(len(ids), -1, np.int32), previous.n_given)
        above = [previous.parents.get(id_) for id_ in ids]
        groups = tuple(group for group in previous.groups if group.id in above)
        number = {group.id: place for place, group in enumerate(groups)}
        return cls(groups, np.array([number.get(id_ or "", -1) for id_ in above], np.int32), previous.n_given)


def _named(own: Labels, old: _Old, items: Items, labels: Labels, ids: Sequence[str], catalog: Catalog) -> Hierarchy:
    """The groups of topics `own` [n_topics] with ids, names and examples; old ones where a group goes on."""
    n_groups = int(own.max(initial=-1)) + 1
    same = matched(own, old.labels, n_groups, len(old.groups))
    of_items = np.where(labels >= 0, own[np.maximum(labels, 0)], -1).astype(np.int32)
    kept = {new: old.groups[place] for new, place in enumerate(same.tolist()) if place >= 0}
    taken = tuple(group.name for group in kept.values())
    fresh = names_of(of_items, n_groups, catalog, items.use, items.worth, taken=taken)
    examples = examples_of(weights_of(of_items, n_groups), items.typical(of_items, n_groups), catalog.items)
    groups, given = [], old.n_given
    for number in range(n_groups):
        given += number not in kept
        id_, name = (kept[number].id, kept[number].name) if number in kept else (f"g{given}", fresh[number])
        groups.append(Group(id_, name, examples[number]))
    parents = {id_: groups[number].id for id_, number in zip(ids, own.tolist(), strict=True) if number >= 0}
    return Hierarchy("groups", parents, tuple(groups), given)
