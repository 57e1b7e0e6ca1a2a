"""Recommend: a user's history in, a slate with reasons out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from driftline.data.catalog import Catalog
from driftline.data.dataset import Repeats
from driftline.data.events import EventLog, Histories, histories
from driftline.errors import RequestError, UnknownUserError
from driftline.interest.model import InterestModel
from driftline.metrics.ranks import top_items
from driftline.ranking.ahead import NAME as FORECAST
from driftline.ranking.ahead import Ahead, look_ahead, with_forecast
from driftline.ranking.blend import FittedBlend
from driftline.ranking.filters import filter_mask
from driftline.ranking.listwise import TAIL
from driftline.ranking.popular import Popular
from driftline.ranking.reasons import causes, reason
from driftline.ranking.rerank import POOL, diversified, item_vectors
from driftline.ranking.rules import excluding, personal, showable
from driftline.ranking.slate import Slate, SlateItem
from driftline.types import Rows, Scores

MAX_K = 1_000


@dataclass(frozen=True, eq=False)
class Recommender:
    """A blend over a log and a catalog; `provenance` goes into every slate, `interest` is needed for a horizon."""

    log: EventLog
    catalog: Catalog
    blend: FittedBlend
    repeats: Repeats
    provenance: Mapping[str, Any] = field(default_factory=dict)
    interest: InterestModel | None = None

    def recommend(
        self,
        user_id: str,
        *,
        at_us: int,
        k: int = 10,
        exclude: Sequence[str] = (),
        where: str | None = None,
        new_user: bool = False,
        diversity: float = 0.0,
        horizon: str | None = None,
        unseen: bool = False,
    ) -> Slate:
        """The k best items for a user at a moment, from what was known strictly before it.

        UnknownUserError for an id that the log has never seen, unless `new_user` says that this is meant: then, as for
        a user without events before `at`, the slate is what everybody likes and `fallback` says so. `where` is a filter
        (see `ranking.filters`); `diversity` (0 … 1) trades score for items that are less alike; `horizon` such as `7d`
        asks for what the user is moving into; `unseen` leaves out what the user had, where repeats would be allowed.
        """
        if not 1 <= k <= MAX_K:
            raise RequestError(f"expected k between 1 and {MAX_K}, got {k}")
        user_row = self.log.users.row(user_id)
        if user_row < 0 and not new_user:
            raise UnknownUserError(f"expected a user of this run, got {user_id!r}; for somebody new add --new-user")
        allowed = showable(self.log, self.catalog, user_row, at_us, "exclude" if unseen else self.repeats) & excluding(
            self.catalog, exclude
        )
        if where is not None:
            allowed &= filter_mask(where, self.catalog)
        past = histories(self.log.positive, np.array([user_row], np.int32), np.array([at_us], np.int64))
        if not personal(past):
            fallback = "unknown_user" if user_row < 0 else "no_history"
            return Slate(user_id, at_us, self._popular(at_us, allowed, k, diversity), fallback, self.provenance)
        scores = _masked(self.blend.score(past, allowed=allowed)[0], allowed)
        ahead = self._ahead(user_id, at_us, horizon, scores)
        return Slate(user_id, at_us, self._items(past, scores, ahead, k, diversity), None, self.provenance)

    def _items(
        self, past: Histories, scores: Scores, ahead: Ahead | None, k: int, diversity: float
    ) -> tuple[SlateItem, ...]:
        allowed = np.isfinite(scores)
        final = scores if ahead is None else (scores + ahead.lift).astype(np.float32)
        best = self._best(final, k, diversity)
        shares = self.blend.item_shares(past, best, allowed=allowed)
        if ahead is not None:
            shares = with_forecast(shares, scores[best].astype(np.float64), ahead.lift, best)
        popular = Popular.before(self.log, int(past.at_us[0]), dated=self._dated)
        texts = [
            reason(int(item), cause, past, self.catalog, popular, dated=self._dated)
            for item, cause in zip(best, causes(self.blend, past, best, allowed=allowed), strict=True)
        ]
        items = []
        for place, item in enumerate(best):
            arms = {name: float(share[place]) for name, share in shares.items() if share[place] > 0}
            moving = ahead is not None and max(arms, key=lambda name: arms[name]) == FORECAST
            text = ahead.reason(int(item)) if ahead is not None and moving else texts[place]
            items.append(self._item(item, place, float(final[item]), text, arms))
        return tuple(items)

    def _popular(self, at_us: int, allowed: NDArray[np.bool_], k: int, diversity: float) -> tuple[SlateItem, ...]:
        """What everybody took lately, for somebody of whom nothing is known."""
        popular = Popular.before(self.log, at_us, dated=self._dated)
        scores = _masked(popular.scores(), allowed)
        return tuple(
            self._item(item, place, float(scores[item]), popular.reason(int(item)), {TAIL: 1.0})
            for place, item in enumerate(self._best(scores, k, diversity))
        )

    def _best(self, scores: Scores, k: int, diversity: float) -> Rows:
        """The k best that may be shown, best first; under diversity, out of a larger pool."""
        pool = min(k * POOL if diversity else k, len(scores))
        ranked = top_items(scores[None], pool)[0] if pool else np.zeros(0, np.int32)
        ranked = ranked[ranked >= 0]
        if not diversity:
            return ranked
        # Among what may be shown alone: words of items that are yet to come would say what is coming.
        shown = np.flatnonzero(np.isfinite(scores)).astype(np.int32)
        places = np.searchsorted(shown, ranked).astype(np.int32)
        return ranked[diversified(places, scores[ranked], item_vectors(self.catalog, shown), k, diversity)]

    def _ahead(self, user_id: str, at_us: int, horizon: str | None, scores: Scores) -> Ahead | None:
        if horizon is None:
            return None
        if self.interest is None:
            raise RequestError("expected a run with interests for --horizon, got none; fit again or leave it out")
        return look_ahead(self.interest, self.log, user_id, at_us, horizon, scores)

    @property
    def _dated(self) -> bool:
        return self.interest is None or not self.interest.dynamics.order_only

    def _item(self, item: int, place: int, score: float, text: str, arms: Mapping[str, float]) -> SlateItem:
        label = self.catalog.label(int(item))
        return SlateItem(self.catalog.items[int(item)], label, place + 1, score, text, _rounded(arms))


def _masked(scores: Scores, allowed: NDArray[np.bool_]) -> Scores:
    return np.where(allowed, scores, np.float32(-np.inf)).astype(np.float32)


def _rounded(arms: Mapping[str, float]) -> dict[str, float]:
    """Shares to four places that still sum to 1: the largest takes up the rounding."""
    rounded = {name: round(share, 4) for name, share in arms.items()}
    largest = max(rounded, key=lambda name: rounded[name])
    rounded[largest] = round(rounded[largest] + 1 - sum(rounded.values()), 4)
    return {name: share for name, share in rounded.items() if share > 0}
