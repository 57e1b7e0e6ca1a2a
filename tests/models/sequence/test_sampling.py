"""A sample of items stands for all of them: the correction is worked by hand, and the loss is right in the mean."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from driftline.data.events import EventLog, Histories
from driftline.models.sequence import GRU, sampling
from driftline.models.sequence.batches import Batch, batch_of, batches
from driftline.models.sequence.network import Network
from driftline.models.sequence.sampling import MOST_ITEMS, NEVER, SAMPLE, Negatives, negatives_of
from driftline.models.sequence.steps import Steps
from driftline.models.sequence.training import loss_of, own_randomness


def walks(n_items: int, rng: np.random.Generator) -> Steps:
    """Thirty sequences of six single items."""
    item = rng.integers(0, n_items, 180)
    return Steps(item, np.arange(181), np.arange(0, 181, 6), np.arange(180))


def network_of(n_items: int, repeats: str = "exclude") -> Network:
    rng = np.random.default_rng(5)
    vectors, bias = rng.normal(0, 0.5, (n_items, 4)), rng.normal(size=n_items)
    with own_randomness(0):
        settings = GRU(dim=4, repeats=repeats)  # type: ignore[arg-type]
        return Network(settings, vectors.astype(np.float32), bias.astype(np.float32)).eval()


def test_corrections_by_hand() -> None:
    """Four draws from (1/2, 1/4, 1/4): item 0 three times, item 2 once; expected were 2, 1 and 1."""
    drawer = Negatives(np.array([0.5, 0.25, 0.25]), 4)
    found = drawer.corrections(np.array([0, 1, 2]), np.array([0, 2]), np.array([3, 1]))
    np.testing.assert_allclose(found, [math.log(3 / 2), NEVER, 0.0], rtol=1e-6)


def test_the_loss_is_the_formula_of_gru4rec_with_log_q() -> None:
    """Official GRU4Rec, cross-entropy with logq: softmax over the asked item and the sample, each score less log(n q).

    Scores of one state are 2 for the item that came, 1 and 0 for two that were drawn once and twice, n q being 1/2 and
    4: -log(e^2 / (e^2 + e^1 / (1/2) + 2 e^0 / 4)).
    """
    with own_randomness(0):
        vectors, bias = np.zeros((4, 2), np.float32), np.array([2.0, 1.0, 0.0, 9.0], np.float32)
        network = Network(GRU(dim=2, repeats="exclude"), vectors, bias).eval()
    steps = Steps(np.array([1, 0]), np.arange(3), np.array([0, 2]), np.arange(2))
    whole = batch_of(steps)
    correction = np.array([NEVER, math.log(1 / 0.5), math.log(2 / 4)], np.float32)
    batch = Batch(
        whole.steps, whole.layout, whole.target_state, whole.target_item, whole.mass,
        rows=np.array([0, 1, 2]), correction=correction,
    )  # fmt: skip
    expected = -math.log(math.exp(2) / (math.exp(2) + math.exp(1) / 0.5 + 2 * math.exp(0) / 4))
    assert loss_of(network, batch).item() == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("repeats", ["allow", "exclude"])
def test_a_large_sample_gives_the_loss_of_all_items(repeats: str) -> None:
    """With 200,000 draws from 20 items the estimate of the sum is within a percent."""
    rng = np.random.default_rng(0)
    network, windows = network_of(20, repeats), walks(20, rng)
    drawer = Negatives(np.arange(1, 21) / 210, 200_000)
    whole = next(batches(windows, 10_000, np.random.default_rng(1), counted=network.counted))
    sampled = next(batches(windows, 10_000, np.random.default_rng(1), counted=network.counted, negatives=drawer))
    assert sampled.rows is not None
    assert loss_of(network, sampled, precision="float32").item() == pytest.approx(
        loss_of(network, whole, precision="float32").item(), abs=0.01
    )


def test_only_rows_in_the_batch_get_a_gradient() -> None:
    network, windows = network_of(1_000), walks(50, np.random.default_rng(0))
    batch = next(batches(windows, 20, np.random.default_rng(0), negatives=Negatives(np.full(1_000, 1e-3), 30)))
    loss_of(network, batch).backward()
    gradient = network.items.grad
    assert gradient is not None
    assert gradient.is_sparse
    assert batch.rows is not None
    assert set(gradient.coalesce().indices()[0].tolist()) == set(batch.rows.tolist())


def test_a_sample_is_taken_above_so_many_items_or_where_it_is_asked_for() -> None:
    assert negatives_of(np.ones(MOST_ITEMS), None) is None
    assert negatives_of(np.ones(MOST_ITEMS), 0) is None
    large = negatives_of(np.ones(MOST_ITEMS + 1), None)
    assert large is not None
    assert large.size == SAMPLE
    assert negatives_of(np.ones(100), 100) is None
    few = negatives_of(np.ones(100), 10)
    assert few is not None
    assert few.draw(np.random.default_rng(0))[1].sum() == 10


def test_a_sampled_training_learns_what_a_whole_one_learns(basket_log: EventLog, everyone: Histories) -> None:
    """Nearly the same scores, and it says how many items it was asked of."""
    settings = GRU(dim=8, epochs=15, batch=64, learning_rate=0.02, repeats="exclude")
    whole = settings.fit(basket_log, seed=1).score(everyone)
    said: set[str] = set()
    sampled = replace(settings, negatives=8).fit(basket_log, seed=1, progress=lambda _d, _t, what: said.add(what))
    assert np.corrcoef(whole.ravel(), sampled.score(everyone).ravel())[0, 1] > 0.8
    assert sampled.training.sampled == 8  # type: ignore[attr-defined]
    assert said == {"train gru (steps, 8 of 24 items a batch)"}


def test_above_so_many_items_a_sample_is_taken_and_said(basket_log: EventLog, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the facts of the training, and in what progress is called; nothing is set."""
    monkeypatch.setattr(sampling, "MOST_ITEMS", 20)
    monkeypatch.setattr(sampling, "SAMPLE", 6)
    said: set[str] = set()
    fitted = GRU(dim=4, epochs=1).fit(basket_log, progress=lambda _done, _total, what: said.add(what))
    assert fitted.training.sampled == 6  # type: ignore[attr-defined]
    assert said == {"train gru (steps, 6 of 24 items a batch)"}
