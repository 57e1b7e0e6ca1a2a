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
from driftline.types import Scores

WIDE = PER_ARM + 1
"""What the network sees of one arm: the features of `candidates`, then the lift."""

NEAR = "near-counts"
"""The source that raw counts of what follows what are owed to."""

TAIL = "popularity"
"""What carries an item that no arm ranks, and the source that raw counts of items are owed to."""

Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Listwise:
    """A learned network and the counts of the log that the arms are fitted on."""

    network: Network
    evidence: Evidence

    def worth(self, features: Floats) -> Floats:
        """log(1 + e^(u − u0)) of each row, > 0, u0 being the utility of an item that nothing is known of; [n_rows].

        A softmax and its order are those of u, as far as an item is better than one of which nothing is known.
        """
        lengths, place = np.unique(features[:, -1], return_inverse=True)
        nothing = np.zeros((len(lengths), features.shape[1]), np.float32)
        nothing[:, -1] = lengths
        utility = self.network.utility(features) - self.network.utility(nothing)[place]
        return np.asarray(np.logaddexp(np.float32(0), utility), np.float32)

    def parts(self, features: Floats, arms: Sequence[str]) -> NDArray[np.float64]:
        """The worth of each row, divided by what it loses without each source, where it loses; [n_rows, n_sources].

        What loses nothing by any is popularity's.
        """
        whole, groups = self.worth(features), columns_of(arms)
        lost = np.stack([whole - self.worth(_without(features, columns)) for columns in groups.values()], axis=1)
        lost = np.maximum(lost.astype(np.float64), 0)
        lost[lost.sum(axis=1) <= 0, list(groups).index(TAIL)] = 1
        return np.asarray(whole[:, None] * lost / lost.sum(axis=1, keepdims=True), np.float64)

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
