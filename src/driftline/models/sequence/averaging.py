"""The mean of the weights that training goes through: what is read and kept, while training goes on from the last ones.

    mean_t = (1 - r_t) · mean_{t-1} + r_t · w_t        r_t = (LATE + 1) / (t + LATE)

Source: Shamir and Zhang 2013, "Stochastic gradient descent for non-smooth optimization", equation 5, polynomial decay.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

LATE = 8
"""How much more late weights count: after t moves those of the last t / 9 hold two thirds."""


class Average:
    """The mean of a network's weights over its moves."""

    def __init__(self, network: nn.Module) -> None:
        self._now = dict(network.named_parameters())
        self._mean = {name: value.detach().clone() for name, value in self._now.items()}
        self._moves = 0

    @torch.no_grad()
    def add(self) -> None:
        """The weights after one more move."""
        self._moves += 1
        rate = (LATE + 1) / (self._moves + LATE)
        torch._foreach_lerp_(list(self._mean.values()), [self._now[name].detach() for name in self._mean], rate)

    @contextmanager
    def shown(self) -> Iterator[None]:
        """The network has the mean weights; afterwards it has its own again."""
        own = {name: value.detach().clone() for name, value in self._now.items()}
        self.settle()
        try:
            yield
        finally:
            self._put(own)

    def settle(self) -> None:
        """The network has the mean weights from now on."""
        self._put(self._mean)

    def tensors(self) -> dict[str, Tensor]:
        """The means under `average.*`, and of how many moves."""
        return {f"average.{name}": value for name, value in self._mean.items()} | {"moves": torch.tensor(self._moves)}

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Take what `tensors` gave."""
        self._moves = int(tensors["moves"])
        for name, value in self._mean.items():
            value.copy_(tensors[f"average.{name}"])

    @torch.no_grad()
    def _put(self, weights: Mapping[str, Tensor]) -> None:
        for name, value in self._now.items():
            value.copy_(weights[name])
