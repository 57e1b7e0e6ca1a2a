"""A causal transformer over flat steps: each sequence attends to itself, and nothing is padded."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from driftline.models.sequence.blocks import Dropout, FeedForward
from driftline.models.sequence.layout import Layout
from driftline.models.sequence.steps import Ints

N_GAPS = 64
"""Gaps of time are told apart by their order of magnitude: powers of 2 of a microsecond."""

PAIRS_AT_ONCE = 4_000_000
"""How many pairs of steps are attended to at once; bounds memory."""


class Nearness(nn.Module):
    """What is added to the attention of a step to one before it: a number for how many steps ago, and for how long ago.

    Both per head, learned, 0 at first. Sources: Shaw et al. 2018; Li et al. 2020, TiSASRec; Zhai et al. 2024, HSTU.
    """

    def __init__(self, n_heads: int, reach: int) -> None:
        super().__init__()
        self.steps = nn.Parameter(torch.zeros(n_heads, reach))
        self.gaps = nn.Parameter(torch.zeros(n_heads, N_GAPS))

    def forward(self, time_us: Tensor, read_us: Tensor) -> Tensor:
        """For sequences of one length, times [n, length]; minus infinity where a step is not seen: [n, heads, …, …].

        Step t looks back from the moment `read_us[:, t]`.
        """
        reach, length = self.steps.shape[1], time_us.shape[1]
        ago = torch.arange(length)[:, None] - torch.arange(length)[None, :]
        hidden = ((ago < 0) | (ago >= reach)).to(time_us.device)
        near = self.steps[:, ago.clamp(0, reach - 1).to(time_us.device)]
        gap = (read_us[:, :, None] - time_us[:, None, :]).clamp(min=0)
        return (near + self.of_gaps(gap.double()).permute(0, 3, 1, 2)).masked_fill(hidden, -torch.inf)

    def of_gaps(self, gap_us: Tensor) -> Tensor:
        """What gaps of time add, for each head in a last dimension."""
        magnitude = torch.log2(gap_us + 1).long().clamp(max=N_GAPS - 1)
        return torch.nn.functional.embedding(magnitude, self.gaps.T)


class AttentionLayer(nn.Module):
    """Causal attention over the last `reach` steps with a gate on what it brings, then the feed-forward part.

    Pre-normed. Sources: Vaswani et al. 2017; Kang and McAuley 2018, SASRec.
    """

    def __init__(self, dim: int, n_heads: int, reach: int, dropout: float) -> None:
        super().__init__()
        self.n_heads = n_heads
        self.norm = nn.LayerNorm(dim)
        self.enter = nn.Linear(dim, 4 * dim)
        self.leave = nn.Linear(dim, dim)
        self.near = Nearness(n_heads, reach)
        self.dropout = Dropout(dropout)
        self.forth = FeedForward(dim, dropout)

    def forward(self, x: Tensor, layout: Layout) -> Tensor:
        """X [n_steps, dim], moved."""
        query, key, value, gate = self.enter(self.norm(x)).chunk(4, 1)
        compiled = x.device.type == "cpu" and x.dtype == torch.float32
        attended = (attend if compiled else attend_in_groups)(query, key, value, self.near, layout)
        return cast("Tensor", self.forth(x + self.dropout(self.leave(attended * torch.nn.functional.silu(gate)))))


def attend(
    query: Tensor, key: Tensor, value: Tensor, near: Nearness, layout: Layout, read_us: Ints | None = None
) -> Tensor:
    """What each step takes from those before it in its sequence; all [n_steps, dim] by time.

    A step looks back from `read_us` [n_steps]; None: from when it was. One compiled pass over each sequence: nothing of
    the size of pairs of steps is stored.
    """
    parts = (query, key, value, near.steps.flip(1), near.gaps)
    times = layout.time_us, layout.time_us if read_us is None else read_us
    found: Tensor = _Attend.apply(*(part.contiguous() for part in parts), layout, times)  # type: ignore[no-untyped-call]
    return found


def attend_in_groups(
    query: Tensor, key: Tensor, value: Tensor, near: Nearness, layout: Layout, read_us: Ints | None = None
) -> Tensor:
    """The same by PyTorch, for sequences of like length side by side; the slow twin of the compiled pass."""
    n_heads, parts, order = len(near.steps), [], []
    both = layout.time_us, layout.time_us if read_us is None else read_us
    for rows in layout.groups(PAIRS_AT_ONCE):
        n, length = rows.shape
        real = np.flatnonzero(np.diff(rows, axis=1, prepend=-1).ravel())
        which = torch.from_numpy(rows.ravel()).to(query.device)
        q, k, v = (part[which].view(n, length, n_heads, -1).transpose(1, 2) for part in (query, key, value))
        mask = near(*(torch.from_numpy(times[rows]).to(query.device) for times in both))
        found = torch.nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        parts.append(found.transpose(1, 2).reshape(n * length, -1)[torch.from_numpy(real).to(query.device)])
        order.append(rows.ravel()[real])
    if not parts:
        return query
    return torch.cat(parts)[torch.from_numpy(np.argsort(np.concatenate(order))).to(query.device)]


class _Attend(torch.autograd.Function):
    """The compiled pass; scores are computed anew on the way back, as FlashAttention does (Dao et al. 2022)."""

    @staticmethod
    def forward(
        ctx: Any,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        steps: Tensor,
        gaps: Tensor,
        layout: Layout,
        times: tuple[Ints, Ints],
    ) -> Tensor:
        """What is taken; `steps` begins with the farthest."""
        from driftline.models.sequence import kernels  # numba is loaded where it is needed

        out, log_total = torch.empty_like(query), query.new_empty(len(query), len(steps))
        if layout.n_sequences:
            given = [part.detach().numpy() for part in (query, key, value)]
            tables = (steps.detach().numpy(), gaps.detach().numpy())
            own = [*given, *layout.by_sequence, *times, *tables, out.numpy(), log_total.numpy()]
            kernels.attend(*own)
        ctx.layout, ctx.times = layout, times
        ctx.save_for_backward(query, key, value, steps, gaps, out, log_total)
        return out

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> tuple[Tensor | None, ...]:
        """The gradients of query, key, value, steps and gaps."""
        from driftline.models.sequence import kernels

        *given, steps, gaps, out, log_total = (part.numpy() for part in ctx.saved_tensors)
        found = [np.empty_like(part) for part in given] + [np.zeros_like(steps), np.zeros_like(gaps)]
        pull, layout = grads[0].contiguous().numpy(), ctx.layout
        if layout.n_sequences:
            own = [*given, *layout.by_sequence, *ctx.times, steps, gaps, out, log_total, pull, *found]
            kernels.attend_back(*own)
        return *(torch.from_numpy(part) for part in found), None, None


class AttentionCore(nn.Module):
    """Layers of causal attention; the core is the output. A state cannot be moved by one step: it is no recurrence."""

    def __init__(self, dim: int, n_layers: int, n_heads: int, reach: int, dropout: float) -> None:
        super().__init__()
        self.dim, self.width = dim, dim
        self.layers = nn.ModuleList(AttentionLayer(dim, n_heads, reach, dropout) for _ in range(n_layers))

    def run(self, x: Tensor, layout: Layout) -> Tensor:
        """The cores after every step."""
        for layer in self.layers:
            x = layer(x, layout)
        return x

    def short_term(self, core: Tensor) -> Tensor:
        """All that attention brings is in the core: 0."""
        return core.new_zeros(())
