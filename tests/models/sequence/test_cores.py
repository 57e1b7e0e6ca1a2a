"""What carries the state: all steps at once say what one step after the other says, and nothing looks ahead."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from driftline.data.events import EventLog, Histories
from driftline.models.sequence import GRU, LSTM, RNN, Evolution, Linear, SequenceSettings, Transformer
from driftline.models.sequence.attention import N_GAPS, AttentionCore, Nearness, attend, attend_in_groups
from driftline.models.sequence.cores import make_core
from driftline.models.sequence.layout import Layout
from driftline.models.sequence.training import own_randomness

GOING = [4, 3, 3, 1, 1, 1]
MINUTE_US = 60_000_000

RECURRENCES: dict[str, SequenceSettings] = {
    "rnn": RNN(),
    "lstm": LSTM(),
    "gru": GRU(),
    "evolution of gru": Evolution(),
    "evolution of rnn": Evolution(f="rnn"),
    "evolution of lstm": Evolution(f="lstm"),
    "linear": Linear(layers=2, dropout=0),
}


def some(settings: SequenceSettings) -> tuple[torch.nn.Module, Tensor, Layout]:
    """A core of width 6, behaviours of four sequences, and how they lie."""
    with own_randomness(0):
        core, x = make_core(settings, 6), torch.randn(sum(GOING), 6)
    return core, x, Layout(GOING, np.arange(sum(GOING)) * MINUTE_US)


@pytest.mark.parametrize("name", list(RECURRENCES))
@pytest.mark.parametrize("training", [True, False])
def test_all_steps_at_once_are_the_steps_one_by_one(name: str, training: bool) -> None:
    """While training an LSTM shows its H alone."""
    core, x, layout = some(RECURRENCES[name])
    core.train(training)
    found = core.run(x, layout)
    state, first = torch.zeros(GOING[0], core.width), 0
    for n in GOING:
        state = core(x[first : first + n], state[:n])
        width = 6 if training and name == "lstm" else core.width
        torch.testing.assert_close(found[first : first + n, :width], state[:, :width], rtol=1e-5, atol=1e-6)
        first += n


@pytest.mark.parametrize("settings", [*RECURRENCES.values(), Transformer(dropout=0)], ids=[*RECURRENCES, "transformer"])
def test_no_state_knows_what_comes_later(settings: SequenceSettings) -> None:
    core, x, layout = some(settings)
    core.eval()
    before = core.run(x, layout)
    changed = x.clone()
    changed[sum(GOING[:2]) :] += 1
    after = core.run(changed, layout)
    torch.testing.assert_close(after[: sum(GOING[:2])], before[: sum(GOING[:2])])
    assert (after[sum(GOING[:2]) :] - before[sum(GOING[:2]) :]).abs().amax(1).min() > 1e-3


def test_attention_is_the_formula() -> None:
    """One layer on one sequence, worked out with dense matrices; nearness is filled with numbers of its own."""
    with own_randomness(1):
        core, x = AttentionCore(6, 1, 2, 3, 0.0).eval(), torch.randn(5, 6)
    layer = core.layers[0]
    with torch.no_grad():
        layer.near.steps.normal_(generator=torch.Generator().manual_seed(2))
        layer.near.gaps.normal_(generator=torch.Generator().manual_seed(3))
    time_us = np.array([0, 1, 3, 10, 1_000])
    query, key, value, gate = layer.enter(layer.norm(x)).chunk(4, 1)
    heads = []
    for head in range(2):
        part = slice(3 * head, 3 * head + 3)
        scores = torch.full((5, 5), -torch.inf)
        for now in range(5):
            for then in range(max(0, now - 2), now + 1):
                gap = int(np.log2(time_us[now] - time_us[then] + 1))
                near = layer.near.steps[head, now - then] + layer.near.gaps[head, gap]
                scores[now, then] = query[now, part] @ key[then, part] / 3**0.5 + near
        heads.append(torch.softmax(scores, 1) @ value[:, part])
    expected = layer.forth(x + layer.leave(torch.cat(heads, 1) * torch.nn.functional.silu(gate)))
    torch.testing.assert_close(core.run(x, Layout([1] * 5, time_us)), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("later", [False, True])
def test_compiled_attention_is_its_slow_twin_with_gradients(later: bool) -> None:
    """Sequences of many lengths, gaps of all magnitudes, a reach shorter than the longest; read at once, or later."""
    lengths = [40, 39, 17, 17, 9, 2, 1, 1]
    going = [sum(length > time for length in lengths) for time in range(40)]
    rng = np.random.default_rng(0)
    layout = Layout(going, np.sort(10 ** rng.uniform(0, 15, sum(lengths))).astype(np.int64))
    draw = torch.Generator().manual_seed(0)
    parts = [torch.randn(sum(lengths), 8, generator=draw) for _ in range(3)]
    tables = [torch.randn(2, 25, generator=draw), torch.randn(2, N_GAPS, generator=draw)]
    pull, found = torch.randn(sum(lengths), 8, generator=draw), []
    read_us = layout.time_us + (10 ** rng.uniform(0, 15, sum(lengths))).astype(np.int64) if later else None
    for run in (attend, attend_in_groups):
        near = Nearness(2, 25)
        near.steps.data, near.gaps.data = (table.clone() for table in tables)
        leaves = [part.clone().requires_grad_() for part in parts]
        out = run(*leaves, near, layout, read_us)
        found.append([out, *torch.autograd.grad((out * pull).sum(), [*leaves, near.steps, near.gaps])])
    for compiled, slow in zip(*found, strict=True):
        torch.testing.assert_close(compiled, slow, rtol=1e-4, atol=1e-5)


def test_attention_of_a_batch_is_that_of_each_sequence_alone() -> None:
    """Whatever lengths lie side by side."""
    with own_randomness(1):
        core = AttentionCore(6, 2, 2, 4, 0.0).eval()
    lengths = [9, 8, 7, 3, 3, 2, 1]
    going = [sum(length > time for length in lengths) for time in range(9)]
    layout = Layout(going, np.random.default_rng(0).integers(0, 10**9, sum(lengths)))
    x = torch.randn(sum(lengths), 6, generator=torch.Generator().manual_seed(0))
    together = core.run(x, layout)
    begin = np.concatenate([[0], np.cumsum(going)])
    for sequence, length in enumerate(lengths):
        rows = begin[:length] + sequence
        alone = core.run(x[rows], Layout([1] * length, layout.time_us[rows]))
        torch.testing.assert_close(together[rows], alone, rtol=1e-5, atol=1e-6)


def test_steps_out_of_reach_are_not_seen() -> None:
    seen = Nearness(1, 2)(torch.arange(4)[None], torch.arange(4)[None])[0, 0] > -torch.inf
    assert seen.int().tolist() == [[1, 0, 0, 0], [1, 1, 0, 0], [0, 1, 1, 0], [0, 0, 1, 1]]


def test_a_transformer_answers_alike_however_questions_are_asked(basket_log: EventLog, everyone: Histories) -> None:
    """All at once, or one by one; and its states say what its scores are."""
    fitted = Transformer(dim=8, epochs=2, batch=64, max_length=4).fit(basket_log, seed=3)
    together = fitted.score(everyone)
    alone = [fitted.score(everyone.take(slice(q, q + 1)))[0] for q in range(5)]
    np.testing.assert_allclose(together[:5], alone, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(fitted.score_states(fitted.encode(everyone)), together)
