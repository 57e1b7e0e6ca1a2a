"""The catalog: what is known of each item, aligned with the item rows of the log."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from driftline.data.vocabulary import Vocabulary
from driftline.types import ALWAYS, Times

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True, eq=False)
class Catalog:
    """Attributes of items; every array has one entry per item row of `items`.

    `title` and `text` are empty strings where nothing is known. `listed` says whether the item stands in the items
    table at all; `available_from_us` is the smallest int64 where no date is given. `topics` holds weights
    [n_items, n_topics] whose rows sum to 1, or to 0 for an item without a topic. `attributes` holds the columns
    that are not known by name, in the order of the rows, or None.
    """

    items: Vocabulary
    title: NDArray[np.object_]
    text: NDArray[np.object_]
    topic_names: tuple[str, ...]
    topics: sparse.csr_matrix
    listed: NDArray[np.bool_]
    available_from_us: Times
    attributes: pl.DataFrame | None = None

    @classmethod
    def empty(cls, items: Vocabulary) -> Catalog:
        """The catalog of a dataset that has no items table."""
        n = len(items)
        return cls(
            items,
            np.full(n, "", object),
            np.full(n, "", object),
            (),
            sparse.csr_matrix((n, 0), dtype=np.float32),
            np.zeros(n, bool),
            np.full(n, ALWAYS, np.int64),
        )

    @property
    def has_topics(self) -> bool:
        """Whether the items table names topics."""
        return len(self.topic_names) > 0

    @cached_property
    def has_text(self) -> bool:
        """Whether any item has a title or a text."""
        return bool((self.title != "").any() or (self.text != "").any())

    def label(self, item_row: int) -> str:
        """The title of an item, or its id where it has none."""
        return str(self.title[item_row]) or self.items[item_row]

    def available(self, at_us: int) -> NDArray[np.bool_]:
        """Which listed items could be had at a moment; shape [n_items]."""
        return self.listed & (self.available_from_us <= at_us)
