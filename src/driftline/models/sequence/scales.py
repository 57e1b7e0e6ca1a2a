"""The wall-clock recurrence: sums of item vectors that fade by the clock and by events, beside the last moments.

For every timescale k with half-life h_k, of a moment t with the items j:

    s_k ← λ_k s_k + Σ_j g_j e_j      c_k ← λ_k c_k + Σ_j g_j      g_j = sigmoid(w · e_j + b)
    λ_k = 2^(-Δ / h_k · f_k)                                     f_k = exp(a_k), a_k = 0 before training

Δ is the time since the moment before, or, of timescales in events, how many items t has. When it is read, at the moment
of the request, the clock goes on first; then

    r_k  = s_k / (c_k + 1)           m_k = c_k / (c_k + 1)        n = norm(x_t)
    long = Σ_k sigmoid(G_k [n ⊕ m]) ⊙ r_k
    short = attention of n to the last RING moments, by how many moments and how long ago
    y    = forth(x_t + W_o [silu(n') ⊙ short ⊕ long ⊕ m]) - x_t    what is added to x_t; forth is the feed-forward part

Never `(1 - λ) e`: of two events at one moment both count. How long the gap was is in m; what follows may depend on it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from driftline.interest.state import HalfLife
from driftline.models.sequence.attention import Nearness, attend, attend_in_groups
from driftline.models.sequence.blocks import Dropout, FeedForward
from driftline.models.sequence.layout import Layout
from driftline.models.sequence.scan import scan
from driftline.models.sequence.steps import Ints, Steps
from driftline.types import ALWAYS, US_PER_DAY

RING = 32
"""How many of the last moments are attended to."""

MOST_HALVINGS = 60.0
"""What has halved so often is nothing: numbers that are smaller still make processors slow."""


LONGEST = 50_000
"""Of a longer history at least its last so many moments are read: in events nothing is left of what came before."""


NO_TIMES: Ints = np.zeros((0, 0), np.int64)


class Carried(NamedTuple):
    """States between steps: `vectors` [n, width], and where a clock moves them `times_us` [n, 1 + RING].

    Those are the moment up to which a state has faded, then when each moment of the ring was, the last one first;
    ALWAYS where there is none.
    """

    vectors: Tensor
    times_us: Ints = NO_TIMES


class ScalesCore(nn.Module):
    """Timescales and a ring; what it carries is s_1 ⊕ c_1 ⊕ … ⊕ s_K ⊕ c_K ⊕ the x of the ring, the last one first.

    `moments` are what it reads: x ⊕ Σ g e ⊕ Σ g ⊕ the number of items, [n, 2 dim + 2], as `sums` makes them.
    """

    longest = LONGEST

    def __init__(self, dim: int, half_lives: tuple[HalfLife, ...], n_heads: int, dropout: float) -> None:
        super().__init__()
        self.dim, self.half_lives, self.n_heads = dim, half_lives, n_heads
        self.width = len(half_lives) * (dim + 1) + RING * dim
        self.by_clock = any(one.days is not None for one in half_lives)
        self.gate = nn.Linear(dim, 1)
        self.pace = nn.Parameter(torch.zeros(len(half_lives)))
        self.norm = nn.LayerNorm(dim)
        self.enter = nn.Linear(dim, 4 * dim)
        self.near = Nearness(n_heads, RING)
        self.mix = nn.Linear(dim + len(half_lives), len(half_lives) * dim)
        self.leave = nn.Linear(2 * dim + len(half_lives), dim)
        self.dropout = Dropout(dropout)
        self.forth = FeedForward(dim, dropout)
        for last in (self.leave, self.forth.leave):
            # Nothing is added to x at first, which stands where the latent model put it.
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)

    def learned(self) -> tuple[HalfLife, ...]:
        """The half-lives as they have become."""
        pace = torch.exp(self.pace.detach()).tolist()
        return tuple(
            HalfLife(days=one.days / f) if one.days is not None else HalfLife(events=one.length / f)
            for one, f in zip(self.half_lives, pace, strict=True)
        )

    def gates(self, vectors: Tensor) -> Tensor:
        """How much each of some items enters, from 0 to 1; shape [n, 1]."""
        return torch.sigmoid(self.gate(vectors))

    def sums(self, vectors: Tensor, steps: Steps) -> Tensor:
        """Σ g e ⊕ Σ g ⊕ the number of items of every step, from vectors of the items in view; [n_steps, dim + 2]."""
        device, sizes = vectors.device, steps.sizes
        own = vectors[torch.from_numpy(steps.item).to(device)]
        entered = self.gates(own) * torch.cat([own, torch.ones_like(own[:, :1])], 1)
        step = torch.from_numpy(np.repeat(np.arange(len(sizes)), sizes)).to(device)
        total = entered.new_zeros(len(sizes), self.dim + 1).index_add(0, step, entered)
        return torch.cat([total, torch.from_numpy(sizes.astype(np.float32)).to(device)[:, None]], 1)

    def single(self, x: Tensor) -> Tensor:
        """A moment of one item, whose vector is x; [n, 2 dim + 2]."""
        gate = self.gates(x)
        return torch.cat([x, gate * x, gate, torch.ones_like(gate)], 1)

    def run(self, moments: Tensor, layout: Layout) -> Tensor:
        """What is read after every step, at the moment of the step that follows; [n_steps, dim]."""
        x, time_us = moments[:, : self.dim], layout.time_us if self.by_clock else np.zeros_like(layout.time_us)
        read_us = layout.read_us if self.by_clock and layout.read_us is not None else time_us
        left = self._left(_since(read_us, time_us), None)
        found = [_level(state, left[:, k : k + 1]) for k, state in enumerate(self._scans(moments, layout))]
        query, key, value, gate = self.enter(self.norm(x)).chunk(4, 1)
        compiled = x.device.type == "cpu" and x.dtype == torch.float32
        asked = replace(layout, time_us=time_us)
        short = (attend if compiled else attend_in_groups)(query, key, value, self.near, asked, read_us)
        return self._brought(x, short * nn.functional.silu(gate), found)

    def after(self, moments: Tensor, layout: Layout, rows: Ints) -> Carried:
        """What is carried after some of the steps, not faded since."""
        where = torch.from_numpy(rows)
        states = [state[where] for state in self._scans(moments, layout)]
        ring = np.empty((len(rows), RING), np.int64)
        for place in range(RING):
            ring[:, place] = rows
            rows = np.where(rows >= 0, layout.before[rows], -1)
        held = moments[torch.from_numpy(np.maximum(ring, 0)), : self.dim] * torch.from_numpy(ring >= 0)[..., None]
        times_us = np.where(ring >= 0, layout.time_us[np.maximum(ring, 0)], ALWAYS)
        return Carried(torch.cat([*states, held.flatten(1)], 1), np.concatenate([times_us[:, :1], times_us], 1))

    def forward(self, moments: Tensor, core: Carried, at_us: Ints) -> Carried:
        """What is carried after one more moment of each, at `at_us` [n]."""
        n_sums = len(self.half_lives) * (self.dim + 1)
        sums = core.vectors[:, :n_sums].reshape(-1, len(self.half_lives), self.dim + 1)
        left = self._left(_since(at_us, core.times_us[:, 0]), moments[:, -1:])
        moved = left[..., None] * sums + moments[:, None, self.dim : -1]
        ring = core.vectors[:, n_sums : -self.dim]
        times_us = np.concatenate([at_us[:, None], at_us[:, None], core.times_us[:, 1:-1]], 1)
        return Carried(torch.cat([moved.flatten(1), moments[:, : self.dim], ring], 1), times_us)

    def faded(self, core: Carried, at_us: Ints) -> Carried:
        """The same as it stands at `at_us` [n], when nothing happens until then."""
        n_sums = len(self.half_lives) * (self.dim + 1)
        sums = core.vectors[:, :n_sums].reshape(-1, len(self.half_lives), self.dim + 1)
        left = self._left(_since(at_us, core.times_us[:, 0]), None)
        stands = np.where(core.times_us[:, 0] == ALWAYS, ALWAYS, np.maximum(core.times_us[:, 0], at_us))
        vectors = torch.cat([(left[..., None] * sums).flatten(1), core.vectors[:, n_sums:]], 1)
        return Carried(vectors, np.concatenate([stands[:, None], core.times_us[:, 1:]], 1))

    def read(self, core: Carried) -> Tensor:
        """What `run` gives, from what is carried, at the moment at which it stands; 0 where nothing has happened."""
        n_sums = len(self.half_lives) * (self.dim + 1)
        found = [_level(state) for state in core.vectors[:, :n_sums].chunk(len(self.half_lives), 1)]
        ring = core.vectors[:, n_sums:].reshape(-1, RING, self.dim)
        there = torch.from_numpy(core.times_us[:, 1:] != ALWAYS)
        x = ring[:, 0]
        query, _, _, gate = self.enter(self.norm(x)).chunk(4, 1)
        short = self._attended(query, ring, there, core.times_us)
        return self._brought(x, short * nn.functional.silu(gate), found) * there[:, :1]

    def short_term(self, read: Tensor) -> Tensor:
        """All that is read is in y: 0."""
        return read.new_zeros(())

    def _scans(self, moments: Tensor, layout: Layout) -> list[Tensor]:
        """S ⊕ c of every timescale after every step, as it was then; [n_steps, dim + 1] each."""
        before, time_us = layout.before, layout.time_us
        gap = _since(time_us, np.where(before >= 0, time_us[before], time_us))
        kept, entered = self._left(gap, moments[:, -1:]), moments[:, self.dim : -1]
        return [scan(kept[:, k : k + 1].expand_as(entered), entered, layout) for k in range(len(self.half_lives))]

    def _left(self, gap_us: NDArray[np.float64], n_items: Tensor | None) -> Tensor:
        """λ of every timescale, [n, K]: after a gap, and as many events as the moment has items; None: no event."""
        device, none = self.pace.device, np.zeros(len(gap_us), np.float32)
        clocks = [none if one.days is None else gap_us / (one.days * US_PER_DAY) for one in self.half_lives]
        halvings = torch.from_numpy(np.stack(clocks, 1).astype(np.float32)).to(device)
        if n_items is not None:
            per_item = [0.0 if one.events is None else 1 / one.events for one in self.half_lives]
            halvings = halvings + n_items * torch.tensor(per_item, device=device)
        halvings = halvings * torch.exp(self.pace)
        return torch.where(halvings < MOST_HALVINGS, torch.exp2(-halvings.clamp(max=MOST_HALVINGS)), 0.0)

    def _attended(self, query: Tensor, ring: Tensor, there: Tensor, times_us: Ints) -> Tensor:
        """What each takes from its ring, [n, dim]."""
        _, key, value, _ = self.enter(self.norm(ring)).chunk(4, 2)
        asked = times_us[:, :1] if self.by_clock else np.zeros_like(times_us[:, :1])
        then = times_us[:, 1:] if self.by_clock else np.zeros_like(times_us[:, 1:])
        bias = self.near.steps + self.near.of_gaps(torch.from_numpy(_since(asked, then))).transpose(1, 2)
        q = query.reshape(-1, self.n_heads, self.dim // self.n_heads)
        k, v = (part.reshape(-1, RING, self.n_heads, self.dim // self.n_heads) for part in (key, value))
        scores = torch.einsum("nhd,nrhd->nhr", q, k) / q.shape[2] ** 0.5 + bias
        # Where a ring is empty all is masked: its share of everything is 0, not a division by 0.
        shares = torch.softmax(scores.masked_fill(~there[:, None], -torch.inf), 2).nan_to_num(0.0)
        return torch.einsum("nhr,nrhd->nhd", shares, v).flatten(1)

    def _brought(self, x: Tensor, short: Tensor, found: list[tuple[Tensor, Tensor]]) -> Tensor:
        """The y of each, from what attention took and from r and m of every timescale."""
        known = torch.cat([m for _, m in found], 1)
        opened = torch.sigmoid(self.mix(torch.cat([self.norm(x), known], 1))).chunk(len(found), 1)
        long = torch.stack([gate * r for gate, (r, _) in zip(opened, found, strict=True)]).sum(0)
        moved = x + self.dropout(self.leave(torch.cat([short, long, known], 1)))
        return cast("Tensor", self.forth(moved) - x)


def _level(state: Tensor, left: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """The r and m of a timescale from its s ⊕ c, of which so much is left; [n, dim] and [n, 1]."""
    now = state if left is None else left * state
    read = now / (now[:, -1:] + 1)
    return read[:, :-1], read[:, -1:]


def _since(later_us: Ints, earlier_us: Ints) -> NDArray[np.float64]:
    """Microseconds between two moments, at least 0; exact for any two of the calendar, and no overflow beyond it."""
    return np.maximum(later_us.astype(np.float64) - earlier_us.astype(np.float64), 0.0)
