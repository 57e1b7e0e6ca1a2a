"""The slate: the items shown together, each with its place, score, reason, and what each arm brought."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from driftline.types import format_time


@dataclass(frozen=True)
class SlateItem:
    """One item of a slate; `position` counts from 1, `arms` sums to 1."""

    item_id: str
    title: str
    position: int
    score: float
    reason: str
    arms: Mapping[str, float]


@dataclass(frozen=True)
class Slate:
    """Items for a user at a moment; `fallback` says why it is not personal: `unknown_user`, `no_history`, or None."""

    user_id: str
    at_us: int
    items: tuple[SlateItem, ...]
    fallback: str | None = None
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """The contract's shape."""
        return {
            "user_id": self.user_id,
            "at": format_time(self.at_us),
            **self.provenance,
            "fallback": self.fallback,
            "items": [
                {
                    "item_id": item.item_id,
                    "title": item.title,
                    "position": item.position,
                    "score": item.score,
                    "reason": item.reason,
                    "arms": dict(item.arms),
                }
                for item in self.items
            ],
        }
