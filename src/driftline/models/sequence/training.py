"""The one trainer of every sequence model: what comes next, asked at every step, of the whole catalog.

Loss of a step: `-(1/|y|) · Σ_{j ∈ y} log softmax(scores)_j`, with y the set of the next moment; averaged over the steps
of a batch. Adam, clipped gradients; a validation slice ends it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from driftline.errors import DriftlineError
from driftline.models.sequence.batches import Batch, batches
from driftline.models.sequence.curves import Curves
from driftline.models.sequence.losses import Cells, set_cross_entropy
from driftline.models.sequence.network import Network
from driftline.models.sequence.settings import SequenceSettings
from driftline.models.sequence.steps import Steps
from driftline.types import Progress

PATIENCE = 3
"""How many epochs in a row may be no better on validation before training ends."""

CLIP = 5.0
"""The largest norm that a gradient may have."""

Judge = Callable[[Network], float]
"""How good a network is on validation; higher is better."""


@dataclass(frozen=True)
class Training:
    """How training ended: the number of epochs that the network has learned, and what put an end to it.

    `minutes` says that the time was up, so the network might have become better.
    """

    epochs: int
    stopped: Literal["epochs", "validation", "minutes"]


@dataclass
class _Best:
    """The best network so far."""

    quality: float = -np.inf
    epoch: int = 0
    weights: dict[str, Tensor] | None = None

    def saw(self, network: Network, epoch: int, quality: float) -> bool:
        """Keep the weights if they are better; whether there is still hope."""
        if quality > self.quality:
            weights = {name: value.clone() for name, value in network.state_dict().items()}
            self.quality, self.epoch, self.weights = quality, epoch, weights
        return epoch - self.epoch < PATIENCE


def train(
    network: Network,
    windows: Steps,
    settings: SequenceSettings,
    *,
    seed: int,
    judge: Judge | None = None,
    progress: Progress | None = None,
) -> Training:
    """Train a network in place; with a `judge` it ends with the weights of the best epoch.

    The same seed gives the same weights on the same machine, and no random state outside is touched. DriftlineError
    where the loss is no longer a number.
    """
    clock, best, epoch = _Clock(settings.minutes), _Best(), 0
    stopped: Literal["epochs", "validation", "minutes"] = "epochs"
    optimizer = torch.optim.Adam(network.parameters(), lr=settings.learning_rate)
    rng = np.random.default_rng(seed)
    with own_randomness(seed), Curves(settings) as curves:
        for epoch in range(1, settings.epochs + 1):
            parts = batches(windows, settings.batch, rng, counted=network.counted)
            loss = _train_epoch(network, optimizer, parts, clock)
            quality = judge(network) if judge else None
            curves.add(epoch, loss, quality)
            if progress:
                progress(epoch, settings.epochs, f"train {settings.name}")
            if quality is not None and not best.saw(network, epoch, quality):
                stopped = "validation"
            elif clock.is_over and epoch < settings.epochs:
                stopped = "minutes"
            if stopped != "epochs":
                break
    if best.weights is not None:
        network.load_state_dict(best.weights)
    return Training(best.epoch or epoch, stopped)


def loss_of(network: Network, batch: Batch) -> Tensor:
    """The loss of a batch: the mean over its steps."""
    states = network.run(network.pooled(batch.steps), batch.going)
    targets = Cells(*(torch.from_numpy(part) for part in (batch.target_state, batch.target_item, batch.mass)))
    behaviours = network.scale * network.behaviour(states)
    again = network.raised(batch.had)
    return set_cross_entropy(behaviours, network.items, network.bias, targets, again) / batch.n_states


@contextmanager
def own_randomness(seed: int) -> Iterator[None]:
    """Random numbers of torch from a seed; afterwards its state is what it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


class _Clock:
    """Whether the minutes are over."""

    def __init__(self, minutes: float | None) -> None:
        self._ends = np.inf if minutes is None else time.monotonic() + 60 * minutes

    @property
    def is_over(self) -> bool:
        """Whether the time is up."""
        return time.monotonic() >= self._ends


def _train_epoch(network: Network, optimizer: torch.optim.Optimizer, parts: Iterator[Batch], clock: _Clock) -> float:
    """One pass over the batches, or as many as there is time for; the mean loss of a step."""
    network.train()
    total, n_states = 0.0, 0
    for batch in parts:
        optimizer.zero_grad()
        loss = loss_of(network, batch)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(network.parameters(), CLIP)
        optimizer.step()
        total, n_states = total + loss.item() * batch.n_states, n_states + batch.n_states
        if not np.isfinite(total):
            raise DriftlineError("expected training to converge, got a loss that is not a number; lower learning_rate")
        if clock.is_over:
            break
    network.eval()
    return total / n_states
