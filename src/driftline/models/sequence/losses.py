"""Cross-entropy with sets as targets, without holding the scores twice: block by block, and in half the bits.

    loss = Σ_t Σ_{j ∈ y_t} -m_tj · log softmax(items · behaviours_t + bias + added_t)_j        Σ_j m_tj = 1

The gradient of the scores is `softmax - target`; what is left of it are two products. So a block of scores is
computed, turned into its gradient in place, multiplied twice and forgotten. On a CPU the turn is one compiled pass over
a row that lies in cache, and the three products are in bfloat16 where the processor has it: over twice as fast.
Source: Hsu et al. 2024, "Liger kernel" (fused linear cross-entropy).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from driftline.models.sequence.settings import Precision

CELLS_PER_BLOCK = 1_500_000
"""How many scores are held at once: they stay in cache, and nothing of the size of steps x items is ever stored."""


class Cells(NamedTuple):
    """Numbers at cells of the matrix states x items: `value[n]` at state `state[n]` (ascending) and `item[n]`.

    As targets: the values of a state sum to 1, a set of m items gives each 1/m.
    """

    state: Tensor
    item: Tensor
    value: Tensor

    def block(self, first: int, last: int) -> tuple[slice, Tensor, Tensor]:
        """The cells of the states first:last: which they are, their states counted from `first`, their items."""
        edges = torch.tensor([first, last], device=self.state.device)
        low, high = torch.searchsorted(self.state, edges).tolist()
        part = slice(low, high)
        return part, self.state[part] - first, self.item[part]

    def offsets(self, n_states: int) -> Tensor:
        """Where the cells of each state begin, and where the last ones end; shape [n_states + 1]."""
        return torch.searchsorted(self.state, torch.arange(n_states + 1))


class Gradients(NamedTuple):
    """The loss, and its gradients by behaviours, items, bias and what was added."""

    loss: Tensor
    behaviours: Tensor
    items: Tensor
    bias: Tensor
    extra: Tensor


def set_cross_entropy(
    behaviours: Tensor,
    items: Tensor,
    bias: Tensor,
    targets: Cells,
    added: Cells | None = None,
    *,
    precision: Precision = "auto",
) -> Tensor:
    """The loss above, summed over states; `behaviours` [n_states, dim], `items` [n_items, dim], `bias` [n_items].

    `precision` is that of the three products; sums are always in float32.
    """
    if added is None:
        added = Cells(targets.state[:0], targets.item[:0], bias.new_zeros(0))
    fused = compiled if behaviours.device.type == "cpu" and behaviours.dtype == torch.float32 else blockwise
    short = wants_short(precision, behaviours.device)
    loss: Tensor = _SetCrossEntropy.apply(  # type: ignore[no-untyped-call]
        behaviours, items, bias, added.value, targets, added, fused, torch.bfloat16 if short else behaviours.dtype
    )
    return loss


def wants_short(precision: Precision, device: torch.device) -> bool:
    """Whether numbers of 16 bits are multiplied: where that is asked for, or known to be faster."""
    if precision != "auto":
        return precision == "bfloat16"
    return torch.cuda.is_bf16_supported() if device.type == "cuda" else has_fast_bfloat16()


def has_fast_bfloat16() -> bool:
    """Whether the processor multiplies bfloat16 by an instruction of its own; without one it is slower than float32."""
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported()) and torch.cpu._is_avx512_bf16_supported()  # noqa: SLF001


def compiled(
    behaviours: Tensor,
    items: Tensor,
    bias: Tensor,
    extra: Tensor,
    targets: Cells,
    added: Cells,
    product: torch.dtype,
) -> Gradients:
    """Loss and gradients on a CPU, by `kernels`."""
    from driftline.models.sequence import kernels  # numba is loaded where something is trained

    n, n_items = len(behaviours), len(items)
    short = product == torch.bfloat16
    turn: Callable[..., float] = kernels.softmax_rows16 if short else kernels.softmax_rows32
    asked, raised = targets.offsets(n).numpy(), added.offsets(n).numpy()
    asked_item, added_item = targets.item.numpy(), added.item.numpy()
    mass, extras = targets.value.detach().numpy(), extra.detach().numpy()
    d_bias, d_extra = torch.zeros_like(bias), torch.empty_like(extra)
    own, d_items = torch.empty_like(behaviours), items.new_zeros(items.shape[1], n_items)
    left, right = behaviours.to(product), items.to(product)
    size = min(n, max(1, CELLS_PER_BLOCK // max(n_items, 1)))
    room = torch.empty(size, n_items, dtype=product)
    loss = 0.0
    for first in range(0, n, size):
        part = left[first : first + size]
        scores = torch.mm(part, right.T, out=room[: len(part)])
        rows = slice(first, first + len(part) + 1)
        loss += turn(
            (scores.view(torch.uint16) if short else scores).numpy(),
            bias.detach().numpy(), asked[rows], asked_item, mass, raised[rows], added_item, extras,
            d_bias.numpy(), d_extra.numpy(),
        )  # fmt: skip
        own[first : first + size] = scores @ right
        d_items += part.T @ scores
    return Gradients(behaviours.new_tensor(loss), own, d_items.T, d_bias, d_extra)


def blockwise(
    behaviours: Tensor,
    items: Tensor,
    bias: Tensor,
    extra: Tensor,
    targets: Cells,
    added: Cells,
    product: torch.dtype,
) -> Gradients:
    """Loss and gradients on any device, by PyTorch; the slow twin of `compiled`."""
    loss = behaviours.new_zeros(())
    own, d_items, d_bias = torch.empty_like(behaviours), torch.zeros_like(items), torch.zeros_like(bias)
    d_extra = torch.empty_like(extra)
    size = max(1, CELLS_PER_BLOCK // max(len(items), 1))
    left, right = behaviours.to(product), items.to(product)
    for first in range(0, len(behaviours), size):
        part = left[first : first + size]
        asked_for, where, what = targets.block(first, first + len(part))
        raised, at, of = added.block(first, first + len(part))
        weight = targets.value[asked_for]
        scores = (part @ right.T).to(bias.dtype) + bias
        scores.index_put_((at, of), extra[raised], accumulate=True)
        highest = scores.amax(1, keepdim=True)
        asked = scores[where, what] - highest[where, 0]
        shares = scores.sub_(highest).exp_()
        total = shares.sum(1, keepdim=True)
        loss += (weight * (total.log()[where, 0] - asked)).sum()
        shares.div_(total).index_put_((where, what), -weight, accumulate=True)
        d_bias += shares.sum(0)
        d_extra[raised] = shares[at, of]
        short = shares.to(product)
        own[first : first + size] = short @ right
        d_items += short.T @ part
    return Gradients(loss, own, d_items, d_bias, d_extra)


class _SetCrossEntropy(torch.autograd.Function):
    """Gradients come with the loss, in one pass; `backward` has only to hand them on."""

    @staticmethod
    def forward(
        ctx: Any,
        behaviours: Tensor,
        items: Tensor,
        bias: Tensor,
        extra: Tensor,
        targets: Cells,
        added: Cells,
        fused: Callable[..., Gradients],
        product: torch.dtype,
    ) -> Tensor:
        """The loss; the gradients are kept for `backward`."""
        found = fused(behaviours.contiguous(), items, bias.contiguous(), extra.contiguous(), targets, added, product)
        ctx.save_for_backward(*found[1:])
        return found.loss

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> tuple[Tensor | None, ...]:
        """What was kept, times what comes from above."""
        return *(kept * grads[0] for kept in ctx.saved_tensors), None, None, None, None
