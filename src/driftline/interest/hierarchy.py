"""Which topic or group stands above which: read from the names of topics, or from the items that carry them.

paths           the catalog's names are paths: "Home > Kitchen", "Home/Kitchen"
co-occurrence   nearly every item of the one topic carries the other, wider one too
groups          topics that were learned, grouped once more (`interest.groups`)
flat            none of these
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

Source = Literal["flat", "paths", "co-occurrence", "groups"]

SEPARATORS = (">", "/")
LEAST_PATHS = 1 / 3
"""Names are paths where at least this share of them has a separator, and some lie under the same place."""

INSIDE = 0.8
"""A topic lies inside a wider one when at least this share of its items carries that one too."""
CHANCE_ITEMS = 1.0
"""So many items at the wider topic's overall share are added to each topic, so that one or two items prove nothing."""
WIDEST = 0.5
"""What more than this share of all items carries says nothing of any of them."""
LEAST_INSIDE = 0.25
"""Co-occurrence gives a hierarchy where at least this share of topics lies inside another."""


@dataclass(frozen=True)
class Group:
    """A place in the hierarchy that is no topic itself; `examples` are items of the topics below it."""

    id: str
    name: str
    examples: tuple[str, ...] = ()


@dataclass(frozen=True)
class Hierarchy:
    """The place above each topic and group, by ids; what is not in `parents` stands at the top.

    `n_given` is how many ids learned groups have ever been given, so that none is given twice.
    """

    source: Source = "flat"
    parents: Mapping[str, str] = field(default_factory=dict)
    groups: tuple[Group, ...] = ()
    n_given: int = 0

    @cached_property
    def group_names(self) -> dict[str, str]:
        """The name of each group by its id."""
        return {group.id: group.name for group in self.groups}

    def told(self, n_topics: int) -> str:
        """How many topics there are and how they are ordered, in words.

        >>> Hierarchy().told(25)
        '25 topics, flat'
        """
        if self.source == "flat":
            return f"{n_topics} topics, flat"
        if self.source == "co-occurrence":
            return f"{n_topics} topics, {len(self.parents)} of them inside a wider one by the items that carry both"
        by = "by the paths in their names" if self.source == "paths" else "by likeness"
        groups = "1 group" if len(self.groups) == 1 else f"{len(self.groups)} groups"
        return f"{n_topics} topics in {groups}, {by}"

    def groups_json(self) -> list[dict[str, Any]]:
        """The groups: `{"group", "name", "parent", "examples", "below"}`; `below` are ids of topics and groups."""
        below: dict[str, list[str]] = {}
        for id_, parent in self.parents.items():
            below.setdefault(parent, []).append(id_)
        return [
            {
                "group": group.id,
                "name": group.name,
                "parent": self.parents.get(group.id),
                "examples": list(group.examples),
                "below": below.get(group.id, []),
            }
            for group in self.groups
        ]

    def as_json(self) -> dict[str, Any]:
        """Everything as JSON values."""
        return {**asdict(self), "parents": dict(self.parents)}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Hierarchy:
        """The value that `as_json` described; KeyError or TypeError where something is missing."""
        groups = tuple(Group(one["id"], one["name"], tuple(one["examples"])) for one in document["groups"])
        return cls(document["source"], dict(document["parents"]), groups, int(document["n_given"]))


def find_hierarchy(names: Sequence[str], weights: sparse.csr_matrix) -> Hierarchy:
    """The hierarchy of a catalog's topics, whose ids are their names; `weights` [n_items, n_topics] says who carries.

    Paths where the names are some, else containment where it is clear, else flat. Groups come without examples.
    """
    return path_hierarchy(names) or containment_hierarchy(names, weights) or Hierarchy()


def path_hierarchy(names: Sequence[str]) -> Hierarchy | None:
    """The hierarchy that paths in the names spell out; None where they are no paths.

    >>> found = path_hierarchy(["Home > Kitchen", "Home > Bath", "Toys"])
    >>> found.parents, [group.name for group in found.groups]
    ({'Home > Kitchen': 'Home', 'Home > Bath': 'Home'}, ['Home'])
    """
    for separator in SEPARATORS:
        paths = {name: tuple(part.strip() for part in name.split(separator)) for name in names}
        deep = [path for path in paths.values() if len(path) > 1 and all(path)]
        above = [path[:-1] for path in deep]
        shared = len(set(above)) < len(above) or set(above) & set(paths.values())
        if deep and shared and len(deep) >= LEAST_PATHS * len(names):
            whole = {name: path if all(path) else (name,) for name, path in paths.items()}
            return _tree(whole, f" {separator} " if separator == ">" else separator)
    return None


def _tree(paths: Mapping[str, tuple[str, ...]], joint: str) -> Hierarchy:
    """Topics under the places of their paths; a place that is a topic is that topic, the others are groups."""
    ids: dict[tuple[str, ...], str] = {}
    for name, path in paths.items():
        ids.setdefault(path, name)
    parents: dict[str, str] = {}
    groups: dict[str, Group] = {}
    for name, path in paths.items():
        lower = name
        for depth in range(len(path) - 1, 0, -1):
            place = path[:depth]
            if place not in ids:
                ids[place] = joint.join(place)
                groups[ids[place]] = Group(ids[place], ids[place])
            parents.setdefault(lower, ids[place])
            lower = ids[place]
    return Hierarchy("paths", parents, tuple(groups.values()))


def containment_hierarchy(names: Sequence[str], weights: sparse.csr_matrix) -> Hierarchy | None:
    """Topics inside wider ones by the items that carry both; None where that is not clear.

    Topic y lies inside x when x has more items and P(x | y) ≥ `INSIDE`, of several in the one with the fewest items
    (Sanderson and Croft 1999, "Deriving concept hierarchies from text", with P drawn to chance).
    """
    carries = sparse.csr_matrix(weights > 0, dtype=np.float64)
    count = np.asarray(carries.sum(axis=0), np.float64).ravel()
    n_items = int(np.count_nonzero(np.diff(carries.indptr)))
    both = sparse.coo_matrix(carries.T @ carries)
    wide, narrow = both.row, both.col
    fits = (count[wide] > count[narrow]) & (count[wide] <= WIDEST * n_items)
    wide, narrow, shared = wide[fits], narrow[fits], both.data[fits]
    chance = CHANCE_ITEMS * count[wide] / max(n_items, 1)
    inside = (shared + chance) / (count[narrow] + CHANCE_ITEMS) >= INSIDE
    parents = _closest(wide[inside], narrow[inside], count)
    if not parents or len(parents) < LEAST_INSIDE * len(names):
        return None
    return Hierarchy("co-occurrence", {names[below]: names[above] for below, above in parents.items()})


def _closest(wide: NDArray[np.int32], narrow: NDArray[np.int32], count: NDArray[np.float64]) -> dict[int, int]:
    """Of each narrow topic the wide one with the fewest items, the first of equals."""
    order = np.lexsort((wide, count[wide], narrow))
    first = np.unique(narrow[order], return_index=True)[1]
    chosen = order[first]
    return {int(below): int(above) for below, above in zip(narrow[chosen], wide[chosen], strict=True)}
