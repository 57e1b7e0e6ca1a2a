"""How far what comes lies from its forecast: the concentration of a beta-binomial around each share."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import betaln

from driftline.interest.state import Counts

SMALLEST_SHARE = 1e-6
FITTED_SHARE = 0.05
"""Of the mean, for a pair of user and topic to be fitted on: most topics are true zeros, which anybody foretells."""

RIDGE = 1e-4
LEAST_PAIRS = 50


class Spread(NamedTuple):
    """Concentration `exp(a + b · ln(1 + n) + c · ln p)`: n is how many events were read, p the share.

    Kept between e⁻² and e¹².
    """

    a: float = 2.0
    b: float = 0.3
    c: float = 0.0

    def at(self, n_known: Counts | float, share: Counts | float) -> Counts:
        """The concentration; arguments broadcast."""
        found = self.a + self.b * np.log1p(n_known) + self.c * np.log(np.maximum(share, SMALLEST_SHARE))
        return np.asarray(np.exp(np.clip(found, -2, 12)), np.float64)


def fit_spread(shares: Counts, came: Counts, n_known: Counts) -> Spread:
    """The spread under which the counts that came are likeliest, over pairs with a share of FITTED_SHARE or more.

    `shares` and `came` [n, n_topics]; `n_known` [n]. What nothing can be learned from gets the default.
    """
    total = came.sum(axis=1)
    row, topic = np.nonzero((shares >= FITTED_SHARE) & (total[:, None] > 1))
    if len(row) < LEAST_PAIRS:
        return Spread()
    share = np.minimum(shares[row, topic], 1 - 1e-9)
    known, count, whole = n_known[row], came[row, topic], total[row]

    def loss(abc: NDArray[np.float64]) -> float:
        strength = Spread(*abc).at(known, share)
        a, b = strength * share, strength * (1 - share)
        return float(-(betaln(count + a, whole - count + b) - betaln(a, b)).mean() + RIDGE * abc @ abc)

    found = minimize(loss, np.array(Spread()), method="Nelder-Mead", options={"maxiter": 300, "xatol": 1e-2})
    return Spread(*(float(one) for one in found.x))
