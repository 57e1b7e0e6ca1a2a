"""The gate leaves its start where another expert is right, keeps it where none is better, and follows its gradient."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from scipy.optimize import check_grad

from driftline.interest import forecast_fitting
from driftline.interest.forecast_fitting import START_WEIGHT, _choose_gate, _fit_gate, _View


def view_of(shares: np.ndarray, idle: np.ndarray, *, pairs_each: int = 1, queries_each: int = 1) -> _View:
    """What experts say at pairs [n_pairs, n_experts]; `idle` [n_queries] is the feature that tells queries apart."""
    n_queries = len(idle)
    view = object.__new__(_View)
    view.shares = shares
    view.features = np.stack([np.ones(n_queries), np.zeros(n_queries), idle], axis=1)
    view.asked = SimpleNamespace(  # type: ignore[assignment]
        histories=SimpleNamespace(user_row=np.arange(n_queries) // queries_each),
        query=np.repeat(np.arange(n_queries), pairs_each),
        count=1.0 + np.arange(len(shares)) % 2,
    )
    return view


IDLE = np.where(np.arange(200) % 2 == 0, -1.0, 1.0)


def test_where_the_first_expert_is_right_for_some_and_the_second_for_others_the_gate_tells_them_apart():
    """The first gives what came .9 after a short silence and .1 after a long one, the second the other way round."""
    shares = np.where(IDLE[:, None] < 0, [[0.9, 0.1]], [[0.1, 0.9]])
    view = view_of(shares, IDLE)
    assert view.mixed(_choose_gate(view, seed=0)).min() > 0.8


def test_where_all_experts_say_the_same_the_gate_stays_at_its_start():
    gate = _choose_gate(view_of(np.full((200, 2), 0.5), IDLE), seed=0)
    assert gate.tolist() == [[START_WEIGHT, 0], [0, 0], [0, 0]]


def test_where_the_other_expert_is_right_by_luck_alone_the_gate_stays_at_its_start():
    """Of .5 it makes .2 or .8, drawn without regard to anything that the gate can see."""
    shares = np.where(np.random.default_rng(0).random((200, 1)) < 0.5, [[0.5, 0.2]], [[0.5, 0.8]])
    assert _choose_gate(view_of(shares, IDLE), seed=0).tolist() == [[START_WEIGHT, 0], [0, 0], [0, 0]]


@pytest.mark.parametrize("ridge", [0.0, 0.3])
def test_the_gradient_of_the_gate_is_the_derivative_of_its_loss(monkeypatch, ridge):
    kept = {}

    def minimize(loss, start, **_):
        kept["loss"] = loss
        return SimpleNamespace(x=start)

    monkeypatch.setattr(forecast_fitting, "minimize", minimize)
    rng = np.random.default_rng(1)
    view = view_of(rng.uniform(0.05, 0.9, (36, 3)), rng.normal(size=12), pairs_each=3, queries_each=2)
    _fit_gate(view, np.ones(36, bool), ridge)
    loss, at = kept["loss"], rng.normal(size=9)
    assert check_grad(lambda flat: loss(flat)[0], lambda flat: loss(flat)[1], at) < 1e-6
