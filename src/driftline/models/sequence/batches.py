"""Batches of windows: like lengths together, steps in the order in which a network runs through them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from driftline.models.sequence.had import counts_after
from driftline.models.sequence.steps import Ints, Steps, offsets, ranges


@dataclass(frozen=True, eq=False)
class Batch:
    """What a network reads, and what it should have expected.

    `steps` by time, as `Network.run` wants them, with `going[t]` sequences having a step t. After state
    `target_state[n]` (ascending) came `target_item[n]`, which is `mass[n]` of that moment: 1 / its size. `had` are the
    counts of what was had by then, [n_states, n_items], where they are asked for.
    """

    steps: Steps
    going: list[int]
    target_state: Ints
    target_item: Ints
    mass: NDArray[np.float32]
    had: sparse.csr_matrix | None = None

    @property
    def n_states(self) -> int:
        """How many times it is asked what comes next."""
        return sum(self.going)


def batches(windows: Steps, size: int, rng: np.random.Generator, *, counted: int = 0) -> Iterator[Batch]:
    """All windows once, in random order, about `size` steps in a batch; the lengths in one differ little.

    With `counted` items the batches say how often each was had before.
    """
    lengths = windows.lengths - 1
    order = rng.permutation(len(windows))
    order = order[np.argsort(lengths[order] + rng.uniform(0, 2, len(order)), kind="stable")]
    batch = np.cumsum(lengths[order]) // size
    parts = np.split(order, np.flatnonzero(np.diff(batch)) + 1)
    for which in rng.permutation(len(parts)):
        yield batch_of(windows.take(parts[which]), counted=counted)


def batch_of(windows: Steps, *, counted: int = 0) -> Batch:
    """One batch of windows of at least two steps: every step but the last is read, every step but the first asked."""
    windows = windows.take(np.argsort(-windows.lengths, kind="stable"))
    places, going = by_time(windows.sequence[:-1], windows.lengths - 1)
    sizes = windows.sizes[places + 1]
    target_item = windows.item[ranges(windows.step[places + 1], windows.step[places + 2])]
    mass = (1.0 / np.repeat(sizes, sizes)).astype(np.float32)
    state = np.repeat(np.arange(len(places)), sizes)
    had = _had(windows, places, counted) if counted else None
    return Batch(steps_at(windows, places), going, state, target_item, mass, had)


def _had(windows: Steps, places: Ints, n_items: int) -> sparse.csr_matrix:
    """The counts after each of these steps."""
    sequence = np.searchsorted(windows.sequence, places, side="right") - 1
    return counts_after(windows, sequence, places - windows.sequence[sequence] + 1, n_items)


def by_time(first: Ints, lengths: Ints) -> tuple[Ints, list[int]]:
    """Steps in the order of time, for sequences with falling lengths: (step numbers, how many sequences have each)."""
    going = np.searchsorted(-lengths, -np.arange(1, int(lengths.max(initial=0)) + 1), side="right")
    time = np.repeat(np.arange(len(going)), going)
    sequence = ranges(np.zeros_like(going), going)
    return first[sequence] + time, going.tolist()


def steps_at(steps: Steps, places: Ints) -> Steps:
    """Some steps, in the order given, as one sequence."""
    items = ranges(steps.step[places], steps.step[places + 1])
    return Steps(steps.item[items], offsets(steps.sizes[places]), np.array([0, len(places)]))
