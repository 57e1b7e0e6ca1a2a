"""Fitted sequence models: histories into states, a state one step on, states into scores, and several steps ahead."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse
from torch import Tensor

from driftline.data.events import EventLog, Histories
from driftline.errors import SettingsError
from driftline.models.base import States
from driftline.models.pairs import Visits
from driftline.models.sequence.base import Ahead, Vectors
from driftline.models.sequence.batches import by_time, steps_at
from driftline.models.sequence.had import DECAY, count_step, counts_after
from driftline.models.sequence.layout import Layout
from driftline.models.sequence.network import Network
from driftline.models.sequence.reading import shared_steps
from driftline.models.sequence.settings import GRU, LSTM, RNN, Evolution, Linear, SequenceSettings, Transformer
from driftline.models.sequence.steps import Ints, Steps, places
from driftline.models.sequence.storage import read_sequence, write_sequence
from driftline.models.sequence.training import Training
from driftline.models.sequence.updating import Learned, updated
from driftline.types import Rows, Scores

STEPS_PER_RUN = 200_000
"""How many steps are run through at once; bounds memory."""


@dataclass(frozen=True, eq=False)
class FittedNetwork:
    """A trained network; its row r is item `known[r]` of the log, which has `n_items`.

    `tail` holds the last moments of each user, `training` how training ended.
    """

    settings: SequenceSettings
    network: Network
    known: Rows
    n_items: int
    tail: Visits
    training: Training
    name: ClassVar[str]

    @cached_property
    def place(self) -> Ints:
        """The row of each item in the network, -1 for one that it does not know; shape [n_items]."""
        return places(self.known, self.n_items)

    def encode(self, histories: Histories) -> States:
        """The state after each history; zeros for one without known items; `vectors` [n_queries, width]."""
        steps, which, n_steps = shared_steps(histories, self.place)
        vectors = np.zeros((len(histories), self.network.width), np.float32)
        after = np.flatnonzero(n_steps > 0)
        last = steps.sequence[which[after]] + n_steps[after] - 1
        for numbers, found in self._states_of(steps):
            row = np.full(steps.sequence[-1], -1, np.int64)
            row[numbers] = np.arange(len(numbers))
            here = row[last] >= 0
            vectors[after[here]] = found[row[last[here]]]
        counted = self.network.counted
        return States(vectors, counts_after(steps, which, n_steps, counted) if counted else None)

    def score(self, histories: Histories, items: Rows | None = None) -> Scores:
        """The logits of what comes next; the popularity of items where a history is empty."""
        return self.score_states(self.encode(histories), items)

    def score_states(self, states: States, items: Rows | None = None) -> Scores:
        """What `score` gives, from states; items that were never seen come after all others."""
        with torch.inference_mode():
            behaviour = self.network.behaviour(torch.from_numpy(states.vectors))
            scores = self._filled(_array(self.network.scores(behaviour, states.had)))
        return scores if items is None else scores[:, items]

    def update(self, events: EventLog) -> Self:
        """Some epochs over the new events, old ones rehearsed; new items enter beside those that they came with."""
        if not len(events.positive):
            return replace(self, n_items=events.n_items)
        now = updated(Learned(self.network, self.known, self.tail), events, self.settings)
        return replace(self, network=now.network, known=now.known, tail=now.tail, n_items=events.n_items)

    def settled(self) -> SequenceSettings:
        """The settings with the number of epochs that validation chose, or that there was time for; rates as then."""
        falling = self.settings.epochs if self.settings.falling is None else self.settings.falling
        return replace(self.settings, epochs=self.training.epochs, falling=falling)

    def save(self, folder: Path) -> None:
        """Write weights and columns as safetensors, and the header."""
        arrays = {"known": self.known} | self.tail.arrays("tail")
        facts = asdict(self.training) | {"n_items": self.n_items}
        write_sequence(folder, self.settings, facts, self.network, arrays)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote; RunError where it is damaged."""
        settings, facts, network, arrays = read_sequence(folder, _SETTINGS[cls.name])
        training = Training(int(facts["epochs"]), facts["stopped"], int(facts["sampled"]))
        tail = Visits.from_arrays(arrays, "tail")
        return cls(settings, network, arrays["known"], int(facts["n_items"]), tail, training)

    def _states_of(self, steps: Steps) -> Iterator[tuple[Ints, Vectors]]:
        """The state after every step, by batches of sequences of like length: (step numbers, vectors)."""
        order = np.argsort(-steps.lengths, kind="stable")
        batch = np.cumsum(steps.lengths[order]) // STEPS_PER_RUN
        for part in np.split(order, np.flatnonzero(np.diff(batch)) + 1):
            numbers, going = by_time(steps.sequence[part], steps.lengths[part])
            moments = steps_at(steps, numbers)
            with torch.inference_mode():
                states = self.network.run(self.network.pooled(moments), Layout(going, moments.time_us))
                yield numbers, _array(states)

    def _filled(self, scores: Scores) -> Scores:
        """Scores of the network's items as scores of all, the rest below the lowest."""
        if len(self.known) == self.n_items and np.array_equal(self.known, np.arange(self.n_items)):
            return scores
        everything = np.repeat(scores.min(axis=1, keepdims=True) - 1, self.n_items, axis=1)
        everything[:, self.known] = scores
        return everything


