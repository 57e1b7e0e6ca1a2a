"""Content: items whose words, topics and attributes are like those of the history."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from itertools import product
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import sparse

from driftline.data.catalog import Catalog
from driftline.data.events import EventLog, Histories
from driftline.data.targets import Targets
from driftline.data.words import Tfidf, unit_rows
from driftline.errors import NotEnoughDataError
from driftline.models.choosing import AGE_DECAYS, best_of, can_choose, grid_of
from driftline.models.prior import ordered_below, popularity_share, weighted_counts
from driftline.models.reading import positive_events, read_items, resized
from driftline.models.settings import check_range
from driftline.models.storage import read_model, settings_from, sparse_arrays, sparse_from, write_model
from driftline.types import Progress, Rows, Scores

POPULARITIES = (0.0, 0.3, 0.5)
"""How much of two equally like items the more popular one is ahead: the power of its count."""

MOST_VALUES = 1_000
"""A text attribute with more different values than this says who an item is, not what it is like."""


@dataclass(frozen=True)
class Content:
    """Cosine between items, over TF-IDF of title and text ⊕ topics ⊕ categories, summed over the history.

        score(j) = (1 + events of j)^popularity · Σ over the items i of the history  age_decay^age · cos(x_i, x_j)

    Each block has unit rows before they are joined, so none drowns the others. What is None is chosen on validation,
    or falls to an `age_decay` of 1 and a `popularity` of 0. Source: Lops et al. 2011, section 3.3.
    """

    age_decay: float | None = None
    popularity: float | None = None
    name: ClassVar[str] = "content"

    def __post_init__(self) -> None:
        check_range("age_decay", self.age_decay, 0, 1)
        check_range("popularity", self.popularity, 0)

    def fit(
        self,
        log: EventLog,
        *,
        catalog: Catalog | None = None,
        validation: Targets | None = None,
        seed: int = 0,  # noqa: ARG002  # verbs of a model are called alike
        progress: Progress | None = None,  # noqa: ARG002
    ) -> FittedContent:
        """Describe every item; NotEnoughDataError where the catalog says nothing of any."""
        events = positive_events(log, self.name)
        vectors = item_vectors(catalog)
        if vectors is None:
            raise NotEnoughDataError("expected titles, texts, topics or categories of items for content, got none")
        counts = weighted_counts(events)
        ages, popularities = grid_of(self.age_decay, AGE_DECAYS), grid_of(self.popularity, POPULARITIES)
        candidates = (
            FittedContent(replace(self, age_decay=age, popularity=popularity), vectors, counts)
            for popularity, age in product(popularities, ages)
        )
        if validation is not None and can_choose(validation):
            return best_of(candidates, validation)
        return next(candidates)


@dataclass(frozen=True, eq=False)
class FittedContent:
    """Unit rows that describe the items [n_items, n_features], and weighted counts of items."""

    settings: Content
    vectors: sparse.csr_matrix
    counts: NDArray[np.float64]
    name: ClassVar[str] = Content.name

    def score(self, histories: Histories, items: Rows | None = None) -> Scores:
        """Likeness to the history, summed; items like nothing in it by popularity below all others."""
        age_decay = 1.0 if self.settings.age_decay is None else self.settings.age_decay
        read = read_items(histories, self.vectors.shape[0], age_decay=age_decay)
        scores = alike(read, self.vectors)
        if self.settings.popularity:
            scores *= ((1 + self.counts) ** self.settings.popularity).astype(np.float32)
        scores = ordered_below(scores, popularity_share(self.counts))
        return scores if items is None else scores[:, items]

    def update(self, events: EventLog) -> Self:
        """Counts move; an item that came after the fit is like nothing until the next one."""
        counts = weighted_counts(events.positive)
        counts[: len(self.counts)] += self.counts
        vectors = resized(self.vectors, (events.n_items, self.vectors.shape[1]))
        return type(self)(self.settings, vectors, counts)

    def settled(self) -> Content:
        """The settings with what validation chose."""
        return self.settings

    def save(self, folder: Path) -> None:
        """Write vectors and counts."""
        write_model(
            folder, self.name, asdict(self.settings), {"counts": self.counts} | sparse_arrays("vectors", self.vectors)
        )

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote; RunError where it is damaged."""
        settings, arrays = read_model(folder, cls.name)
        return cls(settings_from(Content, settings, cls.name), sparse_from(arrays, "vectors"), arrays["counts"])


def content_blocks(catalog: Catalog) -> list[sparse.csr_matrix]:
    """What is known of the items, a block of unit rows for each kind of knowledge; [n_items, …] each.

    What few items have says more of them: a topic or category that n of N items have weighs log((N + 1) / n).
    """
    blocks = []
    if catalog.has_text:
        texts = [f"{title} {text}".strip() for title, text in zip(catalog.title, catalog.text, strict=True)]
        blocks.append(Tfidf.fit(texts)[1])
    return blocks + [_rare_first(block) for block in shared_blocks(catalog)]


def _rare_first(block: sparse.csr_matrix) -> sparse.csr_matrix:
    """Unit rows in which each column weighs by how few items have it."""
    n_having = np.bincount(block.indices, minlength=block.shape[1])
    rarity = np.log((block.shape[0] + 1) / np.maximum(n_having, 1)).astype(np.float32)
    return unit_rows(sparse.csr_matrix(block.multiply(rarity[None])))


def item_vectors(catalog: Catalog | None) -> sparse.csr_matrix | None:
    """Unit rows that describe the items by all that is known of them; [n_items, n_features] float32, or None."""
    blocks = content_blocks(catalog) if catalog is not None else []
    return unit_rows(sparse.csr_matrix(sparse.hstack(blocks), dtype=np.float32)) if blocks else None


def alike(read: sparse.csr_matrix, vectors: sparse.csr_matrix) -> Scores:
    """Σ over what is read of weight times cosine to each item, as two products; [n_queries, n_items] float32.

    No matrix of items by items is made: that of a hundred thousand would fill the memory.
    """
    wanted = (read @ vectors).T.toarray()
    return np.ascontiguousarray((vectors @ wanted).T, np.float32)


def shared_blocks(catalog: Catalog) -> list[sparse.csr_matrix]:
    """What items have in common by topics and categories, a block of unit rows for each; [n_items, …] each."""
    blocks = [unit_rows(sparse.csr_matrix(catalog.topics))] if catalog.has_topics else []
    categories = _categories(catalog.attributes)
    return blocks if categories is None else [*blocks, unit_rows(categories)]


def _categories(attributes: pl.DataFrame | None) -> sparse.csr_matrix | None:
    """One column for each value of each text attribute that has few of them."""
    columns = []
    for series in attributes.iter_columns() if attributes is not None else ():
        if series.dtype != pl.String or not 1 < series.n_unique() <= min(MOST_VALUES, len(series) // 2):
            continue
        codes = series.cast(pl.Categorical).to_physical().to_numpy()
        rows = np.flatnonzero(series.is_not_null().to_numpy())
        values = codes[rows].astype(np.int64)
        shape = (len(series), int(values.max(initial=-1)) + 1)
        columns.append(sparse.csr_matrix((np.ones(len(rows), np.float32), (rows, values)), shape=shape))
    return sparse.csr_matrix(sparse.hstack(columns)) if columns else None
