"""Cross-entropy over the whole catalogue with sets as targets, without holding the scores twice."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

CELLS_PER_BLOCK = 3_000_000
"""How many scores are held at once: they stay in cache, and nothing of the size of steps x items is ever stored."""


class SetTargets(NamedTuple):
    """What follows: entry n says that item `item[n]` follows state `state[n]` (ascending) with `mass[n]`.

    The masses of a state sum to 1: a set of m items gives each 1/m.
    """

    state: Tensor
    item: Tensor
    mass: Tensor


def set_cross_entropy(behaviours: Tensor, items: Tensor, bias: Tensor, targets: SetTargets) -> Tensor:
    """`Σ_t Σ_{j ∈ y_t} -(1/|y_t|) · log softmax(items · behaviours_t + bias)_j`, summed over states t.

    `behaviours` [n_states, dim], `items` [n_items, dim], `bias` [n_items]. Scores, their softmax and the three
    gradients are computed block by block in one pass, in place; the usual way goes five times over a matrix of
    n_states x n_items.
    """
    loss: Tensor = _SetCrossEntropy.apply(behaviours, items, bias, *targets)  # type: ignore[no-untyped-call]
    return loss


class _SetCrossEntropy(torch.autograd.Function):
    """The gradient of the scores is `softmax - mass`; what is left of it are two products."""

    @staticmethod
    def forward(
        ctx: Any, behaviours: Tensor, items: Tensor, bias: Tensor, state: Tensor, item: Tensor, mass: Tensor
    ) -> Tensor:
        """The loss; the gradients are kept for `backward`."""
        loss = behaviours.new_zeros(())
        own, d_items, d_bias = torch.empty_like(behaviours), torch.zeros_like(items), torch.zeros_like(bias)
        size = max(1, CELLS_PER_BLOCK // max(len(items), 1))
        for first in range(0, len(behaviours), size):
            part = behaviours[first : first + size]
            low, high = torch.searchsorted(state, torch.tensor([first, first + len(part)])).tolist()
            where, what, weight = state[low:high] - first, item[low:high], mass[low:high]
            scores = torch.addmm(bias, part, items.T)
            highest = scores.amax(1, keepdim=True)
            asked = scores[where, what] - highest[where, 0]
            shares = scores.sub_(highest).exp_()
            total = shares.sum(1, keepdim=True)
            loss += (weight * (total.log()[where, 0] - asked)).sum()
            shares.div_(total).index_put_((where, what), -weight, accumulate=True)
            own[first : first + size] = shares @ items
            d_items.addmm_(shares.T, part)
            d_bias += shares.sum(0)
        ctx.save_for_backward(own, d_items, d_bias)
        return loss

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> tuple[Tensor | None, ...]:
        """What was kept, times what comes from above."""
        own, d_items, d_bias = ctx.saved_tensors
        return own * grads[0], d_items * grads[0], d_bias * grads[0], None, None, None
