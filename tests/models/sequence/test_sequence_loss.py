"""The loss is the formula: worked by hand, and against the usual way through the whole matrix of scores."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
import torch

from driftline.data.dataset import Repeats
from driftline.models.sequence import GRU, losses
from driftline.models.sequence.batches import batch_of, batches
from driftline.models.sequence.had import HALF_LIFE
from driftline.models.sequence.losses import Cells, set_cross_entropy
from driftline.models.sequence.network import SHARPNESS, Network
from driftline.models.sequence.scales import Carried
from driftline.models.sequence.steps import Steps
from driftline.models.sequence.training import loss_of, own_randomness


def targets(state: list[int], item: list[int], mass: list[float]) -> Cells:
    return Cells(torch.tensor(state), torch.tensor(item), torch.tensor(mass))


def test_a_batch_worked_by_hand() -> None:
    """Scores of state 0 are (0, ln 2, 0), so shares are (1/4, 1/2, 1/4); of state 1 (ln 3, 0, 0): (3/5, 1/5, 1/5).

    After state 0 came item 1, after state 1 the set {0, 2}: loss = -ln 1/2 - (ln 3/5 + ln 1/5) / 2.
    """
    behaviours = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    items = torch.tensor([[0.0, math.log(3)], [math.log(2), 0.0], [0.0, 0.0]])
    loss = set_cross_entropy(
        behaviours, items, torch.zeros(3), targets([0, 1, 1], [1, 0, 2], [1.0, 0.5, 0.5]), precision="float32"
    )
    assert loss.item() == pytest.approx(math.log(2) - (math.log(3 / 5) + math.log(1 / 5)) / 2, abs=1e-6)


def test_the_bias_is_part_of_the_scores() -> None:
    """With vectors of zero the shares are those of the bias: (1, 2, 5) / 8."""
    bias = torch.log(torch.tensor([1.0, 2.0, 5.0]))
    loss = set_cross_entropy(torch.zeros(1, 2), torch.zeros(3, 2), bias, targets([0], [2], [1.0]))
    assert loss.item() == pytest.approx(-math.log(5 / 8), abs=1e-6)


@pytest.mark.parametrize("cells", [7, 30, 10_000])
def test_loss_and_gradients_are_those_of_the_whole_matrix(cells: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the size of the blocks."""
    monkeypatch.setattr(losses, "CELLS_PER_BLOCK", cells)
    draw = torch.Generator().manual_seed(0)
    leaves = [torch.randn(*shape, generator=draw, dtype=torch.float64) for shape in ((5, 3), (7, 3), (7,), (4,))]
    raised, of = torch.tensor([0, 2, 2, 4]), torch.tensor([6, 0, 2, 3])
    what = targets([0, 1, 1, 2, 3, 4, 4, 4], [6, 0, 3, 2, 2, 1, 4, 5], [1.0, 0.5, 0.5, 1.0, 1.0, 1 / 3, 1 / 3, 1 / 3])
    what = Cells(what.state, what.item, what.value.double())
    found = []
    for fused in (True, False):
        behaviours, items, bias, extra = (leaf.clone().requires_grad_() for leaf in leaves)
        if fused:
            loss = set_cross_entropy(behaviours, items, bias, what, Cells(raised, of, extra), precision="float32")
        else:
            added = torch.zeros(5, 7, dtype=torch.float64).index_put((raised, of), extra)
            log_shares = torch.log_softmax(behaviours @ items.T + bias + added, 1)
            loss = -(log_shares[what.state, what.item] * what.value).sum()
        (3 * loss).backward()
        found.append([loss.detach(), behaviours.grad, items.grad, bias.grad, extra.grad])
    for ours, usual in zip(*found, strict=True):
        torch.testing.assert_close(ours, usual)


SEQUENCES = Steps(
    # Two sequences: {0} {1, 2} {3}, and {2} {0, 4}.
    np.array([0, 1, 2, 3, 2, 0, 4]),
    np.array([0, 1, 3, 4, 5, 7]),
    np.array([0, 3, 5]),
    np.arange(5),
)


def test_every_step_is_asked_for_the_whole_next_moment() -> None:
    """States by time: after {0} and {2} came {1, 2} and {0, 4}, then after {1, 2} came {3}."""
    batch = batch_of(SEQUENCES)
    assert batch.layout.going == [2, 1]
    assert list(zip(batch.target_state, batch.target_item, batch.mass, strict=True)) == [
        (0, 1, 0.5),
        (0, 2, 0.5),
        (1, 0, 0.5),
        (1, 4, 0.5),
        (2, 3, 1.0),
    ]
    assert batch.steps.item.tolist() == [0, 2, 1, 2]


