"""Latent factors, by alternating least squares and by Bayesian personalised ranking; both read the history anew."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Self, cast

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from threadpoolctl import threadpool_limits

from driftline.data.catalog import Catalog
from driftline.data.events import EventLog, Histories
from driftline.data.targets import Targets
from driftline.models.base import States
from driftline.models.choosing import best_of, can_choose, grid_of
from driftline.models.prior import filled_in, popularity_share, weighted_counts
from driftline.models.reading import positive_events, read_events, read_items, user_items
from driftline.models.settings import check_range, check_whole
from driftline.models.storage import read_model, settings_from, write_model
from driftline.types import Progress, Rows, Scores

ALPHA_AND_L2 = ((10.0, 10.0), (3.0, 50.0))
"""What was best on the validation of a small forum, and of films and of a shop; the first is the default."""

AGES = (1.0, 0.6)
"""To read all moments alike, or the last ones most."""


@dataclass(frozen=True)
class ALS:
    """`Σ c (p − uᵀy)² + l2 (Σ‖u‖² + Σ‖y‖²)` with confidence `c = 1 + alpha · count`, p = 1 where there are events.

    A user's vector is solved in closed form from the history that is asked about, so events after the fit count;
    `age_decay` reads older moments with less confidence. What is None is chosen on validation, or falls to the first
    of its grid. Source: Hu, Koren and Volinsky 2008, eq. 3 and 4.
    """

    dim: int = 64
    epochs: int = 15
    alpha: float | None = None
    l2: float | None = None
    age_decay: float | None = None
    name: ClassVar[str] = "als"

    def __post_init__(self) -> None:
        check_whole("dim", self.dim, 1)
        check_whole("epochs", self.epochs, 1)
        check_range("alpha", self.alpha, 0)
        check_range("l2", self.l2, 1e-6)
        check_range("age_decay", self.age_decay, 0, 1)

    def fit(
        self,
        log: EventLog,
        *,
        catalog: Catalog | None = None,  # noqa: ARG002  # verbs of a model are called alike
        validation: Targets | None = None,
        seed: int = 0,
        progress: Progress | None = None,
    ) -> FittedALS:
        """Alternate, for each choice that is open; NotEnoughDataError where there is nothing to learn from."""
        candidates = self._candidates(positive_events(log, self.name), seed, progress)
        if validation is not None and can_choose(validation):
            return best_of(candidates, validation)
        return next(candidates)

    def _candidates(self, events: EventLog, seed: int, progress: Progress | None) -> Iterator[FittedALS]:
        """Every fitted model that the open choices allow; factors are fitted once for all ways to read them."""
        counts = weighted_counts(events)
        fits = [(a if self.alpha is None else self.alpha, b if self.l2 is None else self.l2) for a, b in ALPHA_AND_L2]
        for alpha, l2 in dict.fromkeys(fits):
            factors = _als_factors(events, replace(self, alpha=alpha, l2=l2), seed, progress)
            for age_decay in grid_of(self.age_decay, AGES):
                yield FittedALS(replace(self, alpha=alpha, l2=l2, age_decay=age_decay), factors, counts)


@dataclass(frozen=True)
class BPR:
    """`Σ −ln σ(uᵀy_i − uᵀy_j) + l2 ‖·‖²` over events i and items j that the user did not have; y ends in a bias.

    A user's vector is the mean of the item vectors of the history, older moments at `age_decay`: measured better than
    the vector that was learned for the user, which knows neither order nor later events. Source: Rendle et al. 2009.
    """

    dim: int = 64
    epochs: int = 50
    learning_rate: float = 0.05
    l2: float = 0.001
    age_decay: float | None = None
    name: ClassVar[str] = "bpr"

    def __post_init__(self) -> None:
        check_whole("dim", self.dim, 1)
        check_whole("epochs", self.epochs, 1)
        check_range("learning_rate", self.learning_rate, 1e-6, 10)
        check_range("l2", self.l2, 0)
        check_range("age_decay", self.age_decay, 0, 1)

    def fit(
        self,
        log: EventLog,
        *,
        catalog: Catalog | None = None,  # noqa: ARG002  # verbs of a model are called alike
        validation: Targets | None = None,
        seed: int = 0,
        progress: Progress | None = None,
    ) -> FittedBPR:
        """Descend; NotEnoughDataError where there is nothing to learn from."""
        events = positive_events(log, self.name)
        factors, counts = _bpr_factors(events, self, seed, progress), weighted_counts(events)
        candidates = (
            FittedBPR(replace(self, age_decay=age_decay), factors, counts)
            for age_decay in grid_of(self.age_decay, AGES)
        )
        if validation is not None and can_choose(validation):
            return best_of(candidates, validation)
        return next(candidates)


@dataclass(frozen=True, eq=False)
class _Factors(ABC):
    """What both have: settings, item vectors [n_items, dim] float32, weighted counts of items, and how to score."""

    settings: Any
    factors: NDArray[np.float32]
    counts: NDArray[np.float64]
    name: ClassVar[str]
    kind: ClassVar[type]

    @abstractmethod
    def encode(self, histories: Histories) -> States:
        """The user vector of each query, zeros where nothing is known; [n_queries, dim]."""

    def score(self, histories: Histories, items: Rows | None = None) -> Scores:
        """User vectors times item vectors."""
        return self.score_states(self.encode(histories), items)

    def score_states(self, states: States, items: Rows | None = None) -> Scores:
        """Items never seen in training come last; popularity where the state is zero."""
        vectors = states.vectors
        scores = filled_in(vectors @ self.factors.T, popularity_share(self.counts), np.asarray(vectors.any(axis=1)))
        return scores if items is None else scores[:, items]

    def update(self, events: EventLog) -> Self:
        """New events enter through the histories; an item that is new to all starts at the mean of its users' vectors.

        The vectors of known items stay as they are until the next fit.
        """
        new = events.positive
        taken, n_old = user_items(new), len(self.factors)
        known, fresh = taken[:, :n_old], taken[:, n_old:]
        means = (known @ self.factors) / np.maximum(np.asarray(known.sum(axis=1)), 1)
        started = (fresh.T @ means) / np.maximum(np.asarray(fresh.sum(axis=0)).T, 1)
        counts = weighted_counts(new)
        counts[:n_old] += self.counts
        return replace(self, factors=np.concatenate([self.factors, started]).astype(np.float32), counts=counts)

    def save(self, folder: Path) -> None:
        """Write item vectors, counts and header."""
        write_model(folder, self.name, asdict(self.settings), {"factors": self.factors, "counts": self.counts})

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote; RunError where it is damaged."""
        settings, arrays = read_model(folder, cls.name)
        return cls(settings_from(cls.kind, settings, cls.name), arrays["factors"], arrays["counts"])

    @property
    def age_decay(self) -> float:
        """How older moments are read."""
        return 1.0 if self.settings.age_decay is None else float(self.settings.age_decay)


