"""Topics: the named units that interests are shown in, and how much of each an item is."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from driftline.data.catalog import Catalog
from driftline.data.events import EventLog
from driftline.data.vocabulary import Vocabulary
from driftline.errors import RunError
from driftline.interest.hierarchy import Hierarchy, find_hierarchy
from driftline.interest.storage import read_part, write_part
from driftline.types import Rows

N_EXAMPLES = 3
"""How many items explain a topic."""


@dataclass(frozen=True, eq=False)
class Topics:
    """Named topics over the items of a vocabulary.

    `ids` are stable texts, `names` are for people, both in the order of the columns of `weights`
    [n_items, n_topics], whose rows sum to 1: an item with n topics gives each 1/n. The row of an item without a topic
    is zero: it is left out of shares, and `share_without` says how much that is. `examples` are the items that
    explain each name. `learned` says whether the topics were found by us or named by the catalog, `n_given` how many
    ids learned topics have ever been given, so that none is given twice. `hierarchy` says what stands above a topic.
    """

    ids: tuple[str, ...]
    names: tuple[str, ...]
    weights: sparse.csr_matrix
    examples: tuple[tuple[str, ...], ...]
    items: Vocabulary
    learned: bool = False
    n_given: int = 0
    hierarchy: Hierarchy = field(default_factory=Hierarchy)

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def _columns(self) -> dict[str, int]:
        return {id_: column for column, id_ in enumerate(self.ids)}

    def column(self, topic_id: str) -> int:
        """The column of a topic, or -1 where it is unknown."""
        return self._columns.get(topic_id, -1)

    def group(self, column: int) -> str | None:
        """The name of what stands above a topic, or None where it stands at the top."""
        parent = self.hierarchy.parents.get(self.ids[column])
        if parent is None or parent in self.hierarchy.group_names:
            return self.hierarchy.group_names.get(parent or "")
        return self.names[self.column(parent)]

    def of_items(self, item_rows: Rows) -> sparse.csr_matrix:
        """Topic weights of items, zero for items that came after the topics were made; shape [n, n_topics]."""
        known = item_rows < self.weights.shape[0]
        return sparse.csr_matrix(self._padded[np.where(known, item_rows, self.weights.shape[0])])

    @cached_property
    def _padded(self) -> sparse.csr_matrix:
        """The weights with one row of zeros at the end, for items that are not known."""
        return sparse.csr_matrix(sparse.vstack([self.weights, sparse.csr_matrix((1, len(self)))], format="csr"))

    @cached_property
    def has_topic(self) -> NDArray[np.bool_]:
        """Which items have a topic; shape [n_items]."""
        return np.asarray(np.diff(self.weights.indptr) > 0, bool)

    def share_without(self, log: EventLog) -> float:
        """The share of positive events whose item has no topic: what topic shares leave out; 0 for no events."""
        events = log.positive
        return float(1 - np.diff(self.of_items(events.item_row).indptr).astype(bool).mean()) if len(events) else 0.0

    def drawn(self, item_rows: Rows, *, seed: int = 0) -> NDArray[np.int32]:
        """One topic of each item, drawn by its weights (-1 where it has none): how an event with several counts once.

        Shape [n]; the draw depends on the place in `item_rows` and the seed.
        """
        weights = self.of_items(item_rows)
        count = np.diff(weights.indptr)
        draw = (np.random.default_rng(seed).random(len(item_rows)) * count).astype(np.int64)
        drawn = np.full(len(item_rows), -1, np.int32)
        there = count > 0
        drawn[there] = weights.indices[(weights.indptr[:-1] + draw)[there]]
        return drawn

    def as_json(self) -> list[dict[str, Any]]:
        """The topic list: `{"topic", "name", "parent", "examples", "items"}` of each; `items` is how many carry it.

        `parent` is the id of the topic or group above, or None.
        """
        carried = np.bincount(self.weights.indices, minlength=len(self))
        rows = zip(self.ids, self.names, self.examples, carried, strict=True)
        above = self.hierarchy.parents
        return [
            {"topic": id_, "name": name, "parent": above.get(id_), "examples": list(examples), "items": int(count)}
            for id_, name, examples, count in rows
        ]

    def save(self, folder: Path) -> None:
        """Write `topics.json` and `topics.npz`."""
        document = {
            "ids": self.ids,
            "names": self.names,
            "examples": self.examples,
            "learned": self.learned,
            "n_given": self.n_given,
            "hierarchy": self.hierarchy.as_json(),
            "items": [str(id_) for id_ in self.items],
        }
        arrays = {"data": self.weights.data, "indices": self.weights.indices, "indptr": self.weights.indptr}
        write_part(folder, "topics", document, arrays)

    @classmethod
    def load(cls, folder: Path) -> Topics:
        """Read what `save` wrote; RunError where it is damaged."""
        document, arrays = read_part(folder, "topics")
        try:
            shape = (len(document["items"]), len(document["ids"]))
            weights = sparse.csr_matrix((arrays["data"], arrays["indices"], arrays["indptr"]), shape=shape)
            examples = tuple(tuple(of_topic) for of_topic in document["examples"])
            items = Vocabulary(document["items"])
            ids, names = tuple(document["ids"]), tuple(document["names"])
            learned, n_given = bool(document["learned"]), int(document["n_given"])
            # Runs that were saved before topics had a hierarchy are flat.
            hierarchy = Hierarchy.from_json(document["hierarchy"]) if "hierarchy" in document else Hierarchy()
            return cls(ids, names, weights, examples, items, learned, n_given, hierarchy)
        except (KeyError, TypeError, ValueError) as error:
            raise RunError(f"expected whole topics in {folder}, got {error!r}; fit again") from error


def catalog_topics(catalog: Catalog, log: EventLog | None = None) -> Topics:
    """The topics that the catalog names; a topic's id is its name.

    Their hierarchy is that of paths in the names or of the items that carry several (`interest.hierarchy`). Examples
    are the most frequent items of a log (the first of the table without one) that carry the topic, those that carry few
    others first.
    """
    counts = np.zeros(len(catalog.items)) if log is None else log.positive.item_counts().astype(np.float64)
    names = tuple(catalog.topic_names)
    weights = sparse.csr_matrix(catalog.topics, dtype=np.float64)
    weights.eliminate_zeros()
    examples = examples_of(weights, counts, catalog.items)
    hierarchy = _with_examples(find_hierarchy(names, weights), names, examples)
    return Topics(names, names, weights, examples, catalog.items, hierarchy=hierarchy)


def weights_of(labels: NDArray[np.int32], n_labels: int) -> sparse.csr_matrix:
    """One label per item, or -1, as weights [n_items, n_labels] of 1 and 0."""
    rows = np.flatnonzero(labels >= 0)
    return sparse.csr_matrix((np.ones(len(rows)), (rows, labels[rows])), shape=(len(labels), n_labels))


def _with_examples(hierarchy: Hierarchy, ids: tuple[str, ...], examples: tuple[tuple[str, ...], ...]) -> Hierarchy:
    """The groups with the first examples of the topics and groups below them."""
    known = dict(zip(ids, examples, strict=True))
    below: dict[str, list[str]] = {}
    for id_, parent in hierarchy.parents.items():
        below.setdefault(parent, []).append(id_)

    def of(id_: str) -> tuple[str, ...]:
        if id_ in known:
            return known[id_]
        firsts = zip_longest(*(of(one) for one in below.get(id_, ())))
        return tuple(dict.fromkeys(item for row in firsts for item in row if item is not None))[:N_EXAMPLES]

    return replace(hierarchy, groups=tuple(replace(group, examples=of(group.id)) for group in hierarchy.groups))


def examples_of(
    weights: sparse.csr_matrix, worth: NDArray[np.float64], items: Vocabulary
) -> tuple[tuple[str, ...], ...]:
    """The items of each topic with the highest weight · (1 + worth); ties keep the order of the items."""
    columns = weights.tocsc()
    examples = []
    for topic in range(weights.shape[1]):
        part = slice(columns.indptr[topic], columns.indptr[topic + 1])
        rows = columns.indices[part]
        best = np.argsort(-columns.data[part] * (1 + worth[rows]), kind="stable")[:N_EXAMPLES]
        examples.append(tuple(items[row] for row in rows[best]))
    return tuple(examples)