@dataclass(frozen=True, eq=False)
class FittedSequence(FittedNetwork):
    """A trained recurrence: its state is moved by one event at a time, and by what it expects."""

    def step(self, state: States, items: Rows) -> States:
        """A single state after one more moment with these items, a set; unknown items are passed over.

        It is the state that `encode` gives for the longer history.
        """
        rows = self.place[items[(items >= 0) & (items < self.n_items)]]
        known = np.unique(rows[rows >= 0])
        if not len(known):
            return state
        moment = Steps(known, np.array([0, len(known)]), np.array([0, 1]), np.zeros(1, np.int64))
        with torch.inference_mode():
            moved = self.network.step(self.network.pooled(moment), torch.from_numpy(state.vectors))
        return States(_array(moved), None if state.had is None else count_step(state.had, known))

    def start(self) -> States:
        """The state of somebody without a past: a single one, of zeros."""
        counted = self.network.counted
        had = sparse.csr_matrix((1, counted), dtype=np.float32) if counted else None
        return States(np.zeros((1, self.network.width), np.float32), had)

    def forecast_steps(self, histories: Histories, n_steps: int) -> Ahead:
        """States, behaviours and scores of the next steps; each step reads what the one before it expects.

        What is read at a step that has not happened is the mean of the item vectors under the scores' shares; what was
        had is one moment older then.
        """
        if n_steps < 1:
            raise SettingsError(f"expected at least one step ahead, got {n_steps}")
        begin = self.encode(histories)
        state, had = torch.from_numpy(begin.vectors), begin.had
        found: list[tuple[Tensor, Tensor, Tensor]] = []
        with torch.inference_mode():
            for _ in range(n_steps):
                if found:
                    state = self.network.step(self.network.expected(found[-1][2]), state)
                    had = None if had is None else had * np.float32(DECAY)
                behaviour = self.network.behaviour(state)
                found.append((state, behaviour, self.network.scores(behaviour, had)))
        states, behaviours, scores = (_array(torch.stack(parts, 1)) for parts in zip(*found, strict=True))
        filled = self._filled(scores.reshape(-1, len(self.known)))
        return Ahead(states, behaviours, filled.reshape(len(histories), n_steps, self.n_items))


class FittedRNN(FittedSequence):
    """A fitted `RNN`."""

    name: ClassVar[str] = RNN.name


class FittedLSTM(FittedSequence):
    """A fitted `LSTM`."""

    name: ClassVar[str] = LSTM.name


class FittedGRU(FittedSequence):
    """A fitted `GRU`."""

    name: ClassVar[str] = GRU.name


class FittedEvolution(FittedSequence):
    """A fitted `Evolution`."""

    name: ClassVar[str] = Evolution.name


class FittedLinear(FittedSequence):
    """A fitted `Linear`."""

    name: ClassVar[str] = Linear.name


class FittedTransformer(FittedNetwork):
    """A fitted `Transformer`: it reads the last moments of a history anew for each question."""

    name: ClassVar[str] = Transformer.name


_SETTINGS: dict[str, type[SequenceSettings]] = {
    kind.name: kind for kind in (RNN, LSTM, GRU, Evolution, Linear, Transformer)
}
_FITTED: dict[str, type[FittedNetwork]] = {
    kind.name: kind for kind in (FittedRNN, FittedLSTM, FittedGRU, FittedEvolution, FittedLinear, FittedTransformer)
}


def fitted_class(name: str) -> type[FittedNetwork]:
    """The class of a fitted model by its short name."""
    return _FITTED[name]


def _array(tensor: Tensor) -> NDArray[np.float32]:
    return tensor.numpy()
