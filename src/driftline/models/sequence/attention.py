"""A causal transformer over flat steps: all but the attention itself knows no sequences, so nothing is padded there."""

from __future__ import annotations

from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from driftline.models.sequence.blocks import Dropout, FeedForward
from driftline.models.sequence.layout import Layout

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

    def forward(self, time_us: Tensor) -> Tensor:
        """For sequences of one length, times [n, length]; minus infinity where a step is not seen: [n, heads, …, …]."""
        reach, length = self.steps.shape[1], time_us.shape[1]
        ago = torch.arange(length)[:, None] - torch.arange(length)[None, :]
        hidden = ((ago < 0) | (ago >= reach)).to(time_us.device)
        near = self.steps[:, ago.clamp(0, reach - 1).to(time_us.device)]
        gap = (time_us[:, :, None] - time_us[:, None, :]).clamp(min=0)
        magnitude = torch.log2(gap.double() + 1).long()
        far = torch.nn.functional.embedding(magnitude, self.gaps.T).permute(0, 3, 1, 2)
        return (near + far).masked_fill(hidden, -torch.inf)


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

    def forward(self, x: Tensor, groups: Groups) -> Tensor:
        """X [n_steps, dim], moved."""
        query, key, value, gate = self.enter(self.norm(x)).chunk(4, 1)
        attended = self._attended(query, key, value, groups) * torch.nn.functional.silu(gate)
        return cast("Tensor", self.forth(x + self.dropout(self.leave(attended))))

    def _attended(self, query: Tensor, key: Tensor, value: Tensor, groups: Groups) -> Tensor:
        """What each step takes from those before it, group by group of sequences of like length."""
        parts = []
        for rows, real, time_us in groups.parts:
            n, length = rows.shape
            q, k, v = (
                part[rows.ravel()].view(n, length, self.n_heads, -1).transpose(1, 2) for part in (query, key, value)
            )
            found = torch.nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=self.near(time_us))
            parts.append(found.transpose(1, 2).reshape(n * length, -1)[real])
        return torch.cat(parts)[groups.back] if parts else query


class Groups:
    """Which rows attend to each other: `parts` of (rows [n, length], which of them are real, times [n, length]).

    `back` are the places of all rows among the real ones of all parts.
    """

    def __init__(self, layout: Layout, device: torch.device) -> None:
        self.parts, order = [], [np.zeros(0, np.int64)]
        for rows in layout.groups(PAIRS_AT_ONCE):
            real = np.flatnonzero(np.diff(rows, axis=1, prepend=-1).ravel())
            order.append(rows.ravel()[real])
            arrays = (rows, real, layout.time_us[rows])
            self.parts.append(tuple(torch.from_numpy(array).to(device) for array in arrays))
        self.back = torch.from_numpy(np.argsort(np.concatenate(order))).to(device)


class AttentionCore(nn.Module):
    """Layers of causal attention; the core is the output. A state cannot be moved by one step: it is no recurrence."""

    def __init__(self, dim: int, n_layers: int, n_heads: int, reach: int, dropout: float) -> None:
        super().__init__()
        self.dim, self.width = dim, dim
        self.layers = nn.ModuleList(AttentionLayer(dim, n_heads, reach, dropout) for _ in range(n_layers))

    def run(self, x: Tensor, layout: Layout) -> Tensor:
        """The cores after every step."""
        groups = Groups(layout, x.device)
        for layer in self.layers:
            x = layer(x, groups)
        return x

    def short_term(self, core: Tensor) -> Tensor:
        """All that attention brings is in the core: 0."""
        return core.new_zeros(())