@pytest.mark.parametrize("repeats", ["allow", "exclude"])
def test_the_loss_of_a_batch_is_the_mean_over_its_steps(repeats: Repeats) -> None:
    """Against a loop over steps, one state after the other, and a count that halves every HALF_LIFE moments."""
    rng = np.random.default_rng(0)
    with own_randomness(0):
        vectors, bias = rng.normal(size=(5, 4)).astype(np.float32), rng.normal(size=5).astype(np.float32)
        network = Network(GRU(dim=4, repeats=repeats), vectors, bias).eval()
    losses_of_steps = []
    for visits in ([[0], [1, 2], [3]], [[2], [0, 4]]):
        state, count = Carried(torch.zeros(1, network.width)), np.zeros(5)
        for visit, following in pairwise(visits):
            state = network.step(network.items[visit].mean(0, keepdim=True), state)
            count *= 0.5 ** (1 / HALF_LIFE)
            count[visit] += 1
            scores = network.scores(network.behaviour(state.vectors))[0].numpy(force=True)
            if network.again is not None:
                scores = scores + network.again.item() * np.log1p(SHARPNESS * count)
            log_shares = scores - np.log(np.exp(scores).sum())
            losses_of_steps.append(-log_shares[following].mean())
    batch = batch_of(SEQUENCES, counted=network.counted)
    assert loss_of(network, batch, precision="float32").item() == pytest.approx(np.mean(losses_of_steps), abs=1e-5)


def test_batches_hold_every_step_once() -> None:
    rng = np.random.default_rng(0)
    lengths = rng.integers(2, 9, 50)
    n = int(lengths.sum())
    windows = Steps(np.arange(n), np.arange(n + 1), np.concatenate([[0], np.cumsum(lengths)]), np.arange(n))
    parts = list(batches(windows, 20, rng))
    asked = np.sort(np.concatenate([part.target_item for part in parts]))
    firsts = windows.sequence[:-1]
    np.testing.assert_array_equal(asked, np.setdiff1d(np.arange(n), firsts))
    assert len(parts) > 5


@pytest.mark.parametrize("product", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("cells", [100, 1_000_000])
def test_the_compiled_pass_is_its_slow_twin(product: torch.dtype, cells: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Scores far apart, a set as target, something added twice to one cell, a state without either."""
    monkeypatch.setattr(losses, "CELLS_PER_BLOCK", cells)
    draw = torch.Generator().manual_seed(4)
    behaviours, items, bias = (torch.randn(*shape, generator=draw) for shape in ((9, 16), (41, 16), (41,)))
    bias[3] = -90.0
    what = targets([0, 1, 1, 2, 3, 4, 5, 6, 7, 8], [3, 0, 40, 1, 2, 4, 5, 6, 7, 8], [1.0, 0.5, 0.5, *[1.0] * 7])
    added = targets([0, 0, 4, 4], [3, 5, 7, 7], [50.0, -2.0, 0.5, 0.25])
    given = (3 * behaviours, items, bias, added.value, what, added, product)
    for fast, slow in zip(losses.compiled(*given), losses.blockwise(*given), strict=True):
        rough = 2e-2 if product == torch.bfloat16 else 1e-5
        torch.testing.assert_close(fast, slow, rtol=rough, atol=rough)


def test_half_the_bits_move_the_gradient_by_a_percent_at_most() -> None:
    draw = torch.Generator().manual_seed(4)
    behaviours, items, bias = (torch.randn(*shape, generator=draw) for shape in ((300, 64), (500, 64), (500,)))
    state = torch.arange(300)
    what = Cells(state, state, torch.ones(300))
    given = (behaviours, 0.3 * items, bias, torch.zeros(0), what, Cells(state[:0], state[:0], torch.zeros(0)))
    short, full = losses.compiled(*given, torch.bfloat16), losses.compiled(*given, torch.float32)
    assert short.loss.item() == pytest.approx(full.loss.item(), rel=1e-3)
    for one, other in zip(short[1:4], full[1:4], strict=True):
        assert (one - other).norm() < 0.01 * other.norm()
