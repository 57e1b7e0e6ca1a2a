"""Whether intervals hold what comes as often as they say, also where little is known and over long windows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from driftline.metrics.distributions import randomised_pit

LOW, HIGH = 0.05, 0.95
N_DECILES = 10
LONG_WINDOW = 10
"""Events in a window from which on its coverage tells: at one or two events anybody covers .88 to .90."""

Counts = NDArray[np.float64]


class Share(NamedTuple):
    """How many of so many pairs of window and topic lie inside their interval; NaN of none."""

    value: float
    pairs: int


class Coverage(NamedTuple):
    """Coverage of 90 % intervals by tenths of the users' activity, and over windows of LONG_WINDOW events or more.

    Beside it that of a plain multinomial around the same shares, which has no doubt of them.
    """

    deciles: tuple[Share, ...]
    long_windows: Share
    multinomial: Share

    def as_json(self) -> dict[str, Any]:
        """As JSON values; null where there are no pairs."""
        return {
            "deciles": [_json(one) for one in self.deciles],
            "long_windows": _json(self.long_windows),
            "multinomial": _json(self.multinomial),
        }


def inside(shares: Counts, came: Counts, concentration: Counts, seed: int) -> tuple[NDArray[np.int64], Counts]:
    """The window of each judged pair, and 1 where what came lies in its interval, else 0; see `randomised_pit`."""
    window, pit = randomised_pit(shares, came, concentration, np.random.default_rng(seed))
    return window, ((pit >= LOW) & (pit <= HIGH)).astype(np.float64)


def coverage_of(shares: Counts, came: Counts, concentration: Counts, n_known: Counts, seed: int) -> Coverage:
    """Of forecasts [n, n_topics] with so much known of each window's user, [n]."""
    window, hit = inside(shares, came, concentration, seed)
    rank = np.argsort(np.argsort(n_known, kind="stable"), kind="stable")
    decile = (rank * N_DECILES // max(len(rank), 1))[window]
    plain = inside(shares, came, np.full(len(came), np.inf), seed)[1]
    return Coverage(
        tuple(_share(hit[decile == place]) for place in range(N_DECILES)),
        _share(hit[came.sum(axis=1)[window] >= LONG_WINDOW]),
        _share(plain),
    )


def coverages_json(found: Mapping[str, Coverage]) -> dict[str, Any]:
    """By the name of what forecast."""
    return {name: one.as_json() for name, one in found.items()}


def _share(hit: Counts) -> Share:
    return Share(float(hit.mean()) if len(hit) else float("nan"), len(hit))


def _json(share: Share) -> dict[str, float | int | None]:
    return {"value": round(share.value, 6) if share.pairs else None, "pairs": share.pairs}
