"""Latent factors through `implicit`: ALS with users folded in from their history, and BPR."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from threadpoolctl import threadpool_limits

from driftline.data.catalog import Catalog
from driftline.data.events import EventLog
from driftline.data.history import Histories
from driftline.data.targets import Targets
from driftline.models.prior import filled_in, popularity_share, weighted_counts
from driftline.models.reading import positive_events, read_items, user_items
from driftline.models.settings import check_range
from driftline.models.storage import read_model, settings_from, write_model
from driftline.types import Progress, Rows, Scores

Vectors = NDArray[np.float32]


@dataclass(frozen=True)
class ALS:
    """Weighted matrix factorisation: preferences 1 where a user had an item, with confidence `confidence`, 0 elsewhere.

    A user's vector is solved from the history, (YᵀY + confidence · Y_hᵀY_h + l2·I) u = (1 + confidence) · Σ_h y, so an
    event after the fit counts at once. Source: Hu, Koren and Volinsky 2008, eq. 4.
    """

    name: ClassVar[str] = "als"
    dim: int = 64
    l2: float = 0.1
    confidence: float = 10.0
    iterations: int = 15

    def __post_init__(self) -> None:
        check_range("dim", self.dim, 1)
        check_range("l2", self.l2, 0)
        check_range("confidence", self.confidence, 0)
        check_range("iterations", self.iterations, 1)

    def fit(
        self,
        log: EventLog,
        *,
        catalog: Catalog | None = None,  # noqa: ARG002  # verbs of a model are called alike
        validation: Targets | None = None,  # noqa: ARG002
        seed: int = 0,
        progress: Progress | None = None,  # noqa: ARG002
    ) -> FittedALS:
        """Alternate least squares; NotEnoughDataError where there is nothing to learn from."""
        events = positive_events(log, self.name)
        from implicit.cpu.als import AlternatingLeastSquares

        settings = {"factors": self.dim, "regularization": self.l2, "iterations": self.iterations, "alpha": 1.0}
        vectors = _trained(
            AlternatingLeastSquares, settings, user_items(events) * np.float32(1 + self.confidence), seed
        )
        return FittedALS(self, _alive(vectors, events), weighted_counts(events))


@dataclass(frozen=True, eq=False)
class FittedALS:
    """Item vectors [n_items, dim], zero for items without events, and weighted counts of items."""

    settings: ALS
    items: Vectors
    counts: NDArray[np.float64]
    name: ClassVar[str] = ALS.name

    def encode(self, histories: Histories) -> Vectors:
        """The vector of each user, solved from the history; zero where there is none; [n_queries, dim]."""
        read = read_items(histories, len(self.items))
        gram = self.items.T @ self.items + np.float32(self.settings.l2) * np.eye(self.items.shape[1], dtype=np.float32)
        states = np.zeros((len(histories), self.items.shape[1]), np.float32)
        for query in np.flatnonzero(np.diff(read.indptr)):
            taken = self.items[read.indices[read.indptr[query] : read.indptr[query + 1]]]
            system = gram + np.float32(self.settings.confidence) * (taken.T @ taken)
            states[query] = np.linalg.solve(system, (1 + self.settings.confidence) * taken.sum(0))
        return states

    def score_states(self, states: Vectors, items: Rows | None = None) -> Scores:
        """Inner products; a state of zeros gets the order of popularity."""
        scores = filled_in(states @ self.items.T, popularity_share(self.counts), np.asarray(states.any(axis=1)))
        return scores if items is None else scores[:, items]

    def score(self, histories: Histories, items: Rows | None = None) -> Scores:
        """Scores of items after each history."""
        return self.score_states(self.encode(histories), items)

    def update(self, events: EventLog) -> Self:
        """New events enter through the users' histories; a new item starts at the mean of what its users took."""
        items, counts = _grown(self.items, self.counts, events.positive)
        return type(self)(self.settings, items, counts)

    def settled(self) -> ALS:
        """The settings; nothing is left to choose."""
        return self.settings

    def save(self, folder: Path) -> None:
        """Write item vectors and counts."""
        write_model(folder, self.name, asdict(self.settings), {"items": self.items, "counts": self.counts})

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote; RunError where it is damaged."""
        settings, arrays = read_model(folder, cls.name)
        return cls(settings_from(ALS, settings, cls.name), arrays["items"], arrays["counts"])


@dataclass(frozen=True)
class BPR:
    """Bayesian personalised ranking: an item that a user had above one that the user had not.

    A user's vector is the mean of the item vectors of the history, newer moments counting more, so that an event after
    the fit counts. Source: Rendle et al. 2009, section 4.
    """

    name: ClassVar[str] = "bpr"
    dim: int = 64
    l2: float = 0.01
    learning_rate: float = 0.05
    iterations: int = 60
    age_decay: float = 0.9

    def __post_init__(self) -> None:
        check_range("dim", self.dim, 1)
        check_range("l2", self.l2, 0)
        check_range("iterations", self.iterations, 1)
        check_range("age_decay", self.age_decay, 0, 1)

    def fit(
        self,
        log: EventLog,
        *,
        catalog: Catalog | None = None,  # noqa: ARG002  # verbs of a model are called alike
        validation: Targets | None = None,  # noqa: ARG002
        seed: int = 0,
        progress: Progress | None = None,  # noqa: ARG002
    ) -> FittedBPR:
        """Stochastic gradient over sampled pairs; NotEnoughDataError where there is nothing to learn from."""
        events = positive_events(log, self.name)
        from implicit.cpu.bpr import BayesianPersonalizedRanking

        settings = {"factors": self.dim, "regularization": self.l2, "iterations": self.iterations}
        settings["learning_rate"] = self.learning_rate
        vectors = _trained(BayesianPersonalizedRanking, settings, user_items(events), seed)
        return FittedBPR(self, _alive(vectors, events), weighted_counts(events))


@dataclass(frozen=True, eq=False)
class FittedBPR:
    """Item vectors [n_items, dim + 1] whose last column is the item's bias, and weighted counts of items."""

    settings: BPR
    items: Vectors
    counts: NDArray[np.float64]
    name: ClassVar[str] = BPR.name

    def score(self, histories: Histories, items: Rows | None = None) -> Scores:
        """Inner products with the mean of the history, plus the items' bias; popularity without a history."""
        read = read_items(histories, len(self.items), age_decay=self.settings.age_decay)
        mass = np.asarray(read.sum(1)).ravel()
        user = np.asarray(read @ self.items[:, :-1]) / np.maximum(mass, 1e-9)[:, None].astype(np.float32)
        scores = user @ self.items[:, :-1].T + self.items[:, -1]
        scores = filled_in(scores.astype(np.float32), popularity_share(self.counts), mass > 0)
        return scores if items is None else scores[:, items]

    def update(self, events: EventLog) -> Self:
        """New events enter through the users' histories; a new item starts at the mean of what its users took."""
        items, counts = _grown(self.items, self.counts, events.positive)
        return type(self)(self.settings, items, counts)

    def settled(self) -> BPR:
        """The settings; nothing is left to choose."""
        return self.settings

    def save(self, folder: Path) -> None:
        """Write item vectors and counts."""
        write_model(folder, self.name, asdict(self.settings), {"items": self.items, "counts": self.counts})

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote; RunError where it is damaged."""
        settings, arrays = read_model(folder, cls.name)
        return cls(settings_from(BPR, settings, cls.name), arrays["items"], arrays["counts"])


def _trained(model: Any, settings: dict[str, Any], matrix: sparse.csr_matrix, seed: int) -> Any:
    """The item vectors of a model of `implicit`, from one thread so that a seed gives one answer."""
    with threadpool_limits(1, "blas"):
        made = model(**settings, num_threads=1, random_state=seed)
        made.fit(matrix, show_progress=False)
    return made.item_factors


def _alive(vectors: Any, events: EventLog) -> Vectors:
    """Item vectors as float32, zero for items without events."""
    return np.where(events.item_counts()[:, None] > 0, np.asarray(vectors, np.float32), np.float32(0))


def _grown(items: Vectors, counts: NDArray[np.float64], events: EventLog) -> tuple[Vectors, NDArray[np.float64]]:
    """Vectors and counts with a row for every item; new items get the mean vector of their users' known events."""
    n_old, n = len(items), events.n_items
    taken = user_items(events)
    known = taken[:, :n_old]
    means = np.asarray(known @ items) / np.maximum(np.asarray(known.sum(1)), 1)
    fresh = taken[:, n_old:]
    new = np.asarray(fresh.T @ means) / np.maximum(np.asarray(fresh.sum(0)).T, 1)
    total = weighted_counts(events)
    total[:n_old] += counts
    return np.concatenate([items, new.reshape(n - n_old, items.shape[1])]).astype(np.float32), total
