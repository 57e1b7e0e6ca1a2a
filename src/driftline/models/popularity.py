"""Popularity, of all time and of the last days: what a model that knows its users has to beat."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from driftline.data.catalog import Catalog
from driftline.data.events import EventLog, Histories
from driftline.data.targets import Targets
from driftline.models.prior import ordered_below, popularity_share, weighted_counts
from driftline.models.reading import positive_events
from driftline.models.settings import check_whole
from driftline.models.storage import read_model, settings_from, write_model
from driftline.types import US_PER_DAY, Progress, Rows, Scores, Times


@dataclass(frozen=True)
class Popularity:
    """How often each item occurred, all time; the same for every user.

    >>> Popularity().settled() == Popularity()
    True
    """

    name: ClassVar[str] = "popularity"

    def fit(
        self,
        log: EventLog,
        *,
        catalog: Catalog | None = None,  # noqa: ARG002  # verbs of a model are called alike
        validation: Targets | None = None,  # noqa: ARG002
        seed: int = 0,  # noqa: ARG002
        progress: Progress | None = None,  # noqa: ARG002
    ) -> FittedPopularity:
        """Count; NotEnoughDataError where there is nothing to count."""
        return FittedPopularity(self, weighted_counts(positive_events(log, self.name)))

    def settled(self) -> Popularity:
        """Itself: there is nothing to choose."""
        return self


@dataclass(frozen=True, eq=False)
class FittedPopularity:
    """Weighted event counts, shape [n_items]; the score is an item's count divided by the largest."""

    settings: Popularity
    counts: NDArray[np.float64]
    name: ClassVar[str] = Popularity.name

    def score(self, histories: Histories, items: Rows | None = None) -> Scores:
        """Each item's share of the most popular one's count, the same for every query."""
        return _for_all(popularity_share(self.counts), histories, items)

    def update(self, events: EventLog) -> Self:
        """The counts of everything: equal to a fit on the old events and the new."""
        counts = weighted_counts(events.positive)
        counts[: len(self.counts)] += self.counts
        return type(self)(self.settings, counts)

    def settled(self) -> Popularity:
        """Its settings: nothing was chosen."""
        return self.settings

    def save(self, folder: Path) -> None:
        """Write counts and header."""
        write_model(folder, self.name, asdict(self.settings), {"counts": self.counts})

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote; RunError where it is damaged."""
        settings, arrays = read_model(folder, cls.name)
        return cls(settings_from(Popularity, settings, cls.name), arrays["counts"])


@dataclass(frozen=True)
class RecentPopularity:
    """How often each item occurred in the last `days` before the end of the log, or in as many as hold `min_events`.

    The window is fixed when it is fitted and moves with `update` alone. Items without an event in it come after all
    others, ordered by their counts of all time.
    """

    days: int = 7
    min_events: int = 1_000
    name: ClassVar[str] = "popularity-7d"

    def __post_init__(self) -> None:
        check_whole("days", self.days, 1)
        check_whole("min_events", self.min_events, 0)

    def fit(
        self,
        log: EventLog,
        *,
        catalog: Catalog | None = None,  # noqa: ARG002  # verbs of a model are called alike
        validation: Targets | None = None,  # noqa: ARG002
        seed: int = 0,  # noqa: ARG002
        progress: Progress | None = None,  # noqa: ARG002
    ) -> FittedRecentPopularity:
        """Count within the window; NotEnoughDataError where there is nothing to count."""
        events = positive_events(log, self.name)
        latest = _Events.of(events).latest(self)
        return FittedRecentPopularity(self, weighted_counts(events), latest, _window_counts(self, latest, log.n_items))

    def settled(self) -> RecentPopularity:
        """Itself: there is nothing to choose."""
        return self


@dataclass(frozen=True, eq=False)
class _Events:
    """Events without their users; arrays of shape [n_events]."""

    time_us: Times
    item_row: Rows
    weight: NDArray[np.float32]

    @classmethod
    def of(cls, log: EventLog) -> _Events:
        return cls(log.time_us, log.item_row, log.weight)

    def and_then(self, later: _Events) -> _Events:
        return _Events(
            np.concatenate([self.time_us, later.time_us]),
            np.concatenate([self.item_row, later.item_row]),
            np.concatenate([self.weight, later.weight]),
        )

    def latest(self, settings: RecentPopularity, spare_days: int = 1) -> _Events:
        """The window and a day more: an update's window begins at most that much earlier, as it moves by whole days."""
        keep = self.time_us > _window_start(settings, self.time_us) - spare_days * US_PER_DAY
        return _Events(self.time_us[keep], self.item_row[keep], self.weight[keep])


def _window_start(settings: RecentPopularity, time_us: Times) -> int:
    """The moment after which the window's events lie: whole days before the last event."""
    ages = np.sort((time_us.max() - time_us) // US_PER_DAY)
    n_days = max(settings.days, int(ages[min(settings.min_events, len(ages)) - 1]) + 1)
    return int(time_us.max()) - n_days * US_PER_DAY


def _window_counts(settings: RecentPopularity, latest: _Events, n_items: int) -> NDArray[np.float64]:
    window = latest.latest(settings, spare_days=0)
    return np.bincount(window.item_row, weights=window.weight, minlength=n_items).astype(np.float64)


@dataclass(frozen=True, eq=False)
class FittedRecentPopularity:
    """Weighted counts of all time and of the window, shape [n_items], and the latest events for the next window."""

    settings: RecentPopularity
    counts: NDArray[np.float64]
    latest: _Events
    recent: NDArray[np.float64]
    name: ClassVar[str] = RecentPopularity.name

    def score(self, histories: Histories, items: Rows | None = None) -> Scores:
        """Each item's share of the window's most popular one's count, the same for every query."""
        share = ordered_below(popularity_share(self.recent), popularity_share(self.counts))
        return _for_all(share, histories, items)

    def update(self, events: EventLog) -> Self:
        """The window moved to the end of the new events: equal to a fit on the old events and the new."""
        new = events.positive
        counts = weighted_counts(new)
        counts[: len(self.counts)] += self.counts
        latest = self.latest.and_then(_Events.of(new)).latest(self.settings)
        return type(self)(self.settings, counts, latest, _window_counts(self.settings, latest, len(counts)))

    def settled(self) -> RecentPopularity:
        """Its settings: nothing was chosen."""
        return self.settings

    def save(self, folder: Path) -> None:
        """Write counts, latest events and header."""
        arrays = {"counts": self.counts, "recent": self.recent} | {
            f"latest.{name}": getattr(self.latest, name) for name in ("time_us", "item_row", "weight")
        }
        write_model(folder, self.name, asdict(self.settings), arrays)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote; RunError where it is damaged."""
        settings, arrays = read_model(folder, cls.name)
        latest = _Events(arrays["latest.time_us"], arrays["latest.item_row"], arrays["latest.weight"])
        return cls(settings_from(RecentPopularity, settings, cls.name), arrays["counts"], latest, arrays["recent"])


def _for_all(share: NDArray[np.float32], histories: Histories, items: Rows | None) -> Scores:
    """One row of scores for every query."""
    chosen = share if items is None else share[items]
    return np.repeat(chosen[None].astype(np.float32), len(histories), axis=0)
