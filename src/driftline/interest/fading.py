"""How sums fade as time goes by and events come: a few products of small arrays for each event."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Rates:
    """The logarithm of λ to base 2 by the clock, for each microsecond, and for each event; both [n_half_lives, 1]."""

    clock: NDArray[np.float32]
    events: NDArray[np.float32]

    def left(self, gap_us: float, *, event: bool = False) -> NDArray[np.float32]:
        """λ of every half-life after a gap, and with an event at its end; shape [n_half_lives, 1]."""
        exponent: NDArray[np.float32] = gap_us * self.clock
        if event:
            exponent += self.events
        np.exp2(exponent, out=exponent)
        return exponent

    @cached_property
    def one_event(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """What an event leaves, and what it takes."""
        left = np.exp2(self.events)
        return left, 1 - left

    def fade(
        self, sums: NDArray[np.float32], newest: NDArray[np.float32], gap_us: float, *, event: bool, same: bool
    ) -> None:
        """Fade sums [n_half_lives, n] in place: for a gap with an event at its end, or one more event of a moment.

        `newest` [n] is the part of them that came at the last moment, and is empty where none is kept; a new moment
        makes it 0. Events of one moment are a set: a later one of them ages what was before it, not its equals.
        """
        if not same:
            sums *= self.left(gap_us, event=event)
            newest.fill(0)
        elif event:
            left, taken = self.one_event
            sums *= left
            sums += taken * newest
