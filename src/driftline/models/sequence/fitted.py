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
from driftline.interest.state import EVENT_HALF_LIVES, TOPIC_HALF_LIVES, HalfLife, Scales
from driftline.models.base import States
from driftline.models.pairs import Visits
from driftline.models.sequence.base import Ahead
from driftline.models.sequence.batches import by_time, steps_at
from driftline.models.sequence.had import DECAY, count_step, counts_after
from driftline.models.sequence.layout import Layout
from driftline.models.sequence.network import Network
from driftline.models.sequence.reading import shared_steps
from driftline.models.sequence.scales import NO_TIMES, Carried, ScalesCore
from driftline.models.sequence.settings import (
    GRU,
    LSTM,
    RNN,
    Evolution,
    Linear,
    SequenceSettings,
    Timescales,
    Transformer,
)
from driftline.models.sequence.steps import Ints, Steps, places
from driftline.models.sequence.storage import read_sequence, write_sequence
from driftline.models.sequence.training import Training
from driftline.models.sequence.updating import Learned, updated
from driftline.types import ALWAYS, END_OF_TIME, Rows, Scores, Times

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
        steps, which, n_steps = shared_steps(histories, self.place, self.network.longest)
        states = self._nothing(len(histories))
        after = np.flatnonzero(n_steps > 0)
        last = steps.sequence[which[after]] + n_steps[after] - 1
        for here, found in self._states_after(steps, last):
            states.vectors[after[here]] = _array(found.vectors)
            if states.times_us is not None:
                states.times_us[after[here]] = found.times_us
        counted = self.network.counted
        had = counts_after(steps, which, n_steps, counted) if counted else None
        return self.at(replace(states, had=had), histories.at_us)

    def at(self, states: States, at_us: Times) -> States:
        """The states as they stand at later moments [n_queries], when nothing happens until then."""
        with torch.inference_mode():
            faded = self.network.faded(_carried(states), at_us)
        return _states(faded, states.had)

    def score(self, histories: Histories, items: Rows | None = None) -> Scores:
        """The logits of what comes next; the popularity of items where a history is empty."""
        return self.score_states(self.encode(histories), items)

    def score_states(self, states: States, items: Rows | None = None) -> Scores:
        """What `score` gives, from states; items that were never seen come after all others."""
        with torch.inference_mode():
            behaviour = self.network.behaviour(self.network.read(_carried(states)))
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

    def _nothing(self, n: int) -> States:
        """States of people without a past."""
        n_times = self.network.n_times
        times_us = np.full((n, n_times), ALWAYS, np.int64) if n_times else None
        return States(np.zeros((n, self.network.width), np.float32), None, times_us)

    def _states_after(self, steps: Steps, wanted: Ints) -> Iterator[tuple[Ints, Carried]]:
        """The states after some steps, by batches of sequences of like length: (places in `wanted`, states)."""
        order = np.argsort(-steps.lengths, kind="stable")
        batch = np.cumsum(steps.lengths[order]) // STEPS_PER_RUN
        for part in np.split(order, np.flatnonzero(np.diff(batch)) + 1):
            numbers, going = by_time(steps.sequence[part], steps.lengths[part])
            moments = steps_at(steps, numbers)
            row = np.full(steps.sequence[-1], -1, np.int64)
            row[numbers] = np.arange(len(numbers))
            here = np.flatnonzero(row[wanted] >= 0)
            with torch.inference_mode():
                layout = Layout(going, moments.time_us)
                yield here, self.network.after(self.network.pooled(moments), layout, row[wanted[here]])

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

    def step(self, state: States, items: Rows, at_us: int | None = None) -> States:
        """A single state after one more moment with these items, a set; unknown items are passed over.

        It is the state that `encode` gives for the longer history, asked at that moment. SettingsError where a clock
        moves the state and `at_us`, when the moment was, is missing or before the last.
        """
        self._check_moment(state, at_us)
        rows = self.place[items[(items >= 0) & (items < self.n_items)]]
        known = np.unique(rows[rows >= 0])
        if not len(known):
            return state
        moment = Steps(known, np.array([0, len(known)]), np.array([0, 1]), np.zeros(1, np.int64))
        with torch.inference_mode():
            at = np.array([at_us or 0], np.int64)
            moved = self.network.step(self.network.pooled(moment), _carried(state), at)
        had = None if state.had is None else count_step(state.had, known)
        return _states(moved, had)

    def start(self) -> States:
        """The state of somebody without a past: a single one, of zeros."""
        counted = self.network.counted
        had = sparse.csr_matrix((1, counted), dtype=np.float32) if counted else None
        return replace(self._nothing(1), had=had)

    def _check_moment(self, state: States, at_us: int | None) -> None:
        if state.times_us is None or not self.network.by_clock:
            return
        if at_us is None:
            raise SettingsError(f"expected at_us, when the moment was, for {self.name}, got none; give its time_us")
        if at_us < state.times_us[0, 0]:
            raise SettingsError(
                f"expected a moment not before {state.times_us[0, 0]}, to which the state has come, got {at_us}; "
                "encode the history again"
            )

    def forecast_steps(self, histories: Histories, n_steps: int) -> Ahead:
        """States, behaviours and scores of the next steps; each step reads what the one before it expects.

        What is read at a step that has not happened is the mean of the item vectors under the scores' shares; what was
        had is one moment older then. Where there is a clock, steps come at the pace of each user's last moments.
        """
        if n_steps < 1:
            raise SettingsError(f"expected at least one step ahead, got {n_steps}")
        begin = self.encode(histories)
        state, had, pace_us = _carried(begin), begin.had, _pace(_carried(begin).times_us)
        found: list[tuple[Tensor, Tensor, Tensor]] = []
        with torch.inference_mode():
            for ahead in range(n_steps):
                if found:
                    at_us = histories.at_us + np.minimum(ahead * pace_us, END_OF_TIME - np.maximum(histories.at_us, 0))
                    state = self.network.step(self.network.expected(found[-1][2]), state, at_us)
                    had = None if had is None else had * np.float32(DECAY)
                behaviour = self.network.behaviour(self.network.read(state))
                found.append((state.vectors, behaviour, self.network.scores(behaviour, had)))
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


