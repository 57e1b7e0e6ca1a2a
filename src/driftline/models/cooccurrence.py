"""The decayed co-occurrence kernel: what follows what, counted; no learning, and hard to beat."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from driftline.data.catalog import Catalog
from driftline.data.events import EventLog, Histories
from driftline.data.targets import Targets
from driftline.models.choosing import can_choose, descend, gain, sampled
from driftline.models.content import alike, item_vectors
from driftline.models.cooccurrence_trial import Trial
from driftline.models.pairs import Kernel, Pairing, Powers, Visits, half_left
from driftline.models.prior import ordered_below, popularity_share
from driftline.models.reading import Reading, positive_events, read_moments, resized
from driftline.models.settings import check_range, check_whole
from driftline.models.storage import read_model, settings_from, sparse_arrays, sparse_from, write_model
from driftline.types import US_PER_DAY, Progress, Rows, Scores

DEFAULTS: dict[str, Any] = {
    "window": 20,
    "gap_decay": 0.9,
    "last": 10,
    "age_decay": 0.7,
    "backward": 0.5,
    "row_power": 0.5,
    "column_power": 0.5,
    "power": 1.0,
    "attribute_weight": 0.0,
    "repeat_weight": 0.0,
}
"""Best on the validation of Beauty, Toys, Yelp and Last.fm for what the kernel had then; the rest is plain."""

GRID: dict[str, tuple[Any, ...]] = {
    "column_power": (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7),
    "row_power": (0.0, 0.15, 0.3, 0.4, 0.5, 0.6, 0.7, 0.85),
    "half_life_days": (None, 365.0, 90.0, 30.0, 14.0, 7.0, 3.5, 1.5),
    "backward": (0.0, 0.1, 0.25, 0.5, 0.75, 1.0),
    "power": (0.55, 0.7, 0.85, 1.0, 1.25),
    "gap_decay": (0.65, 0.8, 0.9, 0.95, 1.0),
    "age_decay": (0.5, 0.6, 0.7, 0.8, 0.9, 0.97),
    "last": (5, 10, 20, 50),
    "window": (3, 10, 20, 50),
    "backward_decay": (None, 0.5, 0.65, 0.8, 0.95),
    "gap_half_life_days": (None, 90.0, 30.0, 7.0),
    "age_half_life_days": (None, 90.0, 30.0, 7.0),
}
"""What coordinate descent tries, in this order: what moves the gain most first."""

SMALLEST = 1e-3
"""Of powers and half-lives, whose zero would make all pairs alike, or none."""

HALF_LIVES = ("half_life_days", "gap_half_life_days", "age_half_life_days")
"""The settings of wall-clock time, of which None is no decay."""

ATTRIBUTE_WEIGHTS = (0.0, 0.1, 0.2, 0.4, 0.8, 1.6)
REPEAT_WEIGHTS = (0.0, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8)

CELLS_FOR_WEIGHTS = 60_000_000
"""How many scores are computed at most for each weight of attributes or repeats that is tried."""


@dataclass(frozen=True)
class Cooccurrence:
    """Pairs within a user's history, decayed by their gap, normalised, read from the last moments.

        W[i, j] = Σ decay^(gap - 1) · 2^(-days between / gap_half_life_days) · 2^(-days since / half_life_days)
                  over pairs (i before j, gap ≤ window)
        S = W(gap_decay) + backward · W(backward_decay)ᵀ
        K[i, j] = (S[i, j] / (row sum of i^row_power · column sum of j^column_power))^power
        score(j) = Σ over the last moments  K[item, j] · age_decay^age · 2^(-days to the newest / age_half_life_days)

    Gaps and ages are counted in moments. A moment of m events is a set: each item weighs 1/√m, and pairs inside it are
    at distance 1 in either order, half each; on a log of single events nothing of that shows. Because the items of a
    history are summed, a `power` below 1 makes two weak signs more than a strong one. Where the catalog knows
    the items and `attributes` allows it, `attribute_weight` times the cosine of their attributes is added to K, and
    where people take the same again `repeat_weight` for an item itself, both on the scale of what K has for an item's
    nearest.

    What is None is chosen on validation by coordinate descent, or falls to the plain kernel: (20, .9, 10, .7), half of
    the transpose, both sums under a root, no half-life, no attributes. `symmetric=False` is `backward=0`.
    """

    window: int | None = None
    gap_decay: float | None = None
    last: int | None = None
    age_decay: float | None = None
    symmetric: bool = True
    attributes: bool = True
    backward: float | None = None
    backward_decay: float | None = None
    row_power: float | None = None
    column_power: float | None = None
    power: float | None = None
    half_life_days: float | None = None
    gap_half_life_days: float | None = None
    age_half_life_days: float | None = None
    attribute_weight: float | None = None
    repeat_weight: float | None = None
    name: ClassVar[str] = "cooccurrence"

    def __post_init__(self) -> None:
        for name in ("window", "last"):
            check_whole(name, getattr(self, name), 1)
        for name in ("gap_decay", "backward_decay", "age_decay"):
            check_range(name, getattr(self, name), 0, 1)
        for name in ("backward", "row_power", "column_power", "attribute_weight", "repeat_weight"):
            check_range(name, getattr(self, name), 0)
        for name in ("power", *HALF_LIVES):
            check_range(name, getattr(self, name), SMALLEST)

    def fit(
        self,
        log: EventLog,
        *,
        catalog: Catalog | None = None,
        validation: Targets | None = None,
        seed: int = 0,  # noqa: ARG002  # verbs of a model are called alike
        progress: Progress | None = None,
    ) -> FittedCooccurrence:
        """Count pairs, after choosing what is open; NotEnoughDataError where there is nothing to count."""
        events = positive_events(log, self.name)
        own = self
        if validation is not None and can_choose(validation):
            own = self._chosen(events, validation, progress)
        vectors = item_vectors(catalog) if self.attributes and self.attribute_weight != 0 else None
        fitted = own._counted(events, vectors)  # noqa: SLF001  # its own class
        if validation is None or not can_choose(validation):
            return fitted
        asked = sampled(validation, max(1, CELLS_FOR_WEIGHTS // log.n_items))
        attribute_weights = self._open_weights(
            self.attribute_weight, ATTRIBUTE_WEIGHTS if vectors is not None else (0.0,)
        )
        repeat_weights = self._open_weights(self.repeat_weight, REPEAT_WEIGHTS if asked.repeats == "allow" else (0.0,))
        fitted = max(
            (fitted.with_weights(one, repeat_weights[0]) for one in attribute_weights), key=lambda one: gain(one, asked)
        )
        chosen = fitted.settings.attribute_weight
        return max((fitted.with_weights(chosen, one) for one in repeat_weights), key=lambda one: gain(one, asked))

    @staticmethod
    def _open_weights(given: float | None, tried: tuple[float, ...]) -> tuple[float, ...]:
        """What is tried of a weight: what was given, alone, or else all."""
        return tried if given is None else (given,)

    def with_defaults(self) -> Cooccurrence:
        """The same with the default for what is open; None stays where it means no half-life, or the other's decay."""
        open_ = {name: value for name, value in DEFAULTS.items() if getattr(self, name) is None}
        return replace(self, **open_)

    @property
    def pairing(self) -> Pairing:
        """How pairs are counted, with the defaults for what is open."""
        own = self.with_defaults()
        return Pairing(
            window=int(own.window or 1),
            gap_decay=float(own.gap_decay or 0.0),
            backward=float(own.backward or 0.0) if own.symmetric else 0.0,
            backward_decay=own.backward_decay,
            gap_half_life_days=own.gap_half_life_days,
            half_life_days=own.half_life_days,
        )

    @property
    def powers(self) -> Powers:
        """How counts become likeness, with the defaults for what is open."""
        own = self.with_defaults()
        return Powers(float(own.row_power or 0.0), float(own.column_power or 0.0), float(own.power or 1.0))

    @property
    def reading(self) -> Reading:
        """How a history is read, with the defaults for what is open."""
        own = self.with_defaults()
        return Reading(int(own.last or 1), float(own.age_decay or 0.0), own.age_half_life_days)

    def _chosen(self, events: EventLog, validation: Targets, progress: Progress | None) -> Cooccurrence:
        """What coordinate descent reaches on validation from the defaults; what was given stays."""
        grid = {name: values for name, values in GRID.items() if getattr(self, name) is None}
        if not self.symmetric:
            grid = {name: values for name, values in grid.items() if name not in ("backward", "backward_decay")}
        if events.last_us - events.first_us < US_PER_DAY:  # an order without times, or no time for anything to fade
            grid = {name: values for name, values in grid.items() if name not in HALF_LIVES}
        if not grid:
            return self
        trial = Trial(events, validation, self.pairing, self.reading)
        return descend(
            replace(self.with_defaults(), attribute_weight=self.attribute_weight, repeat_weight=self.repeat_weight),
            grid,
            lambda own: trial.gain(own.pairing, own.powers, own.reading),
            progress=(lambda done, total: progress(done, total, self.name)) if progress else None,
        )

    def _counted(self, events: EventLog, vectors: sparse.csr_matrix | None) -> FittedCooccurrence:
        visits, pairing, now_us = Visits.of(events), self.pairing, events.last_us
        kernel = Kernel(pairing.count(visits, events.n_items, now_us), self.powers)
        counts = faded_counts(visits, events.n_items, pairing.half_life_days, now_us)
        return FittedCooccurrence(self.with_defaults(), kernel, counts, visits.tail(pairing.window + 1), vectors)


