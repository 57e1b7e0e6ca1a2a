"""The network: sets of items in, a state per step, scores over the catalogue out.

x_t = mean of the item vectors of moment t; the state moves by the cell; the read-out is
u_t = P·H_{t+1} + γ ⊙ x_t (+ i_{t+1} for the evolution equations), and the scores are s·(E·u_t) + b with the same item
vectors E that entered.
"""

from __future__ import annotations

from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from driftline.models.sequence.settings import SequenceSettings
from driftline.models.sequence.steps import Steps

STARTING_SCALE = 4.0
"""s before training: item vectors have a mean norm of 1, so that scores start within about ±4."""


class PlainCell(nn.Module):
    """An RNN, GRU or LSTM step; the state is H, or H ⊕ c for the LSTM."""

    def __init__(self, kind: str, dim: int) -> None:
        super().__init__()
        cells = {"rnn": nn.RNNCell, "gru": nn.GRUCell, "lstm": nn.LSTMCell}
        self.kind, self.dim = kind, dim
        self.width = 2 * dim if kind == "lstm" else dim
        self.inner = cells[kind](dim, dim)

    def forward(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """One step: the next state [n, width], and no behaviour of its own [n, dim] of zeros."""
        if self.kind == "lstm":
            pair = self.inner(x, (state[:, : self.dim], state[:, self.dim :]))
            return torch.cat(pair, 1), torch.zeros_like(x)
        return self.inner(x, state), torch.zeros_like(x)


class EvolutionCell(nn.Module):
    """The evolution equations: from H and the behaviour x to the next state H' and the expected next behaviour i.

    z = σ(H ⊕ x); h = W_h z + b_h; i = W_i z + b_i; H' = f(h, i, H) with f an RNN or GRU step over h ⊕ i.
    LSTM form: g = sigmoid(W_g [H ⊕ x] + b_g), f_o = sigmoid(W_f [H ⊕ x] + b_f); h and i pass through g and f_o; the
    memory that g does not open stays: H' = g ⊙ tanh(W_H [h ⊕ g] + b_H) + (1 − g) ⊙ H.
    """

    def __init__(self, kind: str, dim: int) -> None:
        super().__init__()
        self.kind, self.dim, self.width = kind, dim, dim
        self.long, self.short = nn.Linear(2 * dim, dim), nn.Linear(2 * dim, dim)
        if kind == "lstm":
            self.gates, self.memory = nn.Linear(2 * dim, 2 * dim), nn.Linear(2 * dim, dim)
        else:
            self.inner = (nn.GRUCell if kind == "gru" else nn.RNNCell)(2 * dim, dim)

    def forward(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """One step: the next state [n, dim] and the expected behaviour [n, dim]."""
        both = torch.cat([state, x], 1)
        z = torch.tanh(both)
        h, i = self.long(z), self.short(z)
        if self.kind != "lstm":
            return self.inner(torch.cat([h, i], 1), state), i
        g, f_o = torch.sigmoid(self.gates(both)).chunk(2, 1)
        h, i = h * g, i * f_o
        return g * torch.tanh(self.memory(torch.cat([h, g], 1))) + (1 - g) * state, i


class Network(nn.Module):
    """Item vectors, a cell, and the read-out."""

    def __init__(self, settings: SequenceSettings, vectors: NDArray[np.float32], bias: NDArray[np.float32]) -> None:
        super().__init__()
        dim = vectors.shape[1]
        self.items = nn.Parameter(torch.from_numpy(vectors.copy()))
        self.bias = nn.Parameter(torch.from_numpy(bias.copy()))
        self.cell = (EvolutionCell if settings.evolves else PlainCell)(settings.cell, dim)
        self.project = nn.Linear(dim, dim, bias=False)
        self.residual = nn.Parameter(torch.ones(dim))
        self.scale = nn.Parameter(torch.tensor(STARTING_SCALE))
        self.dropout = nn.Dropout(settings.dropout)
        self.dim = dim

    def pooled(self, steps: Steps) -> Tensor:
        """Each step's x: the mean of its items' vectors; shape [n_steps, dim]."""
        item, offsets = torch.from_numpy(steps.item), torch.from_numpy(steps.step[:-1])
        return nn.functional.embedding_bag(item, self.items, offsets, mode="mean")

    def start(self, n: int) -> Tensor:
        """The state of somebody without a past: zeros [n, width + 2·dim] for H, i and x."""
        return torch.zeros(n, self.cell.width + 2 * self.dim)

    def step(self, x: Tensor, state: Tensor) -> Tensor:
        """The state after one more behaviour x [n, dim]: next H ⊕ expected behaviour i ⊕ x."""
        h, i = self.cell(x, state[:, : self.cell.width])
        return torch.cat([h, i, x], 1)

    def run(self, x: Tensor, lengths: Tensor) -> Tensor:
        """States after every step of sequences sorted by falling length; x is [n, longest, dim]; flat by step number.

        At each step only the sequences that are that long take part, so nothing is computed for padding.
        """
        state, states = self.start(len(lengths)), []
        for t in range(int(lengths[0]) if len(lengths) else 0):
            going = int((lengths > t).sum())
            state = self.step(x[:going, t], state[:going])
            states.append(state)
        return torch.cat(states) if states else self.start(0)

    def readout(self, state: Tensor) -> Tensor:
        """Each state's u; shape [n, dim]."""
        width, dim = self.cell.width, self.dim
        h, i, x = state[:, :dim], state[:, width : width + dim], state[:, width + dim :]
        return cast("Tensor", self.project(self.dropout(h)) + i + self.residual * self.dropout(x))

    def scores(self, state: Tensor) -> Tensor:
        """Scores of every item for each state; shape [n, n_items]."""
        return self.scale * (self.readout(state) @ self.items.T) + self.bias
