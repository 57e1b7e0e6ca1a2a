"""A blend by a network: what it sees of each candidate, what it makes of it, and how that is owed to each source.

Of each arm it sees the three features of `candidates` and the lift, also where the arm does not propose the item; and
of the log itself `evidence`. A source is left out by setting what it says to 0, as if it had ranked nothing. The raw
counts are sources of their own, so that no arm is paid for them: `near-counts`, and `popularity`, which is the arm of
that name where there is one. The length of the history says nothing for or against an item and is nobody's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from driftline.data.events import EventLog, Histories
from driftline.ranking.candidates import PER_ARM, Candidates, lifts
from driftline.ranking.evidence import N_COLUMNS, N_NEAR, N_POPULAR, Evidence
from driftline.ranking.network import Network
from driftline.ranking.stacking import segments
from driftline.types import Scores

WIDE = PER_ARM + 1
"""What the network sees of one arm: the features of `candidates`, then the lift."""

NEAR = "near-counts"
"""The source that raw counts of what follows what are owed to."""

TAIL = "popularity"
"""What carries an item that no arm ranks, and the source that raw counts of items are owed to."""

ABOVE = 5.0
"""What a score has where an item is as likely as any other candidate: high enough for the floor at 0 not to matter."""

Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Listwise:
    """A learned network and the counts of the log that the arms are fitted on."""

    network: Network
    evidence: Evidence

    def worth(self, found: Candidates) -> Floats:
        """log(1 + e^(ABOVE + log(n p))) of each row, p being its softmax among the n candidates of its query; [n_rows].

        Above 0, and but for what is far less likely than by chance the logarithm of p up to a constant: its differences
        are those of the utilities, and what a history item adds to the probability it adds here.
        """
        if not len(found.query):
            return np.zeros(0, np.float32)
        utility = self.network.utility(found.features).astype(np.float64)
        starts, segment = segments(found.query)
        top = np.maximum.reduceat(utility, starts)
        sizes = np.diff(np.append(starts, len(utility)))
        chance = top + np.log(np.add.reduceat(np.exp(utility - top[segment]), starts) / sizes)
        return np.asarray(np.logaddexp(0, ABOVE + utility - chance[segment]), np.float32)

    def parts(self, features: Floats, worth: Floats, arms: Sequence[str]) -> NDArray[np.float64]:
        """The worth of each row, divided by what its utility loses without each source; [n_rows, n_sources].

        A source without which it would gain has no part; what loses by none is popularity's.
        """
        utility, groups = self.network.utility(features), columns_of(arms)
        lost = [utility - self.network.utility(_without(features, columns)) for columns in groups.values()]
        drops = np.maximum(np.stack(lost, axis=1).astype(np.float64), 0)
        drops[drops.sum(axis=1) <= 0, list(groups).index(TAIL)] = 1
        return np.asarray(worth[:, None] * drops / drops.sum(axis=1, keepdims=True), np.float64)

    def on(self, log: EventLog) -> Listwise:
        """The same network over the counts of another log."""
        return replace(self, evidence=Evidence.of(log))

    def update(self, events: EventLog) -> Listwise:
        """The counts moved by later events."""
        return replace(self, evidence=self.evidence.update(events))

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Network and counts as plain arrays."""
        return self.network.arrays() | self.evidence.arrays()

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Listwise:
        """What `arrays` took apart."""
        return cls(Network.from_arrays(arrays), Evidence.from_arrays(arrays))


def widened(
    found: Candidates,
    scores: Sequence[Scores],
    allowed: NDArray[np.bool_] | None,
    evidence: Evidence,
    histories: Histories,
) -> Candidates:
    """Candidates with all that the network sees: WIDE columns for each arm, then those of the evidence."""
    n_rows, n_arms = len(found.query), len(scores)
    arms = np.empty((n_rows, n_arms, WIDE), np.float32)
    arms[:, :, :PER_ARM] = found.features.reshape(n_rows, n_arms, PER_ARM)
    arms[:, :, PER_ARM] = lifts(scores, allowed, found)
    own = evidence.columns(histories, found.query, found.item)
    return Candidates(found.query, found.item, np.concatenate([arms.reshape(n_rows, n_arms * WIDE), own], axis=1))


def narrow(n_arms: int) -> NDArray[np.int64]:
    """Which of the wide columns are the features that a conditional logit weighs."""
    return (np.arange(n_arms)[:, None] * WIDE + np.arange(PER_ARM)).ravel()


def wide(numbers: Sequence[int], n_arms: int) -> NDArray[np.int64]:
    """The wide columns of some out of `n_arms` arms, with those of the evidence."""
    arms = (np.array(numbers, np.int64)[:, None] * WIDE + np.arange(WIDE)).ravel()
    return np.concatenate([arms, n_arms * WIDE + np.arange(N_COLUMNS)])


def columns_of(arms: Sequence[str]) -> dict[str, NDArray[np.int64]]:
    """The wide columns of each source by name: the arms, near counts, popularity."""
    first = WIDE * len(arms)
    groups = {name: WIDE * number + np.arange(WIDE) for number, name in enumerate(arms)}
    groups[NEAR] = first + np.arange(N_NEAR)
    counts = first + N_NEAR + np.arange(N_POPULAR)
    groups[TAIL] = np.concatenate([groups[TAIL], counts]) if TAIL in groups else counts
    return groups


def _without(features: Floats, columns: NDArray[np.int64]) -> Floats:
    masked = features.copy()
    masked[:, columns] = 0
    return masked