class FittedTimescales(FittedSequence):
    """A fitted `Timescales`."""

    name: ClassVar[str] = Timescales.name

    def scales(
        self, topics: sparse.csr_matrix | None = None, topic_half_lives: tuple[HalfLife, ...] | None = None
    ) -> Scales:
        """What an `InterestState` is made with whose sums are those of this network, event by event.

        Half-lives are the learned ones. `topics` [n_items, n_topics] are counted beside them, by default where the
        network's own clock allows.
        """
        core, items = self.network.core, self.network.items.detach()
        if not isinstance(core, ScalesCore):
            raise TypeError(f"no timescales in a core of type {type(core).__name__}")
        vectors, gates = np.zeros((self.n_items, self.network.dim), np.float32), np.zeros(self.n_items, np.float32)
        with torch.inference_mode():
            vectors[self.known], gates[self.known] = _array(items), _array(core.gates(items)[:, 0])
        if topics is None:
            topics = sparse.csr_matrix((self.n_items, 0))
        if topic_half_lives is None:
            topic_half_lives = TOPIC_HALF_LIVES if core.by_clock else EVENT_HALF_LIVES
        return Scales(vectors, gates, topics, core.learned(), topic_half_lives)


class FittedTransformer(FittedNetwork):
    """A fitted `Transformer`: it reads the last moments of a history anew for each question."""

    name: ClassVar[str] = Transformer.name


_SETTINGS: dict[str, type[SequenceSettings]] = {
    kind.name: kind for kind in (RNN, LSTM, GRU, Evolution, Linear, Timescales, Transformer)
}
_FITTED: dict[str, type[FittedNetwork]] = {
    kind.name: kind
    for kind in (FittedRNN, FittedLSTM, FittedGRU, FittedEvolution, FittedLinear, FittedTimescales, FittedTransformer)
}


def fitted_class(name: str) -> type[FittedNetwork]:
    """The class of a fitted model by its short name."""
    return _FITTED[name]


def _carried(states: States) -> Carried:
    return Carried(torch.from_numpy(states.vectors), NO_TIMES if states.times_us is None else states.times_us)


def _states(carried: Carried, had: sparse.csr_matrix | None) -> States:
    return States(_array(carried.vectors), had, carried.times_us if carried.times_us.shape[1] else None)


def _pace(times_us: Ints) -> Ints:
    """The mean gap between the moments of each ring, in microseconds; 0 where it has fewer than two."""
    if not times_us.shape[1]:
        return np.zeros(1, np.int64)
    ring = times_us[:, 1:]
    n = (ring != ALWAYS).sum(1)
    oldest = ring[np.arange(len(ring)), np.maximum(n - 1, 0)]
    return np.where(n > 1, (ring[:, 0] - oldest) // np.maximum(n - 1, 1), 0)


def _array(tensor: Tensor) -> NDArray[np.float32]:
    return tensor.numpy()
