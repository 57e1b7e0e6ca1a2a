"""All steps of the evolution equations at once, with f a GRU: what no step waits for is done before and after.

h and i' are sums of a part of tanh H and one of tanh x, so what the gates read of them is too:

    gates of h ⊕ i' = tanh(H) A + entered        entered = tanh(x) B + c        of all steps in one product

and i' is read off the states when they are known. From step to step go two small products and one compiled pass.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from driftline.models.sequence.layout import Layout


def evolve(entered: Tensor, by_state: Tensor, inner: Tensor, inner_bias: Tensor, layout: Layout) -> Tensor:
    """H after every step, from 0; [n_steps, dim], by time, on a CPU and in float32.

    `entered` [n_steps, 3 dim] is what the gates reset, update and new get from x, `by_state` [dim, 3 dim] is A, `inner`
    [dim, 3 dim] and `inner_bias` [3 dim] the GRU's own weights of H.
    """
    states: Tensor = _Evolve.apply(entered, by_state, inner, inner_bias, layout)  # type: ignore[no-untyped-call]
    return states


class _Evolve(torch.autograd.Function):
    """Time after time, and back."""

    @staticmethod
    def forward(
        ctx: Any, entered: Tensor, by_state: Tensor, inner: Tensor, inner_bias: Tensor, layout: Layout
    ) -> Tensor:
        """The states."""
        from driftline.models.sequence import kernels  # numba is loaded where it is needed

        n, dim = len(entered), inner.shape[0]
        read, own = entered.clone(), inner_bias.repeat(n, 1)
        squashed, states = torch.zeros(n, dim), torch.empty(n, dim)
        for here, before in _times(layout):
            if before is not None:
                state = states[before]
                torch.tanh(state, out=squashed[here])
                read[here].addmm_(squashed[here], by_state)
                own[here].addmm_(state, inner)
            held = torch.zeros(here.stop - here.start, dim) if before is None else states[before]
            kernels.gate_rows(read[here].numpy(), own[here].numpy(), held.numpy(), states[here].numpy())
        ctx.layout = layout
        ctx.save_for_backward(by_state, inner, read, own, squashed, states)
        return states

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> tuple[Tensor | None, ...]:
        """The gradients, from the last time to the first; `read` and `own` hold the gates that were computed."""
        from driftline.models.sequence import kernels

        by_state, inner, read, own, squashed, states = ctx.saved_tensors
        n, dim = states.shape
        d_states, held = grads[0].clone(), torch.zeros(n, dim)
        for here, before in _times(ctx.layout):
            if before is not None:
                held[here] = states[before]
        d_read, d_own, direct = torch.empty_like(read), torch.empty_like(own), torch.empty(n, dim)
        for here, before in reversed(list(_times(ctx.layout))):
            parts = (read, own, held, d_states, d_read, d_own, direct)
            kernels.gate_rows_back(*(part[here].numpy() for part in parts))
            if before is not None:
                through = (d_read[here] @ by_state.T) * (1 - squashed[here] ** 2)
                d_states[before] += direct[here] + through.addmm_(d_own[here], inner.T)
        return d_read, squashed.T @ d_read, held.T @ d_own, d_own.sum(0), None


def _times(layout: Layout) -> list[tuple[slice, slice | None]]:
    """The rows of every time, and those of the steps before, None at the first time."""
    found: list[tuple[slice, slice | None]] = []
    first = 0
    for n in layout.going:
        before = slice(found[-1][0].start, found[-1][0].start + n) if found else None
        found.append((slice(first, first + n), before))
        first += n
    return found