def faded_counts(visits: Visits, n_items: int, half_life_days: float | None, now_us: int) -> NDArray[np.float64]:
    """The weight of all events of each item, faded to now; shape [n_items]."""
    left = visits.weight * half_left(now_us - visits.time_us, half_life_days)
    return np.bincount(visits.item_row, weights=left, minlength=n_items).astype(np.float64)


@dataclass(frozen=True, eq=False)
class FittedCooccurrence:
    """The kernel, counts of items, the moments that new events would follow, and unit rows that describe the items.

    Pairs and counts are as of the newest event. `vectors` [n_items, n_features] are there where attributes weigh.
    """

    settings: Cooccurrence
    kernel: Kernel
    counts: NDArray[np.float64]
    tail: Visits
    vectors: sparse.csr_matrix | None = None
    name: ClassVar[str] = Cooccurrence.name

    def score(self, histories: Histories, items: Rows | None = None) -> Scores:
        """The kernel read from the last moments; items without evidence by popularity below all others."""
        read = read_moments(histories, len(self.counts), self.settings.reading)
        scores = self.kernel.read(read)
        if self.vectors is not None and self.settings.attribute_weight:
            scale = np.float32(self.settings.attribute_weight * (self.kernel.strength or 1.0))
            scores = scores + scale * alike(read, self.vectors)
        if self.settings.repeat_weight:
            query = np.repeat(np.arange(read.shape[0]), np.diff(read.indptr))
            scale = np.float32(self.settings.repeat_weight * (self.kernel.strength or 1.0))
            scores[query, read.indices] += scale * read.data
        scores = ordered_below(scores, popularity_share(self.counts))
        return scores if items is None else scores[:, items]

    def with_weights(self, attributes: float | None, repeats: float | None) -> FittedCooccurrence:
        """The same counts with other weights of attributes and of repeats."""
        return replace(self, settings=replace(self.settings, attribute_weight=attributes, repeat_weight=repeats))

    def update(self, events: EventLog) -> Self:
        """Pairs that end in a new event are added: equal to a fit on the old events and the new, up to rounding.

        An item that came after the fit is like nothing by attributes until the next one.
        """
        new, n_items = Visits.of(events.positive), events.n_items
        pairing = self.settings.pairing
        tail = self.tail.and_then(new)
        now_us, newest_us = int(tail.time_us.max(initial=0)), int(self.tail.time_us.max(initial=0))
        left = float(half_left(np.array([now_us - newest_us]), pairing.half_life_days)[0])
        old = self.tail.of_users(new.user_row)
        added = pairing.count(old.and_then(new), n_items, now_us) - pairing.count(old, n_items, now_us)
        pairs = sparse.csr_matrix(left * resized(self.kernel.pairs, (n_items, n_items)) + added)
        counts = faded_counts(new, n_items, pairing.half_life_days, now_us)
        counts[: len(self.counts)] += left * self.counts
        vectors = None if self.vectors is None else resized(self.vectors, (n_items, self.vectors.shape[1]))
        kernel = Kernel(pairs, self.settings.powers)
        return type(self)(self.settings, kernel, counts, tail.tail(pairing.window + 1), vectors)

    def settled(self) -> Cooccurrence:
        """The settings with what validation chose."""
        return self.settings

    def save(self, folder: Path) -> None:
        """Write pairs, counts, tail, what describes the items, and header."""
        arrays = {"counts": self.counts} | sparse_arrays("pairs", self.kernel.pairs) | self.tail.arrays("tail")
        if self.vectors is not None and self.settings.attribute_weight:
            arrays |= sparse_arrays("vectors", self.vectors)
        write_model(folder, self.name, asdict(self.settings), arrays)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote; RunError where it is damaged."""
        settings, arrays = read_model(folder, cls.name)
        own = settings_from(Cooccurrence, settings, cls.name)
        kernel = Kernel(sparse_from(arrays, "pairs"), own.powers)
        vectors = sparse_from(arrays, "vectors") if "vectors.data" in arrays else None
        return cls(own, kernel, arrays["counts"], Visits.from_arrays(arrays, "tail"), vectors)
