"""A sample of the items instead of all, drawn anew for each batch, corrected for how often each is drawn.

With n draws from q, the sum over all items is estimated without bias by Σ exp(s_j) · m_j / (n q_j) over what was drawn,
m_j being how often j was drawn: its logarithm is added to the score. The item that is asked for counts once, for sure.
Sources: Bengio and Senécal 2008 (importance sampling); Yi et al. 2019, equation 4 (logQ).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from driftline.models.sequence.steps import Ints

MOST_ITEMS = 50_000
"""Up to so many items all are asked; above, a sample is."""

SAMPLE = 4_096
"""How many negatives a batch draws where nothing else is said."""

POWER = 0.75
"""q is the items' shares of the events to this power. Source: Mikolov et al. 2013, section 2.2."""

NEVER = np.float32(-30.0)
"""The correction of an item that stands in the batch without being drawn: only its own question sees it."""


@dataclass(frozen=True, eq=False)
class Negatives:
    """Draws `size` items with replacement, item j with probability `q[j]`; `q` [n_items] sums to 1."""

    q: NDArray[np.float64]
    size: int

    def draw(self, rng: np.random.Generator) -> tuple[Ints, Ints]:
        """The different items drawn, ascending, and how often each was."""
        cumulated = np.cumsum(self.q)
        drawn = np.searchsorted(cumulated, rng.random(self.size) * cumulated[-1], side="right")
        items, times = np.unique(drawn, return_counts=True)
        return items, times

    def corrections(self, rows: Ints, drawn: Ints, times: Ints) -> NDArray[np.float32]:
        """`log(m / (n q))` for the rows that were drawn, NEVER for the others; shape [len(rows)]."""
        found = np.full(len(rows), NEVER, np.float32)
        found[np.searchsorted(rows, drawn)] = np.log(times / (self.size * self.q[drawn]))
        return found


def negatives_of(counts: NDArray[np.float64], asked: int | None) -> Negatives | None:
    """How items are sampled: not at all up to MOST_ITEMS where nothing is said, nor where all would be drawn."""
    size = asked if asked is not None else (SAMPLE if len(counts) > MOST_ITEMS else 0)
    if not 0 < size < len(counts):
        return None
    mass = np.power(np.maximum(counts, 1e-3 * counts.mean()), POWER)
    return Negatives(mass / mass.sum(), size)