@dataclass(frozen=True, eq=False)
class FittedALS(_Factors):
    """Item vectors, from which user vectors are solved."""

    name: ClassVar[str] = ALS.name
    kind: ClassVar[type] = ALS

    def encode(self, histories: Histories) -> States:
        """`u = (YᵀY + Yᵀ(C − 1)Y + l2)⁻¹ Yᵀ C p` of each history; [n_queries, dim]."""
        alpha, l2 = self.settings.alpha or 0.0, self.settings.l2 or 0.0
        read = read_events(histories, len(self.factors), age_decay=self.age_decay)
        base = self.factors.T @ self.factors + np.float32(l2) * np.eye(self.factors.shape[1], dtype=np.float32)
        vectors = np.zeros((len(histories), self.factors.shape[1]), np.float32)
        with threadpool_limits(1, "blas"):  # systems this small are solved faster by one thread than by two
            for query in np.flatnonzero(np.diff(read.indptr)):
                part = slice(read.indptr[query], read.indptr[query + 1])
                own, extra = self.factors[read.indices[part]], np.float32(alpha) * read.data[part]
                vectors[query] = np.linalg.solve(base + (own.T * extra) @ own, (1 + extra) @ own)
        return States(vectors)

    def settled(self) -> ALS:
        """The settings with what validation chose."""
        return cast("ALS", self.settings)


@dataclass(frozen=True, eq=False)
class FittedBPR(_Factors):
    """Item vectors with their bias as the last column; a user vector's last number is 1."""

    name: ClassVar[str] = BPR.name
    kind: ClassVar[type] = BPR

    def encode(self, histories: Histories) -> States:
        """The mean of the item vectors of each history, the recent weighing more; [n_queries, dim + 1]."""
        read = read_items(histories, len(self.factors), age_decay=self.age_decay)
        vectors = np.asarray(read @ self.factors)
        vectors /= np.maximum(np.asarray(read.sum(axis=1), np.float32), np.float32(1e-9))
        vectors[:, -1] = np.diff(read.indptr) > 0
        return States(vectors)

    def settled(self) -> BPR:
        """The settings with what validation chose."""
        return cast("BPR", self.settings)


def _als_factors(events: EventLog, settings: ALS, seed: int, progress: Progress | None) -> NDArray[np.float32]:
    """Item vectors by `implicit` on one thread; [n_items, dim]. Two threads were slower on two cores, and not alike."""
    from implicit.cpu.als import AlternatingLeastSquares

    matrix = _user_counts(events)
    matrix.data = 1 + np.float32(settings.alpha or 0.0) * matrix.data

    def make() -> Any:
        return AlternatingLeastSquares(
            factors=settings.dim,
            regularization=settings.l2,
            alpha=1.0,  # the confidence is in the matrix
            iterations=settings.epochs,
            num_threads=1,
            random_state=seed,
        )

    return _fitted_factors(make, matrix, settings.name, settings.epochs, progress)


def _bpr_factors(events: EventLog, settings: BPR, seed: int, progress: Progress | None) -> NDArray[np.float32]:
    """Item vectors with their bias by `implicit` on one thread; [n_items, dim + 1]."""
    from implicit.cpu.bpr import BayesianPersonalizedRanking

    def make() -> Any:
        return BayesianPersonalizedRanking(
            factors=settings.dim,
            learning_rate=settings.learning_rate,
            regularization=settings.l2,
            iterations=settings.epochs,
            num_threads=1,
            random_state=seed,
        )

    return _fitted_factors(make, user_items(events), settings.name, settings.epochs, progress)


def _fitted_factors(
    make: Callable[[], Any], matrix: sparse.csr_matrix, what: str, epochs: int, progress: Progress | None
) -> NDArray[np.float32]:
    """Fit quietly; items and users without events get zeros. BLAS on one thread: it and `implicit` would fight."""

    def report(epoch: int, *_: float) -> None:
        if progress:
            progress(epoch + 1, epochs, what)

    with threadpool_limits(1, "blas"):
        model = make()
        model.fit(matrix, show_progress=False, callback=report)
    factors = np.array(model.item_factors, np.float32)
    factors[np.bincount(matrix.indices, minlength=matrix.shape[1]) == 0] = 0.0
    return factors


def _user_counts(events: EventLog) -> sparse.csr_matrix:
    """The weight of all events of each user and item; [n_users, n_items] float32."""
    parts = (events.weight.astype(np.float32), (events.user_row, events.item_row))
    return sparse.csr_matrix(parts, shape=(events.n_users, events.n_items))
