"""What became of topics since the version before, as lines for people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

MOST_NAMED = 5
"""So many merges, splits and so on are named, the others counted."""


def told(changes: Mapping[str, Any]) -> Iterator[str]:
    """How many topics went on, are new and ended, then each merge, split and new name.

    >>> tea, cups = {"topic": "t1", "name": "tea"}, {"topic": "t2", "name": "cups"}
    >>> one = {"went_on": ["t1"], "new": [], "ended": [cups], "split": [], "renamed": []}
    >>> list(told(one | {"merged": [{"from": [tea, cups], "into": tea}]}))
    ['topics: 1 went on, 0 new, 1 ended', 'merged: tea + cups → tea']
    """
    new, ended = changes["new"], changes["ended"]
    yield f"topics: {len(changes['went_on'])} went on, {len(new)} new, {len(ended)} ended"
    told_of = {"merged": changes["merged"], "split": changes["split"], "renamed": changes["renamed"]}
    for word, some in told_of.items():
        for one in some[:MOST_NAMED]:
            yield f"{word}: {_names(one['from'])} → {_names(one['into'])}"
        if len(some) > MOST_NAMED:
            yield f"{word}: {len(some) - MOST_NAMED} more, see --json"


def _names(topics: Mapping[str, str] | Sequence[Mapping[str, str]]) -> str:
    return " + ".join(one["name"] for one in ([topics] if isinstance(topics, Mapping) else topics))
