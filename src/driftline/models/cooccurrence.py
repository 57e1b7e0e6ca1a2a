"""The decayed co-occurrence kernel: what follows what, counted; no learning, and hard to beat."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from driftline.data.catalog import Catalog
from driftline.data.events import EventLog, Histories
from driftline.data.targets import Targets
from driftline.models.choosing import best_of, can_choose
from driftline.models.pairs import Kernel, Visits, decayed_pairs
from driftline.models.prior import ordered_below, popularity_share, weighted_counts
from driftline.models.reading import positive_events, read_moments, resized
from driftline.models.settings import check_range
from driftline.models.storage import read_model, settings_from, sparse_arrays, sparse_from, write_model
from driftline.types import Progress, Rows, Scores

DEFAULT = (20, 0.9, 10, 0.7)
GRID_OF_PAIRS = ((20, 0.9), (10, 0.8), (3, 0.8))
GRID_OF_READING = ((10, 0.7), (50, 0.9))
"""The settings that were best on the validation of Beauty, Toys, Yelp and Last.fm, and a short window for shops."""


@dataclass(frozen=True)
class Cooccurrence:
    """Pairs within a user's history, decayed by their gap, normalised, read from the last moments.

        W[i, j] = Σ gap_decay^(gap - 1) over pairs (i before j, gap ≤ window)
        S = W + Wᵀ / 2                                         (with `symmetric`)
        score(j) = Σ over the last moments  age_decay^age · S[item, j] / √(row sum of item · column sum of j)

    Gaps and ages are counted in moments. A moment of m events is a set: each item weighs 1/√m, and pairs inside it are
    at distance 1 in either order, half each; on a log of single events nothing of that shows. What is None is chosen on
    validation, from a small grid, or falls to (20, .9, 10, .7).
    """

    window: int | None = None
    gap_decay: float | None = None
    last: int | None = None
    age_decay: float | None = None
    symmetric: bool = True
    name: ClassVar[str] = "cooccurrence"

    def __post_init__(self) -> None:
        check_range("window", self.window, 1)
        check_range("gap_decay", self.gap_decay, 0, 1)
        check_range("last", self.last, 1)
        check_range("age_decay", self.age_decay, 0, 1)

    def fit(
        self,
        log: EventLog,
        *,
        catalog: Catalog | None = None,  # noqa: ARG002  # verbs of a model are called alike
        validation: Targets | None = None,
        seed: int = 0,  # noqa: ARG002
        progress: Progress | None = None,
    ) -> FittedCooccurrence:
        """Count pairs, for each choice that is open; NotEnoughDataError where there is nothing to count."""
        events = positive_events(log, self.name)
        if validation is not None and can_choose(validation):
            return best_of(self._candidates(events, progress), validation)
        return self._counted(events)

    @property
    def numbers(self) -> tuple[int, float, int, float]:
        """Window, gap decay, last, age decay, with the default for what is open."""
        own = (self.window, self.gap_decay, self.last, self.age_decay)
        window, gap_decay, last, age_decay = (d if v is None else v for v, d in zip(own, DEFAULT, strict=True))
        return int(window), gap_decay, int(last), age_decay

    def _candidates(self, events: EventLog, progress: Progress | None) -> Iterator[FittedCooccurrence]:
        """Every fitted model that the open choices allow; pairs are counted once for all ways to read them."""
        pairs = _open(GRID_OF_PAIRS, self.window, self.gap_decay)
        for done, (window, gap_decay) in enumerate(pairs):
            if progress:
                progress(done, len(pairs), self.name)
            fitted = replace(self, window=window, gap_decay=gap_decay)._counted(events)  # noqa: SLF001  # its own class
            for last, age_decay in _open(GRID_OF_READING, self.last, self.age_decay):
                yield fitted.read_with(last, age_decay)

    def _counted(self, events: EventLog) -> FittedCooccurrence:
        window, gap_decay, last, age_decay = self.numbers
        own = replace(self, window=window, gap_decay=gap_decay, last=last, age_decay=age_decay)
        visits = Visits.of(events)
        kernel = Kernel(decayed_pairs(visits, events.n_items, window, gap_decay), self.symmetric)
        return FittedCooccurrence(own, kernel, weighted_counts(events), visits.tail(window + 1))


def _open(grid: tuple[tuple[int, float], ...], count: int | None, decay: float | None) -> list[tuple[int, float]]:
    """The grid with what is already settled put in; each pair once, in the grid's order."""
    return list(dict.fromkeys((a if count is None else count, b if decay is None else decay) for a, b in grid))


@dataclass(frozen=True, eq=False)
class FittedCooccurrence:
    """The kernel, the weighted counts of items, and the moments that new events would follow."""

    settings: Cooccurrence
    kernel: Kernel
    counts: NDArray[np.float64]
    tail: Visits
    name: ClassVar[str] = Cooccurrence.name

    def score(self, histories: Histories, items: Rows | None = None) -> Scores:
        """The kernel read from the last moments; items without evidence by popularity below all others."""
        _, _, last, age_decay = self.settings.numbers
        read = read_moments(histories, len(self.counts), last=last, age_decay=age_decay)
        scores = ordered_below(self.kernel.read(read), popularity_share(self.counts))
        return scores if items is None else scores[:, items]

    def read_with(self, last: int, age_decay: float) -> FittedCooccurrence:
        """The same pairs, read from another number of moments."""
        return replace(self, settings=replace(self.settings, last=last, age_decay=age_decay))

    def update(self, events: EventLog) -> Self:
        """Pairs that end in a new event are added: equal to a fit on the old events and the new, up to rounding."""
        new = Visits.of(events.positive)
        window, gap_decay, _, _ = self.settings.numbers
        old = self.tail.of_users(new.user_row)
        n_items = events.n_items
        before = decayed_pairs(old, n_items, window, gap_decay)
        after = decayed_pairs(old.and_then(new), n_items, window, gap_decay)
        pairs = sparse.csr_matrix(resized(self.kernel.pairs, (n_items, n_items)) + (after - before))
        counts = weighted_counts(events.positive)
        counts[: len(self.counts)] += self.counts
        tail = self.tail.and_then(new).tail(window + 1)
        return type(self)(self.settings, Kernel(pairs, self.settings.symmetric), counts, tail)

    def settled(self) -> Cooccurrence:
        """The settings with what validation chose."""
        return self.settings

    def save(self, folder: Path) -> None:
        """Write pairs, counts, tail and header."""
        arrays = {"counts": self.counts} | sparse_arrays("pairs", self.kernel.pairs) | self.tail.arrays("tail")
        write_model(folder, self.name, asdict(self.settings), arrays)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote; RunError where it is damaged."""
        settings, arrays = read_model(folder, cls.name)
        own = settings_from(Cooccurrence, settings, cls.name)
        kernel = Kernel(sparse_from(arrays, "pairs"), own.symmetric)
        return cls(own, kernel, arrays["counts"], Visits.from_arrays(arrays, "tail"))
