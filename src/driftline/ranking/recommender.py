"""Recommend: a user's history in, a slate with reasons out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from driftline.data.catalog import Catalog
from driftline.data.dataset import Repeats
from driftline.data.events import EventLog
from driftline.data.history import Histories, histories
from driftline.errors import RequestError, UnknownUserError
from driftline.metrics.ranks import top_items
from driftline.ranking.blend import FittedBlend
from driftline.ranking.filters import filter_mask
from driftline.ranking.reasons import causes, reason
from driftline.ranking.rules import excluding, personal, showable
from driftline.ranking.slate import Slate, SlateItem
from driftline.types import Rows

MAX_K = 1_000


@dataclass(frozen=True, eq=False)
class Recommender:
    """A blend over a log and a catalog; `provenance` goes into every slate."""

    log: EventLog
    catalog: Catalog
    blend: FittedBlend
    repeats: Repeats
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def recommend(
        self,
        user_id: str,
        *,
        at_us: int,
        k: int = 10,
        exclude: Sequence[str] = (),
        where: str | None = None,
        new_user: bool = False,
    ) -> Slate:
        """The k best items for a user at a moment, from what was known strictly before it.

        UnknownUserError for an id that the log has never seen, unless `new_user` says that this is meant: then, as for
        a user without events before `at`, the slate is what everybody likes and `fallback` says so.
        """
        if not 1 <= k <= MAX_K:
            raise RequestError(f"expected k between 1 and {MAX_K}, got {k}")
        user_row = self.log.users.row(user_id)
        if user_row < 0 and not new_user:
            raise UnknownUserError(f"expected a user of this run, got {user_id!r}; for somebody new add --new-user")
        allowed = showable(self.log, self.catalog, user_row, at_us, self.repeats) & excluding(self.catalog, exclude)
        if where:
            allowed &= filter_mask(where, self.catalog)
        rows = np.array([user_row], np.int32)
        past = histories(self.log.positive, rows, np.array([at_us], np.int64))
        fallback = None if personal(past) else "unknown_user" if user_row < 0 else "no_history"
        return Slate(user_id, at_us, self._items(past, allowed, k), fallback, self.provenance)

    def _items(self, past: Histories, allowed: NDArray[np.bool_], k: int) -> tuple[SlateItem, ...]:
        scores = np.where(allowed, self.blend.score(past, allowed=allowed), np.float32(-np.inf))
        best: Rows = top_items(scores, min(k, scores.shape[1]))[0]
        best = best[best >= 0]
        shares = self.blend.item_shares(past, best, allowed=allowed)
        why = causes(self.blend, past, best, allowed=allowed)
        items = []
        for place, (item, cause) in enumerate(zip(best, why, strict=True)):
            arms = {name: round(float(share[place]), 4) for name, share in shares.items() if share[place] > 0}
            leading = max(arms, key=lambda name: arms[name])
            text = reason(int(item), cause, leading, past, self.catalog)
            label, score = self.catalog.label(int(item)), float(scores[0, item])
            items.append(SlateItem(self.catalog.items[int(item)], label, place + 1, score, text, arms))
        return tuple(items)
