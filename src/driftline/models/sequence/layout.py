"""In which order the steps of a batch lie, for what goes through time and for what looks at whole sequences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from driftline.models.sequence.steps import Ints, offsets, ranges

LIKE = 0.75
"""Sequences of one group are at least so long in comparison with the longest."""


@dataclass(frozen=True, eq=False)
class Layout:
    """Steps by time: the first of every sequence, then the second of the `going[1]` that have one, and so on.

    Sequences are sorted by falling length. `time_us` [n_steps] is when each step was, in the same order, `read_us` when
    the state after it is read; None: at once.
    """

    going: Sequence[int]
    time_us: Ints
    read_us: Ints | None = None

    def __len__(self) -> int:
        return len(self.time_us)

    @property
    def n_sequences(self) -> int:
        """How many sequences there are."""
        return self.going[0] if self.going else 0

    @cached_property
    def before(self) -> Ints:
        """The row of the step before each, -1 where it is the first of its sequence; shape [n_steps]."""
        shift = np.repeat(np.concatenate([[0], self.going[:-1]]), self.going) if self.going else np.zeros(0, np.int64)
        rows = np.arange(len(self))
        return np.where(rows < self.n_sequences, -1, rows - shift).astype(np.int64)

    @cached_property
    def lengths(self) -> Ints:
        """How many steps each sequence has, falling; shape [n_sequences]."""
        return np.searchsorted(-np.asarray(self.going), -np.arange(self.n_sequences), side="left").astype(np.int64)

    @cached_property
    def by_sequence(self) -> tuple[Ints, Ints]:
        """The rows of the first sequence, then of the second and so on, and where each begins."""
        begin, first = offsets(np.asarray(self.going, np.int64)), offsets(self.lengths)
        time = ranges(np.zeros_like(self.lengths), self.lengths)
        return begin[time] + np.repeat(np.arange(self.n_sequences), self.lengths), first

    def groups(self, most_pairs: int) -> list[Ints]:
        """The rows of sequences of like length side by side, [n, longest]: a shorter one repeats its last step.

        What comes after the last step of a sequence is seen by none of its steps. A group has at most `most_pairs`
        pairs of steps, or one sequence. Every group holds lengths that differ by a quarter at most.
        """
        begin, found, first = offsets(np.asarray(self.going, np.int64)), [], 0
        while first < self.n_sequences:
            longest = int(self.lengths[first])
            alike = int(np.searchsorted(-self.lengths, -LIKE * longest, side="right"))
            last = min(max(alike, first + 1), first + max(1, most_pairs // longest**2))
            times = np.minimum(np.arange(longest), self.lengths[first:last, None] - 1)
            found.append(begin[times] + np.arange(first, last)[:, None])
            first = last
        return found
