"""The linear recurrence `h_t = a_t ⊙ h_{t-1} + b_t` over many sequences at once, forward and backward."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from driftline.models.sequence.layout import Layout


def scan(kept: Tensor, entered: Tensor, layout: Layout) -> Tensor:
    """H after every step, from 0, with a = `kept` and b = `entered`; all [n_steps, dim], by time.

    On a CPU it is one compiled pass that moves each number once; elsewhere a few products for each step of time.
    """
    if kept.device.type != "cpu" or kept.dtype != torch.float32:
        return by_steps(kept, entered, layout)
    states: Tensor = _Scan.apply(kept.contiguous(), entered.contiguous(), layout)  # type: ignore[no-untyped-call]
    return states


def by_steps(kept: Tensor, entered: Tensor, layout: Layout) -> Tensor:
    """The same by PyTorch, one time after the other; the slow twin of the compiled pass."""
    first, state, states = 0, entered[: layout.n_sequences], []
    for time, n in enumerate(layout.going):
        here = slice(first, first + n)
        state = entered[here] if time == 0 else kept[here] * state[:n] + entered[here]
        states.append(state)
        first += n
    return torch.cat(states) if states else entered


class _Scan(torch.autograd.Function):
    """The compiled pass."""

    @staticmethod
    def forward(ctx: Any, kept: Tensor, entered: Tensor, layout: Layout) -> Tensor:
        """The states."""
        from driftline.models.sequence import kernels  # numba is loaded where it is needed

        states = torch.empty_like(entered)
        kernels.scan_rows(kept.detach().numpy(), entered.detach().numpy(), layout.before, states.numpy())
        ctx.layout = layout
        ctx.save_for_backward(kept, states)
        return states

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> tuple[Tensor | None, ...]:
        """The gradients of what was kept and what entered, in one pass from the last step to the first."""
        from driftline.models.sequence import kernels

        kept, states = ctx.saved_tensors
        d_states, d_kept = grads[0].contiguous().clone(), torch.empty_like(kept)
        kernels.scan_rows_back(kept.numpy(), states.numpy(), ctx.layout.before, d_states.numpy(), d_kept.numpy())
        return d_kept, d_states, None
