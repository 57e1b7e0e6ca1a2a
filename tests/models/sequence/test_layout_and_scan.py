"""Steps of a batch by time: who came before whom, who attends to whom, and what a scan through them gives."""

from __future__ import annotations

import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from driftline.models.sequence import kernels
from driftline.models.sequence.cells import EvolutionCell, SteppedCell
from driftline.models.sequence.layout import LIKE, Layout
from driftline.models.sequence.scan import by_steps, scan

LENGTHS = st.lists(st.integers(1, 12), min_size=1, max_size=20).map(lambda lengths: sorted(lengths, reverse=True))


def layout_of(lengths: list[int]) -> Layout:
    going = [sum(length > time for length in lengths) for time in range(lengths[0])]
    return Layout(going, np.arange(sum(lengths)))


def rows_of(lengths: list[int]) -> list[list[int]]:
    """The rows of each sequence, found by walking through time."""
    rows: list[list[int]] = [[] for _ in lengths]
    row = 0
    for time in range(lengths[0]):
        for sequence, length in enumerate(lengths):
            if length > time:
                rows[sequence].append(row)
                row += 1
    return rows


@given(LENGTHS)
def test_the_step_before_is_that_of_the_same_sequence(lengths: list[int]) -> None:
    layout = layout_of(lengths)
    assert layout.lengths.tolist() == lengths
    expected = np.full(len(layout), -1)
    for rows in rows_of(lengths):
        for one, following in pairwise(rows):
            expected[following] = one
    np.testing.assert_array_equal(layout.before, expected)


@given(LENGTHS, st.integers(1, 300))
def test_groups_hold_every_sequence_once_and_are_small(lengths: list[int], most_pairs: int) -> None:
    groups = layout_of(lengths).groups(most_pairs)
    found = [list(dict.fromkeys(rows)) for group in groups for rows in group.tolist()]
    assert found == rows_of(lengths)
    for group in groups:
        assert len(group) == 1 or len(group) * group.shape[1] ** 2 <= most_pairs
        assert min(len(set(rows)) for rows in group.tolist()) >= LIKE * group.shape[1]


@pytest.mark.parametrize("lengths", [[1], [5], [7, 7, 3, 1, 1], list(range(40, 0, -1))])
def test_the_compiled_scan_is_the_loop_with_its_gradients(lengths: list[int]) -> None:
    draw, layout = torch.Generator().manual_seed(1), layout_of(lengths)
    kept, entered, pull = (torch.randn(len(layout), 5, generator=draw) for _ in range(3))
    found = []
    for run in (scan, by_steps):
        leaves = [torch.sigmoid(kept).requires_grad_(), entered.clone().requires_grad_()]
        states = run(*leaves, layout)
        found.append([states.detach(), *torch.autograd.grad((states * pull).sum(), leaves, materialize_grads=True)])
    for compiled, slow in zip(*found, strict=True):
        torch.testing.assert_close(compiled, slow, rtol=1e-5, atol=1e-6)


def test_where_nothing_can_be_written_each_process_compiles_for_itself(tmp_path: Path) -> None:
    """As in a container whose root is read-only: the package's folder and the user's refuse to be written to."""
    package = tmp_path / "kernels.py"
    package.write_bytes(Path(kernels.__file__).read_bytes())
    code = (
        "import numba.core.caching as c; c.CacheImpl._locator_classes = []; import numpy as np, kernels as k;"
        "r = np.array([1, 3], np.float32); k._scale(r, np.float32(2), r.copy()); print(r.tolist())"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True, capture_output=True, text=True)
    assert done.stdout == "[2.0, 6.0]\n"


@given(LENGTHS)
def test_evolution_of_all_steps_at_once_is_step_after_step_with_gradients(lengths: list[int]) -> None:
    layout, generator = layout_of(lengths), torch.Generator().manual_seed(len(lengths))
    cell = EvolutionCell("gru", 8).train()
    x = torch.randn(len(layout), 8, generator=generator, requires_grad=True)
    asked = torch.randn(len(layout), cell.width, generator=generator)
    found = []
    for run in (cell.run, lambda x, layout: SteppedCell.run(cell, x, layout)):
        cores = run(x, layout)
        found.append([cores, *torch.autograd.grad((cores * asked).sum(), [x, *cell.parameters()])])
    for fast, slow in zip(*found, strict=True):
        torch.testing.assert_close(fast, slow, rtol=1e-4, atol=1e-5)
