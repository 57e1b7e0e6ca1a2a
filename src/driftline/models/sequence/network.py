"""The network: sets of items in, a state per step, the behaviour that is expected, scores over the items.

    x_t     = mean of the vectors of the items of moment t
    core    = cell(x_t, core)                             H is its first part
    u_{t+1} = P · H + i + γ ⊙ x_t                         the behaviour that is expected next
    scores  = s · (E · u_{t+1}) + b                       with the same vectors E that entered
            + a · log(1 + SHARPNESS · c)                  where repeats are allowed: c as `had` counts it

What is carried between steps is the *state*: core ⊕ x, and c.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse
from torch import Tensor, nn

from driftline.models.sequence.cells import make_cell
from driftline.models.sequence.losses import Cells
from driftline.models.sequence.settings import SequenceSettings
from driftline.models.sequence.steps import Steps

SHARPNESS, STARTING_AGAIN = 16.0, 0.5
"""How fast a count tells, and a before training; the first chosen with the half-life of the counts."""

STARTING_SCALE = 4.0
"""s before training: with vectors of norm 1 the scores then span some nats, as log shares of items do."""


class Network(nn.Module):
    """Item vectors, a cell, and the read-out; `vectors` [n_items, dim] and `bias` [n_items] are where items start."""

    def __init__(self, settings: SequenceSettings, vectors: NDArray[np.float32], bias: NDArray[np.float32]) -> None:
        super().__init__()
        self.dim = vectors.shape[1]
        self.items = nn.Parameter(torch.from_numpy(vectors.copy()))
        self.bias = nn.Parameter(torch.from_numpy(bias.copy()))
        self.cell = make_cell(settings.cell, self.dim, evolves=settings.evolves)
        self.project = nn.Linear(self.dim, self.dim, bias=False)
        self.residual = nn.Parameter(torch.ones(self.dim))
        self.scale = nn.Parameter(torch.tensor(STARTING_SCALE))
        self.again = nn.Parameter(torch.tensor(STARTING_AGAIN)) if settings.repeats == "allow" else None
        self.dropout = nn.Dropout(settings.dropout)

    @property
    def width(self) -> int:
        """How many numbers a state has."""
        width: int = self.cell.width + self.dim
        return width

    @property
    def counted(self) -> int:
        """Of how many items it counts what was had before: all or none."""
        return 0 if self.again is None else len(self.items)

    def pooled(self, steps: Steps) -> Tensor:
        """The behaviour x of every step; shape [n_steps, dim]."""
        item, first = torch.from_numpy(steps.item), torch.from_numpy(steps.step[:-1])
        return nn.functional.embedding_bag(item, self.items, first, mode="mean")

    def start(self, n: int) -> Tensor:
        """The state of somebody without a past: zeros [n, width]."""
        return torch.zeros(n, self.width)

    def step(self, x: Tensor, state: Tensor) -> Tensor:
        """The state after one more behaviour x [n, dim]."""
        return torch.cat([self.cell(x, state[:, : self.cell.width]), x], 1)

    def run(self, x: Tensor, going: Sequence[int]) -> Tensor:
        """The states after every step, for sequences sorted by falling length; both x and states [n_steps, …].

        Steps come by time: the first of every sequence, then the second of the `going[1]` that have one, and so on, so
        nothing is computed for padding.
        """
        core, cores, first = torch.zeros(going[0] if going else 0, self.cell.width), [], 0
        read = self.dropout(x)
        for n in going:
            core = self.cell(read[first : first + n], core[:n])
            cores.append(core)
            first += n
        return torch.cat([torch.cat(cores) if cores else core, x], 1)

    def behaviour(self, state: Tensor) -> Tensor:
        """u, the behaviour that is expected next, as a vector among the items' vectors; shape [n, dim]."""
        core, x = state[:, : self.cell.width], state[:, self.cell.width :]
        moved: Tensor = self.project(core[:, : self.dim]) + self.cell.short_term(core) + self.residual * x
        dropped: Tensor = self.dropout(moved)
        return dropped

    def scores(self, behaviour: Tensor, had: sparse.csr_matrix | None = None) -> Tensor:
        """The score of every item for each expected behaviour; shape [n, n_items]. `had` are counts of that shape."""
        scores = torch.addmm(self.bias, self.scale * behaviour, self.items.T)
        again = self.raised(had)
        if again is not None:
            scores[again.state, again.item] += again.value
        return scores

    def raised(self, had: sparse.csr_matrix | None) -> Cells | None:
        """What having had an item adds to its score; None where the network does not count."""
        if self.again is None or had is None:
            return None
        state = np.repeat(np.arange(had.shape[0]), np.diff(had.indptr))
        value = self.again * torch.log1p(SHARPNESS * torch.from_numpy(had.data))
        return Cells(torch.from_numpy(state), torch.from_numpy(had.indices.astype(np.int64)), value)

    def expected(self, scores: Tensor) -> Tensor:
        """The mean item vector under the shares that scores give: the next x, as far as it can be known."""
        shares: Tensor = torch.softmax(scores, 1)
        return shares @ self.items


def network_from(settings: SequenceSettings, weights: Mapping[str, NDArray[np.float32]]) -> Network:
    """A network with saved weights; KeyError or RuntimeError where they are not those of these settings."""
    network = Network(settings, weights["items"], weights["bias"])
    network.load_state_dict({name: torch.from_numpy(value) for name, value in weights.items()})
    return network.eval()
