"""Batches of windows: so many steps each, in the order in which a network runs through them, and what is asked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from driftline.models.sequence.had import counts_after
from driftline.models.sequence.layout import Layout
from driftline.models.sequence.sampling import Negatives
from driftline.models.sequence.steps import Ints, Steps, offsets, ranges

MOVES, SMALLEST, LARGEST = 128, 256, 2_048
"""How often the weights move in an epoch, as long as batches have so many steps at least and at most: with fewer moves
less is learned from the same steps, with smaller batches a step costs more."""


@dataclass(frozen=True, eq=False)
class Batch:
    """What a network reads, and what it should have expected.

    `steps` by time, as `layout` says. After state `target_state[n]` (ascending) came `target_item[n]`, which is
    `mass[n]` of that moment: 1 / its size. `had` are the counts of what was had by then, [n_states, n_items], where
    they are asked for.

    Where items are sampled, `rows` are the items that stand in the batch (ascending), and every item number is a place
    among them; `correction` [len(rows)] is added to scores so that the sample stands for all.
    """

    steps: Steps
    layout: Layout
    target_state: Ints
    target_item: Ints
    mass: NDArray[np.float32]
    had: sparse.csr_matrix | None = None
    rows: Ints | None = None
    correction: NDArray[np.float32] | None = None

    @property
    def n_states(self) -> int:
        """How many times it is asked what comes next."""
        return len(self.layout)


def batch_size(windows: Steps) -> int:
    """How many steps a batch has where nothing is said: so many that an epoch moves the weights some 128 times."""
    return int(np.clip(n_asked(windows) // MOVES, SMALLEST, LARGEST))


def n_asked(windows: Steps) -> int:
    """How many times an epoch asks what comes next."""
    return int((windows.lengths - 1).sum())


def n_batches(windows: Steps, size: int) -> int:
    """How many batches `batches` makes at most."""
    return n_asked(windows) // size + 1


def batches(
    windows: Steps, size: int, rng: np.random.Generator, *, counted: int = 0, negatives: Negatives | None = None
) -> Iterator[Batch]:
    """All windows once, in random order, about `size` steps in a batch.

    With `counted` items the batches say how often each was had before; with `negatives` they hold a sample of items.
    """
    order = rng.permutation(len(windows))
    batch = np.cumsum(windows.lengths[order] - 1) // size
    for which in np.split(order, np.flatnonzero(np.diff(batch)) + 1):
        made = batch_of(windows.take(which), counted=counted)
        yield made if negatives is None else _sampled(made, negatives, rng)


def batch_of(windows: Steps, *, counted: int = 0) -> Batch:
    """One batch of windows of at least two steps: every step but the last is read, every step but the first asked."""
    windows = windows.take(np.argsort(-windows.lengths, kind="stable"))
    places, going = by_time(windows.sequence[:-1], windows.lengths - 1)
    sizes = windows.sizes[places + 1]
    target_item = windows.item[ranges(windows.step[places + 1], windows.step[places + 2])]
    mass = (1.0 / np.repeat(sizes, sizes)).astype(np.float32)
    state = np.repeat(np.arange(len(places)), sizes)
    had = _had(windows, places, counted) if counted else None
    steps = steps_at(windows, places)
    # When something is asked is known, whatever it is: the state is read at the moment of what follows.
    layout = Layout(going, steps.time_us, windows.time_us[places + 1])
    return Batch(steps, layout, state, target_item, mass, had)


def by_time(first: Ints, lengths: Ints) -> tuple[Ints, list[int]]:
    """Steps in the order of time, for sequences with falling lengths: (step numbers, how many sequences have each)."""
    going = np.searchsorted(-lengths, -np.arange(1, int(lengths.max(initial=0)) + 1), side="right")
    time = np.repeat(np.arange(len(going)), going)
    sequence = ranges(np.zeros_like(going), going)
    return first[sequence] + time, going.tolist()


def steps_at(steps: Steps, places: Ints) -> Steps:
    """Some steps, in the order given, as one sequence."""
    items = ranges(steps.step[places], steps.step[places + 1])
    return Steps(steps.item[items], offsets(steps.sizes[places]), np.array([0, len(places)]), steps.time_us[places])


def _had(windows: Steps, places: Ints, n_items: int) -> sparse.csr_matrix:
    """The counts after each of these steps."""
    sequence = np.searchsorted(windows.sequence, places, side="right") - 1
    return counts_after(windows, sequence, places - windows.sequence[sequence] + 1, n_items)


def _sampled(batch: Batch, negatives: Negatives, rng: np.random.Generator) -> Batch:
    """The same batch over its own items and a sample of the others."""
    drawn, times = negatives.draw(rng)
    own = np.concatenate([batch.steps.item, batch.target_item])
    own = own if batch.had is None else np.concatenate([own, batch.had.indices.astype(np.int64)])
    rows = np.unique(np.concatenate([drawn, own]))
    had = batch.had
    if had is not None:
        place = np.searchsorted(rows, had.indices)
        had = sparse.csr_matrix((had.data, place, had.indptr), shape=(had.shape[0], len(rows)))
    return replace(
        batch,
        steps=replace(batch.steps, item=np.searchsorted(rows, batch.steps.item)),
        target_item=np.searchsorted(rows, batch.target_item),
        had=had,
        rows=rows,
        correction=negatives.corrections(rows, drawn, times),
    )
