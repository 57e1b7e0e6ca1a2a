"""The network: sets of items in, a state per step, the behaviour that is expected, scores over the items.

    e_j     = E_j + mean of the vectors of j's attributes     where they are known
    x_t     = mean of the e of the items of moment t
    core    = cell(x_t, core)                             H is its first part
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
        """The behaviour x of every step; shape [n_steps, dim]."""
        vectors = (items or self.all_items()).vectors
        item, first = (torch.from_numpy(part).to(vectors.device) for part in (steps.item, steps.step[:-1]))
        return nn.functional.embedding_bag(item, vectors, first, mode="mean")

    def step(self, x: Tensor, state: Tensor) -> Tensor:
        """The state after one more behaviour x [n, dim], where the core is a recurrence."""
        return torch.cat([self.core(x, state[:, : self.core.width]), x], 1)

    def run(self, x: Tensor, layout: Layout) -> Tensor:
        """The states after every step, for steps that lie as `layout` says; both x and states [n_steps, …]."""
        return torch.cat([self.core.run(self.dropout(x), layout), x], 1)

    def behaviour(self, state: Tensor) -> Tensor:
        """u, the behaviour that is expected next, as a vector among the items' vectors; shape [n, dim]."""
        core, x = state[:, : self.core.width], state[:, self.core.width :]
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
        """The mean item vector under the shares that scores give: the next x, as far as it can be known."""
        shares: Tensor = torch.softmax(scores, 1)
        return shares @ self.all_items().vectors

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
