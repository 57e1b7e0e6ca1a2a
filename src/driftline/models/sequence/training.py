"""The one trainer of every sequence model: full softmax at every step, stopped by validation.

Loss of a step: −(1/|y|) Σ_{j ∈ y} log softmax(scores)_j, y the set of the next moment; averaged over steps.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from driftline.errors import DriftlineError, MissingExtraError
from driftline.models.sequence.network import Network
from driftline.models.sequence.settings import SequenceSettings
from driftline.models.sequence.steps import Steps
from driftline.types import Progress

PATIENCE = 2
"""Epochs without a better validation before training stops."""

CLIP = 5.0


@dataclass(frozen=True, eq=False)
class Batch:
    """Sequences sorted by falling length: the steps that enter, and for each state the next moment's items.

    `target_step` (ascending) says whose state each of `target_item` follows, in the order in which `Network.run`
    returns states; `weight` is one over the size of the set that the target is in.
    """

    steps: Steps
    entering: NDArray[np.int64]
    lengths: NDArray[np.int64]
    target_step: NDArray[np.int64]
    target_item: NDArray[np.int64]
    weight: NDArray[np.float32]


def train(
    network: Network,
    steps: Steps,
    settings: SequenceSettings,
    *,
    seed: int,
    judge: Callable[[Network], float] | None = None,
    progress: Progress | None = None,
) -> int:
    """Train in place and return the number of epochs that were best; with `judge`, that epoch's weights are kept."""
    rng = np.random.default_rng(seed)
    optimizer = torch.optim.Adam(network.parameters(), lr=settings.learning_rate)
    curves, began = _curves(settings.log_dir), time.monotonic()
    best, best_epoch, kept = -np.inf, 0, None
    for epoch in range(1, settings.epochs + 1):
        loss = _epoch(network, optimizer, batches(steps, settings.batch, rng))
        quality = judge(network) if judge else None
        curves(epoch, loss, quality)
        if progress:
            progress(epoch, settings.epochs, f"train {settings.name}")
        if quality is None:
            best_epoch = epoch
        elif quality > best:
            best, best_epoch, kept = quality, epoch, copy.deepcopy(network.state_dict())
        elif epoch - best_epoch >= PATIENCE:
            break
        if settings.minutes is not None and time.monotonic() - began > 60 * settings.minutes:
            break
    if kept is not None:
        network.load_state_dict(kept)
    if progress:
        progress(settings.epochs, settings.epochs, f"train {settings.name}")
    return max(best_epoch, 1)


def loss_of(network: Network, batch: Batch) -> Tensor:
    """The loss of a batch, averaged over its steps."""
    states = network.run(_padded(network.pooled(batch.steps), batch), torch.from_numpy(batch.lengths))
    log_p = torch.log_softmax(network.scores(states), 1)
    picked = log_p[torch.from_numpy(batch.target_step), torch.from_numpy(batch.target_item)]
    return -(picked * torch.from_numpy(batch.weight)).sum() / max(len(states), 1)


def batches(steps: Steps, size: int, rng: np.random.Generator) -> Iterator[Batch]:
    """All sequences once, in random order but with like lengths together, about `size` steps a batch."""
    lengths = steps.lengths - 1
    order = np.argsort(lengths + rng.uniform(-0.5, 0.5, len(lengths)), kind="stable")
    cuts = np.searchsorted(np.cumsum(lengths[order]), np.arange(size, int(lengths.sum()) + 1, size))
    parts = [part for part in np.split(order, np.unique(cuts)) if len(part)]
    for which in rng.permutation(len(parts)):
        yield batch_of(steps, parts[which])


def batch_of(steps: Steps, which: NDArray[np.int64]) -> Batch:
    """A batch of some sequences."""
    part = steps.take(which[np.argsort(-steps.lengths[which], kind="stable")])
    lengths = part.lengths - 1
    entering = _by_time(part.sequence[:-1], lengths)
    following = entering + 1
    sizes = np.diff(part.step)[following]
    first = np.repeat(part.step[following] - np.concatenate([[0], np.cumsum(sizes)[:-1]]), sizes)
    target_item = part.item[np.arange(int(sizes.sum())) + first]
    target_step = np.repeat(np.arange(len(entering)), sizes)
    weight = (1.0 / np.repeat(sizes, sizes)).astype(np.float32)
    return Batch(part, entering, lengths, target_step, target_item, weight)


def _by_time(first: NDArray[np.int64], lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """Step numbers in the order of `Network.run`: the first step of every sequence, then the second, and so on."""
    longest = int(lengths.max(initial=0))
    return np.concatenate([first[lengths > t] + t for t in range(longest)]) if longest else np.zeros(0, np.int64)


def _padded(x: Tensor, batch: Batch) -> Tensor:
    """Pooled steps as [n, longest, dim]; places beyond the end repeat a real step and are never read."""
    longest = int(batch.lengths.max(initial=0))
    place = batch.steps.sequence[:-1, None] + np.minimum(np.arange(longest)[None, :], batch.lengths[:, None] - 1)
    return x[torch.from_numpy(place)]


def _epoch(network: Network, optimizer: torch.optim.Optimizer, parts: Iterator[Batch]) -> float:
    network.train()
    total, n = 0.0, 0
    for batch in parts:
        optimizer.zero_grad(set_to_none=True)
        loss = loss_of(network, batch)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(network.parameters(), CLIP)
        optimizer.step()
        total, n = total + loss.item() * len(batch.entering), n + len(batch.entering)
    network.eval()
    if not np.isfinite(total):
        raise DriftlineError("training diverged: the loss is not a number; lower learning_rate")
    return total / max(n, 1)


def _curves(log_dir: str | None) -> Callable[[int, float, float | None], None]:
    """What writes the curves for TensorBoard, or nothing where no folder is named."""
    if log_dir is None:
        return lambda _epoch, _loss, _quality: None
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise MissingExtraError("log_dir", "track") from None
    writer = SummaryWriter(log_dir)

    def write(epoch: int, loss: float, quality: float | None) -> None:
        writer.add_scalar("loss/train", loss, epoch)
        if quality is not None:
            writer.add_scalar("ndcg@10/validation", quality, epoch)
        writer.flush()

    return write
