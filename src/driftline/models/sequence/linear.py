"""A gated linear recurrence: all steps of all sequences at once, and one more step in the same time ever after.

What is kept and what enters depend on the behaviour alone, not on the state.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from driftline.models.sequence.blocks import Dropout, FeedForward
from driftline.models.sequence.layout import Layout
from driftline.models.sequence.scan import scan


class LinearLayer(nn.Module):
    """One recurrence with its read-out.

    n  = norm(x)          z = sigmoid(W_z n + b_z)          h' = (1 - z) ⊙ h + z ⊙ (W_c n + b_c)
    y  = x + W_o h'                                         then the feed-forward part
    """

    def __init__(self, dim: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.enter = nn.Linear(dim, 2 * dim)
        self.leave = nn.Linear(dim, dim)
        self.dropout = Dropout(dropout)
        self.forth = FeedForward(dim, dropout)

    def gates(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """What is kept of h, and what enters; both [n, dim]."""
        gate, candidate = self.enter(self.norm(x)).chunk(2, 1)
        return torch.sigmoid(-gate), torch.sigmoid(gate) * candidate

    def read(self, x: Tensor, h: Tensor) -> Tensor:
        """What goes on to the next layer."""
        return cast("Tensor", self.forth(x + self.dropout(self.leave(h))))


class LinearCore(nn.Module):
    """Layers of gated linear recurrences; the core is the h of the last layer ⊕ … ⊕ that of the first ⊕ the output."""

    def __init__(self, dim: int, n_layers: int, dropout: float) -> None:
        super().__init__()
        self.dim, self.width = dim, (n_layers + 1) * dim
        self.layers = nn.ModuleList(LinearLayer(dim, dropout) for _ in range(n_layers))

    def forward(self, x: Tensor, core: Tensor) -> Tensor:
        """The next core."""
        states: list[Tensor] = []
        for number, layer in enumerate(self._layers):
            kept, entered = layer.gates(x)
            first = self.width - (number + 2) * self.dim
            states.insert(0, kept * core[:, first : first + self.dim] + entered)
            x = layer.read(x, states[0])
        return torch.cat([*states, x], 1)

    def run(self, x: Tensor, layout: Layout) -> Tensor:
        """The cores after every step."""
        states: list[Tensor] = []
        for layer in self._layers:
            states.insert(0, scan(*layer.gates(x), layout))
            x = layer.read(x, states[0])
        return torch.cat([*states, x], 1)

    def short_term(self, core: Tensor) -> Tensor:
        """The output of the last layer."""
        return core[:, -self.dim :]

    @property
    def _layers(self) -> list[LinearLayer]:
        return cast("list[LinearLayer]", list(self.layers))
