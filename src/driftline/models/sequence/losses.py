"""Cross-entropy over the whole catalog with sets as targets, without holding the scores twice."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

CELLS_PER_BLOCK = 3_000_000
"""How many scores are held at once: they stay in cache, and nothing of the size of steps x items is ever stored."""


class Cells(NamedTuple):
    """Numbers at different cells of the matrix states x items: `value[n]` at state `state[n]` (ascending), `item[n]`.

    As targets: the values of a state sum to 1, a set of m items gives each 1/m.
    """

    state: Tensor
    item: Tensor
    value: Tensor

    def block(self, first: int, last: int) -> tuple[slice, Tensor, Tensor]:
        """The cells of the states first:last: which they are, their states counted from `first`, their items."""
        low, high = torch.searchsorted(self.state, torch.tensor([first, last])).tolist()
        part = slice(low, high)
        return part, self.state[part] - first, self.item[part]


def set_cross_entropy(
    behaviours: Tensor, items: Tensor, bias: Tensor, targets: Cells, added: Cells | None = None
) -> Tensor:
    """`Σ_t Σ_{j ∈ y_t} -(1/|y_t|) · log softmax(items · behaviours_t + bias + added_t)_j`, summed over states t.

    `behaviours` [n_states, dim], `items` [n_items, dim], `bias` [n_items]. Scores, their softmax and the gradients are
    computed block by block in one pass, in place; the usual way goes five times over a matrix of n_states x n_items.
    """
    if added is None:
        added = Cells(targets.state[:0], targets.item[:0], bias.new_zeros(0))
    loss: Tensor = _SetCrossEntropy.apply(  # type: ignore[no-untyped-call]
        behaviours, items, bias, added.value, targets, added
    )
    return loss


class _SetCrossEntropy(torch.autograd.Function):
    """The gradient of the scores is `softmax - target`; what is left of it are two products and a selection."""

    @staticmethod
    def forward(
        ctx: Any, behaviours: Tensor, items: Tensor, bias: Tensor, extra: Tensor, targets: Cells, added: Cells
    ) -> Tensor:
        """The loss; the gradients are kept for `backward`."""
        loss = behaviours.new_zeros(())
        own, d_items, d_bias = torch.empty_like(behaviours), torch.zeros_like(items), torch.zeros_like(bias)
        d_extra = torch.empty_like(extra)
        size = max(1, CELLS_PER_BLOCK // max(len(items), 1))
        for first in range(0, len(behaviours), size):
            part = behaviours[first : first + size]
            asked_for, where, what = targets.block(first, first + len(part))
            raised, at, of = added.block(first, first + len(part))
            weight = targets.value[asked_for]
            scores = torch.addmm(bias, part, items.T)
            scores[at, of] += extra[raised]
            highest = scores.amax(1, keepdim=True)
            asked = scores[where, what] - highest[where, 0]
            shares = scores.sub_(highest).exp_()
            total = shares.sum(1, keepdim=True)
            loss += (weight * (total.log()[where, 0] - asked)).sum()
            shares.div_(total).index_put_((where, what), -weight, accumulate=True)
            own[first : first + size] = shares @ items
            d_items.addmm_(shares.T, part)
            d_bias += shares.sum(0)
            d_extra[raised] = shares[at, of]
        ctx.save_for_backward(own, d_items, d_bias, d_extra)
        return loss

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> tuple[Tensor | None, ...]:
        """What was kept, times what comes from above."""
        return *(kept * grads[0] for kept in ctx.saved_tensors), None, None
