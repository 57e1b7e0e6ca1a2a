from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from driftline.models.sequence import GRU, losses
from driftline.models.sequence.batches import batch_of
from driftline.models.sequence.losses import SetTargets, set_cross_entropy
from driftline.models.sequence.network import Network
from driftline.models.sequence.steps import steps_of_log
from driftline.models.sequence.training import loss_of


def targets(state: list[int], item: list[int], mass: list[float]) -> SetTargets:
    return SetTargets(torch.tensor(state), torch.tensor(item), torch.tensor(mass))


def test_the_loss_is_what_a_hand_works_out() -> None:
    """Shares ½ ¼ ¼ asked {0, 1}: (ln 2 + ln 4)/2; shares ¼ ¼ ½ asked {2}: ln 2; in all 2½ ln 2."""
    items = torch.tensor([[math.log(2), 0.0], [0.0, 0.0], [0.0, math.log(2)]])
    asked = targets([0, 0, 1], [0, 1, 2], [0.5, 0.5, 1.0])
    loss = set_cross_entropy(torch.eye(2), items, torch.zeros(3), asked)
    assert loss.item() == pytest.approx(2.5 * math.log(2), abs=1e-6)


def plain(behaviours: Tensor, items: Tensor, bias: Tensor, asked: SetTargets) -> Tensor:
    shares = torch.log_softmax(behaviours @ items.T + bias, 1)
    return -(shares[asked.state, asked.item] * asked.mass).sum()


def test_loss_and_gradients_are_those_of_the_plain_formula(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(losses, "CELLS_PER_BLOCK", 21)
    draw = torch.Generator().manual_seed(0)
    values = [torch.randn(*shape, generator=draw, dtype=torch.float64) for shape in ((8, 4), (7, 4), (7,))]
    asked = targets([0, 0, 1, 2, 3, 3, 3, 4, 5, 6, 7], [1, 2, 0, 6, 1, 2, 3, 4, 5, 0, 1], [0.5, 0.5, *[1.0] * 9])
    asked = asked._replace(mass=asked.mass.double())
    for first, second in zip(*(_gradients(loss, values, asked) for loss in (set_cross_entropy, plain)), strict=True):
        torch.testing.assert_close(first, second)


def _gradients(loss: object, values: list[Tensor], asked: SetTargets) -> list[Tensor]:
    own = [value.clone().requires_grad_() for value in values]
    found = 3 * loss(*own, asked)  # type: ignore[operator]
    found.backward()
    return [found.detach(), *(value.grad for value in own)]


def test_a_batch_costs_the_mean_over_its_steps_of_what_it_costs_alone(log_of) -> None:
    """One set of two after one item, and a single item: worked through the network's own scores."""
    log = log_of([("A",), ("B", "C")], [("D",), ("A",)])
    network = Network(GRU(dim=4), np.eye(6, 4, dtype=np.float32), np.zeros(6, np.float32)).eval()
    windows = steps_of_log(log, np.arange(6)).windows(50)
    scores = network.scores(network.behaviour(network.run(network.items[[0, 3]], [2])))
    shares = torch.log_softmax(scores, 1)
    expected = -(shares[0, 1] / 2 + shares[0, 2] / 2 + shares[1, 0]) / 2
    assert loss_of(network, batch_of(windows)).item() == pytest.approx(expected.item(), abs=1e-6)
