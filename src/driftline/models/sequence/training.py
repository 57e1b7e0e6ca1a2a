"""The one trainer of every sequence model: what comes next, asked at every step, of the whole catalog or a sample.

Loss of a step: `-(1/|y|) · Σ_{j ∈ y} log softmax(scores)_j`, with y the set of the next moment; averaged over the steps
of a batch. Adam, clipped gradients, a rate that rises and falls; what is judged and kept is the mean of the weights on
the way (`averaging`; where items are sampled, the last weights); a validation slice ends it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from driftline.errors import DriftlineError, SettingsError
from driftline.memory import give_back
from driftline.models.sequence.averaging import Average
from driftline.models.sequence.batches import Batch, batch_size, batches, n_asked, n_batches
from driftline.models.sequence.checkpoint import Checkpoint
from driftline.models.sequence.curves import Curves
from driftline.models.sequence.losses import Cells, set_cross_entropy
from driftline.models.sequence.network import Network
from driftline.models.sequence.optimizing import Optimizer
from driftline.models.sequence.sampling import Negatives
from driftline.models.sequence.settings import Precision, SequenceSettings
from driftline.models.sequence.steps import Steps
from driftline.types import Progress

PATIENCE = 3
"""How many epochs in a row may be no better on validation before training ends."""

Judge = Callable[[Network], float]
"""How good a network is on validation; higher is better."""

Ended = Literal["epochs", "validation", "minutes"]


@dataclass(frozen=True)
class Training:
    """How training ended: the number of epochs that the network has learned, and what put an end to it.

    `minutes` says that the time was up, so the network might have become better. `sampled` is how many items each batch
    was asked of, 0 where it was all.
    """

    epochs: int
    stopped: Ended
    sampled: int = 0


@dataclass
class _Best:
    """The best network so far."""

    quality: float = -np.inf
    epoch: int = 0
    weights: dict[str, Tensor] = field(default_factory=dict)

    def saw(self, network: Network, epoch: int, quality: float) -> None:
        """Keep the weights if they are better."""
        if quality > self.quality:
            self.quality, self.epoch = quality, epoch
            self.weights = {name: value.cpu().clone() for name, value in network.state_dict().items()}


def train(
    network: Network,
    windows: Steps,
    settings: SequenceSettings,
    *,
    seed: int,
    negatives: Negatives | None = None,
    judge: Judge | None = None,
    progress: Progress | None = None,
) -> Training:
    """Train a network in place; with a `judge` it ends with the weights of the best epoch.

    The same seed gives the same weights on the same machine, also where training was killed and goes on from its
    checkpoint, and no random state outside is touched. SettingsError where there is no GPU though one is asked for;
    RunError or SaveError where the checkpoint is damaged or cannot be written; DriftlineError where the loss is no
    longer a number.
    """
    if settings.device == "cuda" and not torch.cuda.is_available():
        raise SettingsError("expected a GPU for device cuda, found none; leave device at cpu")
    network.to(settings.device)
    attributes = None if network.shared is None else network.shared.attributes
    checkpoint = Checkpoint.of(settings, windows, seed, judged=judge is not None, attributes=attributes)
    run = _Run(network, settings, checkpoint, negatives)
    clock = _Clock(settings.minutes)
    meter = _Meter(_label(settings, negatives), settings.epochs * n_asked(windows), n_asked(windows), progress)
    stopped: Ended = "epochs"
    with own_randomness(seed, settings.device), threads(settings.threads), Curves(settings) as curves:
        run.resume()
        if run.best.weights and run.epoch - run.best.epoch >= PATIENCE:  # killed after its last epoch
            stopped = "validation"
        while run.epoch < settings.epochs and stopped == "epochs":
            loss = run.train_epoch(windows, np.random.default_rng([seed, run.epoch]), clock, meter)
            quality = run.judged(judge) if judge else None
            curves.add(run.epoch, loss, quality, meter.speed)
            if quality is not None and run.epoch - run.best.epoch >= PATIENCE:
                stopped = "validation"
            elif clock.is_over and run.epoch < settings.epochs:
                stopped = "minutes"
            run.keep()
            give_back()
    run.settle()
    if run.checkpoint:
        run.checkpoint.forget()
    network.cpu()
    return Training(run.best.epoch or run.epoch, stopped, negatives.size if negatives else 0)


def loss_of(network: Network, batch: Batch, *, precision: Precision = "auto") -> Tensor:
    """The loss of a batch: the mean over its steps."""
    items = network.all_items() if batch.rows is None else network.some_items(batch.rows)
    states = network.run(network.pooled(batch.steps, items), batch.layout)
    behaviours = network.scale * network.behaviour(states)
    device = behaviours.device
    targets = Cells(
        *(torch.from_numpy(part).to(device) for part in (batch.target_state, batch.target_item, batch.mass))
    )
    bias, added = items.bias, network.raised(batch.had)
    if batch.correction is not None:
        correction = torch.from_numpy(batch.correction).to(device)
        bias = bias + correction
        added = _joined(added, Cells(targets.state, targets.item, -correction[targets.item]))
    loss = set_cross_entropy(behaviours, items.vectors, bias, targets, added, precision=precision)
    return loss / batch.n_states


@contextmanager
def own_randomness(seed: int, device: str = "cpu") -> Iterator[None]:
    """Random numbers of torch from a seed; afterwards its state is what it was."""
    with torch.random.fork_rng(devices=[] if device == "cpu" else [torch.cuda.current_device()]):
        torch.manual_seed(seed)
        yield


@contextmanager
def threads(n: int | None) -> Iterator[None]:
    """So many threads for what torch computes; None: half of those there are, for two on one core fight.

    Afterwards their number is what it was.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(n if n is not None else max(1, before // 2))
    try:
        yield
    finally:
        torch.set_num_threads(before)


@dataclass
class _Run:
    """A training under way: all that has to be kept for it to go on."""

    network: Network
    settings: SequenceSettings
    checkpoint: Checkpoint | None
    negatives: Negatives | None
    epoch: int = 0
    best: _Best = field(default_factory=_Best)

    def __post_init__(self) -> None:
        self.optimizer = Optimizer(self.network, self.settings, sparse=self.negatives is not None)
        self.average = Average(self.network) if self.negatives is None else None  # it moves all items at every move

    def train_epoch(self, windows: Steps, rng: np.random.Generator, clock: _Clock, meter: _Meter) -> float:
        """One pass over the batches, or as many as there is time for; the mean loss of a step."""
        self.network.train()
        total, n_states = 0.0, 0
        size = self.settings.batch or batch_size(windows)
        parts = batches(windows, size, rng, counted=self.network.counted, negatives=self.negatives)
        moves = n_batches(windows, size)
        for number, batch in enumerate(parts):
            loss = loss_of(self.network, batch, precision=self.settings.precision)
            self.optimizer.move(loss, at=self.epoch + number / moves, number=self.epoch * moves + number)
            if self.average:
                self.average.add()
            total, n_states = total + loss.item() * batch.n_states, n_states + batch.n_states
            if not np.isfinite(total):
                raise DriftlineError(
                    "expected training to converge, got a loss that is not a number; lower learning_rate"
                )
            meter.add(self.epoch, batch.n_states)
            if clock.is_over:
                break
        self.network.eval()
        self.epoch += 1
        return total / n_states

    def judged(self, judge: Judge) -> float:
        """How good the network is, with its mean weights where there are any; the best so far is kept."""
        with self.average.shown() if self.average else nullcontext():
            quality = judge(self.network)
            self.best.saw(self.network, self.epoch, quality)
        return quality

    def settle(self) -> None:
        """The network has the weights that were the best; unjudged, the mean ones."""
        if self.best.weights:
            self.network.load_state_dict(self.best.weights)
        elif self.average:
            self.average.settle()

    def keep(self) -> None:
        """Write the checkpoint, where there is to be one."""
        if self.checkpoint is None:
            return
        tensors = {f"network.{name}": value for name, value in self.network.state_dict().items()}
        tensors |= {f"best.{name}": value for name, value in self.best.weights.items()}
        tensors |= self.optimizer.tensors() | {"random": torch.get_rng_state()}
        tensors |= self.average.tensors() if self.average else {}
        quality = self.best.quality if self.best.weights else None
        facts = {"epoch": self.epoch, "best_epoch": self.best.epoch, "best_quality": quality}
        self.checkpoint.save({name: value.cpu().contiguous() for name, value in tensors.items()}, facts)

    def resume(self) -> None:
        """Go on from the checkpoint, where there is one; RunError where it is damaged or of another network."""
        found = self.checkpoint.load() if self.checkpoint else None
        if self.checkpoint is None or found is None:
            return
        try:
            self._take(*found)
        except (KeyError, RuntimeError) as error:
            raise self.checkpoint.unfit(f"one of another network ({error})") from error

    def _take(self, tensors: dict[str, Tensor], facts: dict[str, Any]) -> None:
        """Stand where `keep` stood."""
        self.network.load_state_dict(_under("network", tensors))
        self.optimizer.restore(tensors)
        if self.average:
            self.average.restore(tensors)
        torch.set_rng_state(tensors["random"])
        self.epoch = int(facts["epoch"])
        if facts["best_quality"] is not None:
            self.best = _Best(facts["best_quality"], int(facts["best_epoch"]), _under("best", tensors))


class _Clock:
    """Whether the minutes are over."""

    def __init__(self, minutes: float | None) -> None:
        self._ends = np.inf if minutes is None else time.monotonic() + 60 * minutes

    @property
    def is_over(self) -> bool:
        """Whether the time is up."""
        return time.monotonic() >= self._ends


class _Meter:
    """Tells how far training is: steps learned, how many a second; who draws knows the time left from that."""

    def __init__(self, label: str, total: int, per_epoch: int, progress: Progress | None) -> None:
        self._label, self._total, self._per_epoch, self._progress = label, total, per_epoch, progress
        self._done, self._epoch, self._told, self._began = 0, -1, 0.0, time.monotonic()

    @property
    def speed(self) -> float:
        """Steps a second in the epoch that is under way or was the last."""
        return (self._done - self._epoch * self._per_epoch) / max(time.monotonic() - self._began, 1e-9)

    def add(self, epoch: int, n_states: int) -> None:
        """So many steps more, at most once a second."""
        if epoch != self._epoch:
            self._done, self._epoch, self._began = epoch * self._per_epoch, epoch, time.monotonic()
        self._done += n_states
        now = time.monotonic()
        if self._progress and (now - self._told > 1 or self._done == self._total):
            self._told = now
            self._progress(self._done, self._total, self._label)


def _label(settings: SequenceSettings, negatives: Negatives | None) -> str:
    """What progress is called: the model, and of how many items it is asked where that is not all."""
    sampled = f", {negatives.size:,} of {len(negatives.q):,} items a batch" if negatives else ""
    return f"train {settings.name} (steps{sampled})"


def _joined(first: Cells | None, second: Cells) -> Cells:
    """All cells of both, by state."""
    if first is None:
        return second
    state = torch.cat([first.state, second.state])
    order = torch.argsort(state, stable=True)
    item, value = (torch.cat([getattr(first, part), getattr(second, part)])[order] for part in ("item", "value"))
    return Cells(state[order], item, value)


def _under(name: str, tensors: dict[str, Any]) -> dict[str, Tensor]:
    """The tensors whose names begin with `NAME.`, without that."""
    return {key.removeprefix(f"{name}."): value for key, value in tensors.items() if key.startswith(f"{name}.")}
