"""The blend: one score from several arms, learned on validation, each arm's share known.

Candidates are the arms' best n. A conditional logit scores one by Σ over arms of β_rank · log((n+1)/(rank+1)) +
β_above · (score above the n-th) + β_member, all terms ≥ 0 and 0 for an item that is not among the arm's best n; so what
an arm brings to an item is exactly what leaving it out would take away. Where a listwise network was better on
validation it scores instead (`listwise`), and its score is divided by what leaving each source out takes away. Items in
nobody's best n follow in the order of popularity.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from driftline.data.catalog import Catalog
from driftline.data.events import EventLog, Histories
from driftline.data.targets import Targets
from driftline.errors import NotEnoughDataError, RunError, SaveError
from driftline.metrics.ranks import CELLS_PER_BATCH
from driftline.models.base import FittedModel, Model, Updates
from driftline.models.storage import read_model, write_model
from driftline.ranking.candidates import FROM_RANKS, PER_ARM, Candidates, arm_scores, candidates_of
from driftline.ranking.choosing import choose
from driftline.ranking.evidence import Evidence
from driftline.ranking.listwise import TAIL, Listwise, columns_of, narrow, widened
from driftline.ranking.network import Network
from driftline.ranking.repeat import FittedRepeat
from driftline.ranking.stacking import Weights
from driftline.types import Progress, Rows, Scores

NAME = "blend"

Arms = Mapping[str, FittedModel]
LoadArm = Callable[[str, Path], FittedModel]


@dataclass(frozen=True, eq=False)
class FittedBlend:
    """Fitted arms and their weights; `weights` has shape [n_arms, PER_ARM], all ≥ 0.

    Where there is a `listwise` it scores instead of the weights, but for empty histories: of those the network learned
    nothing. `popularity` (events per item, [n_items]) orders the items that no arm ranks. Under `exclude_history` the
    items of a history do not take places among an arm's best. `shares` are the mean shares of the sources on
    validation; they sum to 1. `dropped` says of each arm that earned nothing why it is not here.
    """

    name: ClassVar[str] = NAME
    arms: Arms
    weights: NDArray[np.float64]
    popularity: NDArray[np.float32]
    exclude_history: bool
    shares: Mapping[str, float] = field(default_factory=dict)
    dropped: Mapping[str, str] = field(default_factory=dict)
    listwise: Listwise | None = None

    @property
    def sources(self) -> tuple[str, ...]:
        """What a score is owed to: the arms, and after them the counts that a network reads itself."""
        return tuple(self.arms) if self.listwise is None else tuple(columns_of(list(self.arms)))

    def score(
        self, histories: Histories, items: Rows | None = None, *, allowed: NDArray[np.bool_] | None = None
    ) -> Scores:
        """Numbers to sort by, shape [n_queries, n_items] or [n_queries, len(items)].

        `allowed` [n_items] keeps the places among an arm's best for the items that may be shown.
        """
        n_items = histories.log.n_items
        size = max(1, CELLS_PER_BATCH // max(n_items * len(self.arms), 1))
        parts = [self._score_batch(batch, allowed) for batch in histories.batches(size)]
        scores = np.concatenate(parts) if parts else np.zeros((0, n_items), np.float32)
        return scores if items is None else scores[:, items]

    def item_shares(
        self, histories: Histories, items: Rows, *, allowed: NDArray[np.bool_] | None = None
    ) -> dict[str, NDArray[np.float64]]:
        """What part of each item's score each source brought, for one query: arrays of shape [len(items)].

        Shares of an item sum to 1; an item that no arm ranks is popularity's.
        """
        parts = self.contributions(histories, items, allowed=allowed)[0]
        total = parts.sum(1)
        shares = {
            name: np.where(total > 0, part / np.where(total > 0, total, 1), 0.0)
            for name, part in zip(self.sources, parts.T, strict=True)
        }
        if (total <= 0).any():
            shares[TAIL] = np.where(total > 0, shares.get(TAIL, np.zeros(len(items))), 1.0)
        return shares

    def contributions(
        self, histories: Histories, items: Rows, *, allowed: NDArray[np.bool_] | None = None
    ) -> NDArray[np.float64]:
        """What the score of each item would lose without each source; shape [n_queries, len(items), n_sources].

        They sum to the score; 0 for an item that no arm ranks. Under a network, what leaving out takes away need not
        sum to the score, so it divides the score in proportion.
        """
        size = max(1, CELLS_PER_BATCH // max(histories.log.n_items * len(self.arms), 1))
        parts = [self._contributions_batch(batch, items, allowed) for batch in histories.batches(size)]
        return np.concatenate(parts) if parts else np.zeros((0, len(items), len(self.sources)))

    def with_arms(self, arms: Arms, log: EventLog) -> FittedBlend:
        """The same weights over fits of the same arms on another log, whose popularity orders what no arm ranks."""
        listwise = None if self.listwise is None else self.listwise.on(log)
        arms = {name: arms[name] for name in self.arms}
        return replace(self, arms=arms, popularity=_popularity(log), listwise=listwise)

    def update(self, events: EventLog) -> FittedBlend:
        """Every arm moved by the new events; an arm that cannot learn them stays as it is."""
        arms = {name: arm.update(events) if isinstance(arm, Updates) else arm for name, arm in self.arms.items()}
        popularity = np.zeros(events.n_items, np.float32)
        popularity[: len(self.popularity)] = self.popularity
        popularity += events.positive.item_counts().astype(np.float32)
        listwise = None if self.listwise is None else self.listwise.update(events)
        return replace(self, arms=arms, popularity=popularity, listwise=listwise)

    def settled(self) -> Model:
        """The blend with every arm settled and its weights kept."""
        settled = {name: arm.settled() for name, arm in self.arms.items()}
        network = None if self.listwise is None else self.listwise.network
        return Blend(settled, tuple(map(tuple, self.weights)), self.exclude_history, network)

    def save(self, folder: Path) -> None:
        """Write the weights, and each arm into `arms/NAME`."""
        settings = {
            "arms": list(self.arms),
            "exclude_history": self.exclude_history,
            "shares": dict(self.shares),
            "dropped": dict(self.dropped),
            "listwise": self.listwise is not None,
        }
        arrays = {} if self.listwise is None else self.listwise.arrays()
        write_model(folder, NAME, settings, {**arrays, "weights": self.weights, "popularity": self.popularity})
        for name, arm in self.arms.items():
            place = folder / "arms" / name
            try:
                place.mkdir(parents=True)
            except OSError as error:
                raise SaveError(f"could not make {place}: {error.strerror}; save into an empty folder") from error
            arm.save(place)

    @classmethod
    def load(cls, folder: Path, load_arm: LoadArm) -> FittedBlend:
        """Read what `save` wrote; `load_arm(name, folder)` reads an arm that the blend was given."""
        settings, arrays = read_model(folder, NAME)
        try:
            arms = {str(name): _load_arm(str(name), folder / "arms" / str(name), load_arm) for name in settings["arms"]}
            return cls(
                arms,
                arrays["weights"],
                arrays["popularity"],
                bool(settings["exclude_history"]),
                dict(settings["shares"]),
                dict(settings["dropped"]),
                Listwise.from_arrays(arrays) if settings.get("listwise") else None,
            )
        except (KeyError, json.JSONDecodeError) as error:
            raise RunError(f"expected a whole blend in {folder}, got none of {error}; fit again") from error

    def _score_batch(self, histories: Histories, allowed: NDArray[np.bool_] | None) -> Scores:
        found = self._candidates(histories, allowed)
        n_items = histories.log.n_items
        tail = self.popularity[:n_items] / (self.popularity.max(initial=0) + 1) - 1
        scores = np.tile(np.pad(tail, (0, n_items - len(tail)), constant_values=-1), (len(histories), 1))
        scores[found.query, found.item] = self._worth(found, histories)
        return scores.astype(np.float32, copy=False)

    def _contributions_batch(
        self, histories: Histories, items: Rows, allowed: NDArray[np.bool_] | None
    ) -> NDArray[np.float64]:
        found = self._candidates(histories, allowed)
        worth, asked = self._worth(found, histories), np.isin(found.item, items)
        found = Candidates(found.query[asked], found.item[asked], found.features[asked])
        dense = np.zeros((len(histories), histories.log.n_items, len(self.sources)), np.float32)
        dense[found.query, found.item] = self._parts(found, worth[asked], histories)
        return dense[:, items].astype(np.float64)

    def _candidates(self, histories: Histories, allowed: NDArray[np.bool_] | None) -> Candidates:
        """The arms' best with the features that this blend scores by."""
        scores, mask = arm_scores(self.arms, histories), self._allowed(histories, allowed)
        found = candidates_of(scores, mask)
        return found if self.listwise is None else widened(found, scores, mask, self.listwise.evidence, histories)

    def _worth(self, found: Candidates, histories: Histories) -> NDArray[np.float32]:
        """The score of each candidate, > 0 where a source speaks for it; [n_rows]."""
        if self.listwise is None:
            return found.features @ self.weights.ravel().astype(np.float32)
        worth, unknown = self.listwise.worth(found), histories.lengths[found.query] == 0
        worth[unknown] = _promised(self._weighed(found.features[unknown])).sum(axis=1)
        return worth

    def _parts(self, found: Candidates, worth: NDArray[np.float32], histories: Histories) -> NDArray[np.floating]:
        """The score of each candidate (its `worth`), divided among the sources; [n_rows, n_sources]."""
        if self.listwise is None:
            return self._weighed(found.features)
        parts = self.listwise.parts(found.features, worth, list(self.arms))
        unknown = histories.lengths[found.query] == 0
        parts[unknown] = 0
        parts[unknown, : len(self.arms)] = _promised(self._weighed(found.features[unknown]))
        return parts

    def _weighed(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """What the weights alone make of features, by arm; [n_rows, n_arms]."""
        n_arms = len(self.arms)
        own = features if self.listwise is None else features[:, narrow(n_arms)]
        weighed = own * self.weights.ravel().astype(np.float32)
        return np.asarray(weighed.reshape(-1, n_arms, PER_ARM).sum(2), np.float32)

    def _allowed(self, histories: Histories, allowed: NDArray[np.bool_] | None) -> NDArray[np.bool_] | None:
        if not self.exclude_history and allowed is None:
            return None
        shape = (len(histories), histories.log.n_items)
        mask = np.ones(shape, bool) if allowed is None else np.tile(allowed, (len(histories), 1))
        if self.exclude_history:
            positions, query = histories.distinct()
            mask[query, histories.log.item_row[positions]] = False
        return mask


@dataclass(frozen=True)
class Blend:
    """Arms to fit and blend; with `weights` (PER_ARM numbers for each arm) there is nothing left to choose.

    `network` scores instead of the weights, if one was chosen. Where nothing validates, ranks count alone and every arm
    the same.
    """

    name: ClassVar[str] = NAME
    arms: Mapping[str, Model]
    weights: tuple[tuple[float, ...], ...] | None = None
    exclude_history: bool = False
    network: Network | None = None

    def fit(
        self,
        log: EventLog,
        *,
        catalog: Catalog | None = None,
        validation: Targets | None = None,
        seed: int = 0,
        progress: Progress | None = None,
    ) -> FittedBlend:
        """Fit the arms; half of the validation users (by user row) stop their training, half teach the weights."""
        stop, stack = _halves(validation)
        arms: dict[str, FittedModel] = {}
        for done, (name, model) in enumerate(self.arms.items()):
            arms[name] = model.fit(log, catalog=catalog, validation=stop, seed=seed, progress=progress)
            if progress:
                progress(done + 1, len(self.arms), "fit arms")
        if not arms:
            raise NotEnoughDataError("expected at least one arm to blend, got none")
        if self.weights is None and stack is not None:
            return stacked(arms, stack, seed=seed)
        weights = np.array(self.weights if self.weights is not None else [FROM_RANKS] * len(arms), np.float64)
        blend = with_weights(arms, weights, log, exclude_history=self.exclude_history)
        return blend if self.network is None else replace(blend, listwise=Listwise(self.network, Evidence.of(log)))


def stacked(arms: Arms, stack: Targets, *, seed: int = 0) -> FittedBlend:
    """The blend of these arms that is best on held-out validation users; equal weights where there are no targets."""
    exclude = stack.repeats == "exclude"
    if not len(stack):
        return with_weights(arms, np.array([FROM_RANKS] * len(arms)), stack.train, exclude_history=exclude)
    chosen = choose(arms, stack, seed=seed)
    kept = {name: arms[name] for name in chosen.names}
    blend = with_weights(kept, chosen.weights, stack.train, exclude_history=exclude)
    return replace(blend, shares=chosen.shares, dropped=chosen.dropped, listwise=chosen.listwise)


def with_weights(arms: Arms, weights: Weights, log: EventLog, *, exclude_history: bool) -> FittedBlend:
    """A blend whose weights are given; shares follow the weights."""
    mass = weights.sum(1)
    shares = mass / mass.sum() if mass.sum() > 0 else np.full(len(mass), 1 / len(mass))
    return FittedBlend(
        dict(arms), weights, _popularity(log), exclude_history, dict(zip(arms, map(float, shares), strict=True))
    )


def _promised(parts: NDArray[np.float32]) -> NDArray[np.float32]:
    """Parts of scores s scaled to s / (1 + s), which keeps their order.

    The scale of a network's scores is another, and somebody of whom nothing is known is promised less than anybody.
    """
    return np.asarray(parts / (1 + parts.sum(axis=1, keepdims=True)), np.float32)


def _popularity(log: EventLog) -> NDArray[np.float32]:
    """Positive events per item; shape [n_items]."""
    return log.positive.item_counts().astype(np.float32)


def _load_arm(name: str, folder: Path, load_arm: LoadArm) -> FittedModel:
    """The blend knows its own arm; all others are the caller's."""
    return FittedRepeat.load(folder) if name == FittedRepeat.name else load_arm(name, folder)


def _halves(validation: Targets | None) -> tuple[Targets | None, Targets | None]:
    if validation is None or not len(validation):
        return None, None
    first = validation.histories.user_row % 2 == 0
    halves = [validation.take_queries(np.flatnonzero(half)) for half in (first, ~first)]
    return (halves[0] if len(halves[0]) else None), (halves[1] if len(halves[1]) else None)
