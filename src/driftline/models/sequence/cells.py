"""The recurrences: one step of each, from a behaviour x and a core to the next core, and all steps of a batch.

A *core* is what a cell carries from step to step, [n, width]; its first `dim` columns are the interest state H.
"""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor, nn

from driftline.models.sequence.evolving import evolve
from driftline.models.sequence.layout import Layout
from driftline.models.sequence.settings import Cell

_PACKED: dict[Cell, Any] = {"rnn": torch.rnn_tanh, "gru": torch.gru, "lstm": torch.lstm}
"""All steps at once, the products with x in one; sequences packed by time, as they lie here."""


class SteppedCell(nn.Module):
    """A cell that is run through step after step."""

    width: int

    def run(self, x: Tensor, layout: Layout) -> Tensor:
        """The cores after every step; x [n_steps, dim] by time."""
        core, cores, first = x.new_zeros(layout.n_sequences, self.width), [], 0
        for n in layout.going:
            core = self(x[first : first + n], core[:n])
            cores.append(core)
            first += n
        return torch.cat(cores) if cores else core


class PlainCell(SteppedCell):
    """An RNN, GRU or LSTM step; the core is H, or H ⊕ c for the LSTM."""

    def __init__(self, kind: Cell, dim: int) -> None:
        super().__init__()
        cells = {"rnn": nn.RNNCell, "gru": nn.GRUCell, "lstm": nn.LSTMCell}
        self.dim, self.width = dim, 2 * dim if kind == "lstm" else dim
        self.inner = cells[kind](dim, dim)
        self.kind, self.has_memory = kind, kind == "lstm"

    def forward(self, x: Tensor, core: Tensor) -> Tensor:
        """The next core."""
        if not self.has_memory:
            return self.inner(x, core)  # type: ignore[no-any-return]
        h, c = core[:, : self.dim], core[:, self.dim :]
        return torch.cat(self.inner(x, (h, c)), 1)

    def run(self, x: Tensor, layout: Layout) -> Tensor:
        """The cores after every step. While training, an LSTM's have nothing in the place of c: nobody reads it."""
        if not self.training or not layout.going:
            return super().run(x, layout)
        begin = x.new_zeros(1, layout.n_sequences, self.dim)
        weights = [self.inner.weight_ih, self.inner.weight_hh, self.inner.bias_ih, self.inner.bias_hh]
        going = torch.tensor(layout.going)
        states = (begin, begin) if self.has_memory else begin
        found = cast("Tensor", _PACKED[self.kind](x, going, states, weights, True, 1, 0.0, True, False)[0])
        return torch.cat([found, torch.zeros_like(found)], 1) if self.has_memory else found

    def short_term(self, core: Tensor) -> Tensor:
        """A plain recurrence expects no behaviour of its own: 0."""
        return core.new_zeros(())


class EvolutionCell(SteppedCell):
    """The evolution equations with f an RNN or GRU step; the core is H ⊕ i.

        z = σ(H ⊕ x)      h = W_h z + b_h      i' = W_i z + b_i      H' = f(h ⊕ i', H)

    σ is tanh.
    """

    def __init__(self, kind: Cell, dim: int) -> None:
        super().__init__()
        self.dim, self.width = dim, 2 * dim
        self.long, self.short = nn.Linear(2 * dim, dim), nn.Linear(2 * dim, dim)
        self.inner = (nn.GRUCell if kind == "gru" else nn.RNNCell)(2 * dim, dim)

    def forward(self, x: Tensor, core: Tensor) -> Tensor:
        """The next core: the state H' and the behaviour i' that is expected."""
        state = core[:, : self.dim]
        z = torch.tanh(torch.cat([state, x], 1))
        h, i = self.long(z), self.short(z)
        return torch.cat([self.inner(torch.cat([h, i], 1), state), i], 1)

    def run(self, x: Tensor, layout: Layout) -> Tensor:
        """The cores after every step; while training on a CPU those of a GRU by `evolving`."""
        fast = isinstance(self.inner, nn.GRUCell) and x.device.type == "cpu" and x.dtype == torch.float32
        if not (self.training and fast and layout.going):
            return super().run(x, layout)
        squashed = torch.tanh(x)
        both, bias = torch.cat([self.long.weight, self.short.weight]), torch.cat([self.long.bias, self.short.bias])
        of_state, of_x = (self.inner.weight_ih @ both).chunk(2, 1)
        entered = nn.functional.linear(squashed, of_x, self.inner.weight_ih @ bias + self.inner.bias_ih)
        states = evolve(entered, of_state.T, self.inner.weight_hh.T, self.inner.bias_hh, layout)
        earlier = torch.cat(
            [
                states.new_zeros(layout.n_sequences, self.dim),
                states[torch.from_numpy(layout.before[layout.n_sequences :])],
            ]
        )
        return torch.cat([states, self.short(torch.cat([torch.tanh(earlier), squashed], 1))], 1)

    def short_term(self, core: Tensor) -> Tensor:
        """i, the short-term part of the behaviour that is expected; shape [n, dim]."""
        return core[:, self.dim :]


class GatedEvolutionCell(SteppedCell):
    """The evolution equations in LSTM form, with a memory gate g and an output gate f_o; the core is H ⊕ i.

        g  = sigmoid(W_g [H ⊕ x] + b_g)        f_o = sigmoid(W_f [H ⊕ x] + b_f)        z = σ(H ⊕ x)
        h  = g ⊙ (W_h z + b_h)                 i'  = f_o ⊙ (W_i z + b_i)
        H' = g ⊙ σ(W_H [h ⊕ g] + b_H) + (1 - g) ⊙ H

    Of H stays what g does not open: without the last term nothing would be remembered for longer than a step.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dim, self.width = dim, 2 * dim
        self.long, self.short = nn.Linear(2 * dim, dim), nn.Linear(2 * dim, dim)
        self.gates, self.memory = nn.Linear(2 * dim, 2 * dim), nn.Linear(2 * dim, dim)

    def forward(self, x: Tensor, core: Tensor) -> Tensor:
        """The next core: the state H' and the behaviour i' that is expected."""
        state = core[:, : self.dim]
        both = torch.cat([state, x], 1)
        g, f_o = torch.sigmoid(self.gates(both)).chunk(2, 1)
        z = torch.tanh(both)
        h, i = g * self.long(z), f_o * self.short(z)
        moved = torch.tanh(self.memory(torch.cat([h, g], 1)))
        return torch.cat([g * moved + (1 - g) * state, i], 1)

    def short_term(self, core: Tensor) -> Tensor:
        """i, the short-term part of the behaviour that is expected; shape [n, dim]."""
        return core[:, self.dim :]


AnyCell = PlainCell | EvolutionCell | GatedEvolutionCell


def make_cell(kind: Cell, dim: int, *, evolves: bool) -> AnyCell:
    """The cell of a recurrence, plain or as the evolution equations."""
    if not evolves:
        return PlainCell(kind, dim)
    return GatedEvolutionCell(dim) if kind == "lstm" else EvolutionCell(kind, dim)
