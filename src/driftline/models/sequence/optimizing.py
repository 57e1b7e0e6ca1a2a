"""How weights move: Adam with clipped gradients and a rate that rises, then falls; rows of items only where touched."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from driftline.models.sequence.checkpoint import optimizer_tensors, restore_optimizer
from driftline.models.sequence.network import Network
from driftline.models.sequence.settings import SequenceSettings

CLIP = 5.0
"""The largest norm that a gradient may have."""

LAST = 0.1
"""What is left of the learning rate at the end of its fall."""


class Optimizer:
    """Moves a network. With `sparse`, items whose gradient is 0 because they were not sampled stay where they are."""

    def __init__(self, network: Network, settings: SequenceSettings, *, sparse: bool) -> None:
        self._settings = settings
        self._parameters = list(network.parameters())
        rows = [network.items, network.bias] if sparse else []
        dense = [one for one in self._parameters if all(one is not row for row in rows)]
        self._optimizers: dict[str, torch.optim.Optimizer] = {
            "dense": torch.optim.Adam(dense, lr=settings.learning_rate, fused=True)
        }
        if rows:
            self._optimizers["rows"] = torch.optim.SparseAdam(rows, lr=settings.learning_rate)

    def move(self, loss: Tensor, *, at: float, number: int) -> None:
        """One move downhill, the `number`-th (from 0), when `at` epochs are learned."""
        rate = self._settings.learning_rate * rate_factor(self._settings, at=at, number=number)
        for optimizer in self._optimizers.values():
            optimizer.zero_grad()
            for group in optimizer.param_groups:
                group["lr"] = rate
        loss.backward()  # type: ignore[no-untyped-call]
        clip([one.grad for one in self._parameters if one.grad is not None])
        for optimizer in self._optimizers.values():
            optimizer.step()

    def tensors(self) -> dict[str, Tensor]:
        """Its state, as plain tensors."""
        return {
            key: value
            for name, optimizer in self._optimizers.items()
            for key, value in optimizer_tensors(optimizer, name).items()
        }

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Take the state that `tensors` gave."""
        for name, optimizer in self._optimizers.items():
            restore_optimizer(optimizer, name, tensors)


def rate_factor(settings: SequenceSettings, *, at: float, number: int) -> float:
    """What the learning rate is multiplied by for move `number`, when `at` epochs are learned.

    >>> from driftline.models.sequence import GRU
    >>> slow = GRU(warmup=2, falling=10)
    >>> [round(rate_factor(slow, at=at, number=n), 2) for at, n in ((0, 0), (0, 1), (5, 9), (12, 9))]
    [0.5, 1.0, 0.55, 0.1]
    """
    risen = min(1.0, (number + 1) / settings.warmup) if settings.warmup else 1.0
    over = settings.epochs if settings.falling is None else settings.falling
    return risen * (1 - (1 - LAST) * min(1.0, at / over)) if over else risen


def clip(gradients: list[Tensor]) -> None:
    """Shorten gradients whose common norm is above CLIP, those of single rows too."""
    norm = math.hypot(*(float((one.coalesce().values() if one.is_sparse else one).norm()) for one in gradients))
    if norm > CLIP:
        for one in gradients:
            one.mul_(CLIP / norm)
