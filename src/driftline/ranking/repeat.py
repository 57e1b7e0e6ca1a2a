"""What a user had before and may want again: an arm of the blend where repeats are the norm."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from itertools import product
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from driftline.data.catalog import Catalog
from driftline.data.dataset import Repeats
from driftline.data.events import MOST_READ, EventLog, Histories
from driftline.data.targets import Targets
from driftline.models.base import Model
from driftline.models.choosing import best_of, can_choose
from driftline.models.storage import read_model, write_model
from driftline.types import US_PER_DAY, Progress, Rows, Scores

NAME = "repeat"

HALF_LIVES_DAYS = (15.0, 60.0, 1e6)
HALF_LIVES_MOMENTS = (3.0, 8.0, 1e6)
"""What validation chooses among; the last of each forgets nothing."""

OPEN_DAYS, OPEN_MOMENTS = 60.0, 8.0
"""Half-lives where there is no validation to choose by."""

PRIOR_PAIRS = 5.0
"""How many average pairs of user and item an item's rate of return is smoothed with."""


@dataclass(frozen=True)
class Repeat:
    """What was had before, by how often and how lately, times how readily the item is taken again.

        score(u, i) = r_i · Σ over events e of u with i of 2^(−days_e / half_life_days − moments_e / half_life_moments)

    `days_e` and `moments_e` count back from the question and from the last moment of the history; r_i is the share of
    the users of i who came back to it, smoothed. Half-lives that are None are chosen on validation by NDCG@10.
    Source: Anderson et al. 2014, "The dynamics of repeat consumption" (recency and quality).
    """

    name: ClassVar[str] = NAME
    half_life_days: float | None = None
    half_life_moments: float | None = None

    def fit(
        self,
        log: EventLog,
        *,
        catalog: Catalog | None = None,  # noqa: ARG002  # only the log says who came back
        validation: Targets | None = None,
        seed: int = 0,  # noqa: ARG002  # nothing is drawn
        progress: Progress | None = None,  # noqa: ARG002  # it takes moments
    ) -> FittedRepeat:
        """Count who came back to what; choose the half-lives where there is a validation."""
        rate = _rates(log.positive)
        if validation is None or not can_choose(validation):
            own = Repeat(self.half_life_days or OPEN_DAYS, self.half_life_moments or OPEN_MOMENTS)
            return FittedRepeat(own, rate)
        days = (self.half_life_days,) if self.half_life_days else HALF_LIVES_DAYS
        moments = (self.half_life_moments,) if self.half_life_moments else HALF_LIVES_MOMENTS
        return best_of((FittedRepeat(Repeat(d, m), rate) for d, m in product(days, moments)), validation)


@dataclass(frozen=True, eq=False)
class FittedRepeat:
    """Half-lives that were chosen, and the rate of return of each item, shape [n_items]."""

    name: ClassVar[str] = NAME
    settings: Repeat
    rate: NDArray[np.float32]

    def score(self, histories: Histories, items: Rows | None = None) -> Scores:
        """Decayed counts times rates, 0 for an item that is not in the history; [n_queries, n_items or len(items)]."""
        histories = histories.last(MOST_READ)
        log, n_items = histories.log, histories.log.n_items
        positions, query = histories.flat()
        days = (histories.at_us[query] - log.time_us[positions]) / US_PER_DAY
        moments = log.moment[histories.end[query] - 1] - log.moment[positions]
        age = days / (self.settings.half_life_days or OPEN_DAYS) + moments / (
            self.settings.half_life_moments or OPEN_MOMENTS
        )
        item = log.item_row[positions]
        weight = (np.exp2(-age) * _grown(self.rate, n_items)[item]).astype(np.float32)
        scores = sparse.csr_matrix((weight, (query, item)), shape=(len(histories), n_items))
        return np.asarray((scores if items is None else scores[:, items]).toarray(), np.float32)

    def settled(self) -> Model:
        """The half-lives that were chosen."""
        return self.settings

    def update(self, events: EventLog) -> FittedRepeat:
        """The same: a history brings its own events, and rates of return move slowly."""
        return replace(self, rate=_grown(self.rate, events.n_items))

    def save(self, folder: Path) -> None:
        """Write half-lives and rates."""
        write_model(folder, NAME, asdict(self.settings), {"rate": self.rate})

    @classmethod
    def load(cls, folder: Path) -> FittedRepeat:
        """Read what `save` wrote."""
        settings, arrays = read_model(folder, NAME)
        return cls(Repeat(**settings), arrays["rate"])


def own_arms(repeats: Repeats) -> dict[str, Model]:
    """The arms that every blend has beside those it is given: what was had before, where repeats are allowed."""
    return {NAME: Repeat()} if repeats == "allow" else {}


def _grown(rate: NDArray[np.float32], n_items: int) -> NDArray[np.float32]:
    """Rates with the mean for items that are new; shape [n_items]."""
    grown = np.full(n_items, rate.mean() if len(rate) else 1.0, np.float32)
    grown[: len(rate)] = rate
    return grown


def _rates(log: EventLog) -> NDArray[np.float32]:
    """The share of an item's users that had it at more than one moment, smoothed toward the mean of all."""
    pair = log.user_row.astype(np.int64) * max(log.n_items, 1) + log.item_row
    visits = np.unique(np.stack([pair, log.moment]), axis=1)[0] if len(log) else pair
    pairs, times = np.unique(visits, return_counts=True)
    item = pairs % max(log.n_items, 1)
    users = np.bincount(item, minlength=log.n_items)
    back = np.bincount(item[times > 1], minlength=log.n_items)
    mean = max(back.sum(), 1) / max(users.sum(), 1)
    return np.asarray((back + PRIOR_PAIRS * mean) / (users + PRIOR_PAIRS), np.float32)
