"""The network: sets of items in, a state per step, the behaviour that is expected, scores over the items.

    e_j     = E_j + mean of the vectors of j's attributes     where they are known
    x_t     = mean of the e of the items of moment t
    core    = cell(x_t, core)                             H is its first part; of timescales, what is read of it
    u_{t+1} = P · H + i + γ ⊙ x_t                         the behaviour that is expected next
    scores  = s · (e · u_{t+1}) + b                       with the same vectors e that entered
            + a · log(1 + SHARPNESS · c)                  where repeats are allowed: c as `had` counts it

What is carried between steps is the *state*: core ⊕ x, and c.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse
from torch import Tensor, nn

from driftline.models.sequence.blocks import Dropout
from driftline.models.sequence.cores import make_core
from driftline.models.sequence.layout import Layout
from driftline.models.sequence.losses import Cells
from driftline.models.sequence.scales import RING, Carried, ScalesCore
from driftline.models.sequence.settings import SequenceSettings
from driftline.models.sequence.steps import Ints, Steps

SHARPNESS, STARTING_AGAIN = 16.0, 0.5
"""How fast a count tells, and a before training; the first chosen with the half-life of the counts."""

STARTING_SCALE = 4.0
"""s before training: with vectors of norm 1 the scores then span some nats, as log shares of items do."""


class Items(NamedTuple):
    """The items in view: their vectors e [n, dim] and biases [n]; what `had` and `steps` call item 0 is the first."""

    vectors: Tensor
    bias: Tensor


class Network(nn.Module):
    """Item vectors, a core, and the read-out; `vectors` [n_items, dim] and `bias` [n_items] are where items start.

    `attributes` [n_items, n_attributes] gives items a share in vectors that they have in common; `folded` ends that.
    """

    def __init__(
        self,
        settings: SequenceSettings,
        vectors: NDArray[np.float32],
        bias: NDArray[np.float32],
        attributes: sparse.csr_matrix | None = None,
    ) -> None:
        super().__init__()
        self.dim = vectors.shape[1]
        self.items = nn.Parameter(torch.from_numpy(vectors.copy()))
        self.bias = nn.Parameter(torch.from_numpy(bias.copy()))
        self.core = make_core(settings, self.dim)
        self.project = nn.Linear(self.dim, self.dim, bias=False)
        self.residual = nn.Parameter(torch.ones(self.dim))
        self.scale = nn.Parameter(torch.tensor(STARTING_SCALE))
        self.again = nn.Parameter(torch.tensor(STARTING_AGAIN)) if settings.repeats == "allow" else None
        self.dropout = Dropout(settings.thinning)
        self.shared = None if attributes is None else Shared(attributes, self.dim)

    @property
    def width(self) -> int:
        """How many numbers a state has."""
        width: int = self.core.width + self.dim
        return width

    @property
    def n_times(self) -> int:
        """How many moments a state knows of: none where no clock moves it."""
        return RING + 1 if isinstance(self.core, ScalesCore) else 0

    @property
    def by_clock(self) -> bool:
        """Whether time moves a state when nothing happens."""
        return isinstance(self.core, ScalesCore) and self.core.by_clock

    @property
    def longest(self) -> int | None:
        """How many moments of a history are read at least; None: as many as a gated state remembers."""
        return self.core.longest if isinstance(self.core, ScalesCore) else None

    @property
    def counted(self) -> int:
        """Of how many items it counts what was had before: all or none."""
        return 0 if self.again is None else len(self.items)

    def all_items(self) -> Items:
        """Every item."""
        return Items(self.items if self.shared is None else self.items + self.shared(None), self.bias)

    def some_items(self, rows: Ints) -> Items:
        """Some items; the gradient touches nothing else."""
        where = torch.from_numpy(rows).to(self.items.device)
        vectors = nn.functional.embedding(where, self.items, sparse=True)
        bias = torch.gather(self.bias, 0, where, sparse_grad=True)
        return Items(vectors if self.shared is None else vectors + self.shared(rows), bias)

    def pooled(self, steps: Steps, items: Items | None = None) -> Tensor:
        """What every step brings: the behaviour x, and for timescales what they sum; shape [n_steps, dim or more]."""
        vectors = (items or self.all_items()).vectors
        item, first = (torch.from_numpy(part).to(vectors.device) for part in (steps.item, steps.step[:-1]))
        x = nn.functional.embedding_bag(item, vectors, first, mode="mean")
        return torch.cat([x, self.core.sums(vectors, steps)], 1) if isinstance(self.core, ScalesCore) else x

    def step(self, moments: Tensor, state: Carried, at_us: Ints | None = None) -> Carried:
        """The state after what one more step brings at `at_us` [n], where the core is a recurrence."""
        x, core = moments[:, : self.dim], state.vectors[:, : self.core.width]
        if not isinstance(self.core, ScalesCore):
            return Carried(torch.cat([self.core(x, core), x], 1))
        moved = self.core(moments, Carried(core, state.times_us), at_us)
        return Carried(torch.cat([moved.vectors, x], 1), moved.times_us)

    def after(self, moments: Tensor, layout: Layout, rows: Ints) -> Carried:
        """The states after some of the steps, which lie as `layout` says; shape [len(rows), width]."""
        where = torch.from_numpy(rows)
        if not isinstance(self.core, ScalesCore):
            return Carried(self.run(moments, layout)[where])
        found = self.core.after(moments, layout, rows)
        return Carried(torch.cat([found.vectors, moments[where, : self.dim]], 1), found.times_us)

    def faded(self, state: Carried, at_us: Ints) -> Carried:
        """The states as they stand at `at_us` [n], where a clock moves them."""
        if not isinstance(self.core, ScalesCore):
            return state
        faded = self.core.faded(Carried(state.vectors[:, : self.core.width], state.times_us), at_us)
        return Carried(torch.cat([faded.vectors, state.vectors[:, self.core.width :]], 1), faded.times_us)

    def read(self, state: Carried) -> Tensor:
        """What `run` gives, from states that are carried: the same, or of timescales what is read of them."""
        if not isinstance(self.core, ScalesCore):
            return state.vectors
        y = self.core.read(Carried(state.vectors[:, : self.core.width], state.times_us))
        return torch.cat([y, state.vectors[:, self.core.width :]], 1)

    def run(self, moments: Tensor, layout: Layout) -> Tensor:
        """The states after every step as they are read, for steps that lie as `layout` says; [n_steps, …]."""
        x = moments[:, : self.dim]
        # What is normed first must not be thinned before: its length would be another one than when nothing is thinned.
        read = moments if isinstance(self.core, ScalesCore) else self.dropout(x)
        return torch.cat([self.core.run(read, layout), x], 1)

    def behaviour(self, state: Tensor) -> Tensor:
        """u, the behaviour that is expected next, as a vector among the items' vectors; shape [n, dim]."""
        core, x = state[:, : -self.dim], state[:, -self.dim :]
        moved: Tensor = self.project(core[:, : self.dim]) + self.core.short_term(core) + self.residual * x
        dropped: Tensor = self.dropout(moved)
        return dropped

    def scores(self, behaviour: Tensor, had: sparse.csr_matrix | None = None) -> Tensor:
        """The score of every item for each expected behaviour; shape [n, n_items]. `had` are counts of that shape."""
        items = self.all_items()
        scores = torch.addmm(items.bias, self.scale * behaviour, items.vectors.T)
        again = self.raised(had)
        if again is not None:
            scores[again.state, again.item] += again.value
        return scores

    def raised(self, had: sparse.csr_matrix | None) -> Cells | None:
        """What having had an item adds to its score; None where the network does not count."""
        if self.again is None or had is None:
            return None
        device = self.again.device
        state = np.repeat(np.arange(had.shape[0]), np.diff(had.indptr))
        value = self.again * torch.log1p(SHARPNESS * torch.from_numpy(had.data).to(device))
        return Cells(
            torch.from_numpy(state).to(device), torch.from_numpy(had.indices.astype(np.int64)).to(device), value
        )

    def expected(self, scores: Tensor) -> Tensor:
        """What the next step brings, as far as it can be known: the mean item vector under the shares of the scores."""
        shares: Tensor = torch.softmax(scores, 1)
        x = shares @ self.all_items().vectors
        return self.core.single(x) if isinstance(self.core, ScalesCore) else x

    @torch.no_grad()
    def fold(self) -> None:
        """Put what attributes gave into the items' own vectors: the same network, without knowing of attributes."""
        if self.shared is not None:
            self.items.add_(self.shared(None))
            self.shared = None


class Shared(nn.Module):
    """Vectors of attributes, 0 at first; an item's part is the sum of those it has over the root of their number."""

    def __init__(self, attributes: sparse.csr_matrix, dim: int) -> None:
        super().__init__()
        self.attributes = attributes
        self.vectors = nn.Parameter(torch.zeros(attributes.shape[1], dim))

    def forward(self, rows: Ints | None) -> Tensor:
        """What all items have by their attributes, or some; shape [n, dim]."""
        own = self.attributes if rows is None else self.attributes[rows]
        device = self.vectors.device
        parts = (own.indices.astype(np.int64), own.indptr[:-1].astype(np.int64), own.data.astype(np.float32))
        which, first, weight = (torch.from_numpy(part).to(device) for part in parts)
        return nn.functional.embedding_bag(which, self.vectors, first, mode="sum", per_sample_weights=weight)


def network_from(settings: SequenceSettings, weights: Mapping[str, NDArray[np.float32]]) -> Network:
    """A network with saved weights; KeyError or RuntimeError where they are not those of these settings."""
    network = Network(settings, weights["items"], weights["bias"])
    network.load_state_dict({name: torch.from_numpy(value) for name, value in weights.items()})
    return network.eval()
