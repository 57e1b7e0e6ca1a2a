"""The mean of weights on the way: what it is, that training goes on without it, that it survives an end."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from driftline.models.sequence.averaging import LATE, Average


class Weights(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.zeros(2))

    def move_to(self, value: float) -> None:
        with torch.no_grad():
            self.w.fill_(value)


@given(st.lists(st.floats(-10, 10, width=32), min_size=1, max_size=30))
def test_the_mean_weighs_each_move_as_the_written_formula(values: list[float]) -> None:
    weights = Weights()
    average, expected = Average(weights), 0.0
    for t, value in enumerate(values, 1):
        weights.move_to(value)
        average.add()
        rate = (LATE + 1) / (t + LATE)
        expected = (1 - rate) * expected + rate * value
    average.settle()
    np.testing.assert_allclose(weights.w.detach(), expected, atol=1e-4)


def test_what_is_shown_is_the_mean_and_what_goes_on_is_the_last() -> None:
    weights = Weights()
    average = Average(weights)
    for value in (1.0, 2.0):
        weights.move_to(value)
        average.add()
    with average.shown():
        assert 1 < weights.w[0].item() < 2
    assert weights.w.tolist() == [2, 2]


def test_a_mean_that_was_put_away_goes_on_alike() -> None:
    whole, first, second = Weights(), Weights(), Weights()
    through, begun = Average(whole), Average(first)
    for value in (1.0, 3.0):
        for weights, average in ((whole, through), (first, begun)):
            weights.move_to(value)
            average.add()
    resumed = Average(second)
    resumed.restore(begun.tensors())
    for weights, average in ((whole, through), (second, resumed)):
        weights.move_to(7.0)
        average.add()
        average.settle()
    assert torch.equal(whole.w, second.w)
