"""Sequence models learn what there is to learn, and nothing where there is nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy import sparse

from driftline.data.dataset import Dataset
from driftline.data.events import EventLog, histories
from driftline.data.split import global_time_fold
from driftline.data.synthetic import baskets, markov, pauses
from driftline.data.targets import Fold
from driftline.data.vocabulary import Vocabulary
from driftline.metrics.ranks import target_ranks
from driftline.models.base import FittedModel
from driftline.models.popularity import Popularity
from driftline.models.sequence import GRU, LSTM, RNN, Evolution, Linear, SequenceSettings, Timescales, Transformer
from driftline.models.sequence.network import Network
from driftline.models.sequence.steps import steps_of_log
from driftline.models.sequence.training import train
from driftline.types import US_PER_DAY

QUICK: dict[str, Any] = {
    "dim": 16,
    "epochs": 8,
    "batch": 256,
    "learning_rate": 0.01,
    "dropout": 0.1,
    "falling": 0,
    # So that nothing but the order of items tells what follows.
    "repeats": "exclude",
}
MODELS: dict[str, SequenceSettings] = {
    "rnn": RNN(**QUICK),
    "lstm": LSTM(**QUICK),
    "gru": GRU(**QUICK),
    "gru that counts": GRU(**{**QUICK, "repeats": "allow"}),
    "evolution of gru": Evolution(**QUICK),
    "evolution of rnn": Evolution(f="rnn", **QUICK),
    "evolution of lstm": Evolution(f="lstm", **QUICK),
    "linear": Linear(**QUICK),
    "timescales": Timescales(**QUICK),
    "transformer": Transformer(**QUICK),
}


def hit_rate(fitted: FittedModel, fold: Fold, k: int = 3) -> float:
    return float((target_ranks(fitted.score, fold.test) < k).mean())


def walks(noise: float, *, order: int = 1) -> Fold:
    """120 users, 30 items: by popularity, 3 of 30 are hit one time in ten."""
    return global_time_fold(markov(120, 30, 25, order=order, noise=noise, seed=0).dataset)


@pytest.fixture(scope="module")
def quiet() -> Fold:
    return walks(0.1)


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_at_low_noise_every_model_finds_what_follows(name: str, quiet: Fold) -> None:
    """The best possible hit rate is .9 at 1; popularity knows nothing."""
    fitted = MODELS[name].fit(quiet.train, seed=0)
    assert hit_rate(Popularity().fit(quiet.train), quiet) < 0.2
    assert hit_rate(fitted, quiet) > 0.8


@pytest.mark.slow
def test_where_all_is_noise_nothing_is_found() -> None:
    noisy = walks(1.0)
    fitted = MODELS["gru"].fit(noisy.inner, validation=noisy.stop, seed=0)
    assert hit_rate(fitted, noisy) < 0.2


def regulars(seed: int = 0) -> EventLog:
    """60 users who take one of their own 4 items of 200 at a time; nobody shares a taste with anybody."""
    rng = np.random.default_rng(seed)
    own = np.stack([rng.choice(200, 4, replace=False) for _ in range(60)])
    items = own[np.repeat(np.arange(60), 20), rng.integers(0, 4, 1200)]
    user_row = np.repeat(np.arange(60), 20).astype(np.int32)
    ids = Vocabulary(f"u{user}" for user in range(60)), Vocabulary(f"i{item}" for item in range(200))
    return EventLog.from_columns(*ids, user_row, items, np.tile(np.arange(20), 60) * US_PER_DAY)


def test_who_comes_back_to_the_same_is_known_by_what_was_had() -> None:
    """With counts the own 4 come first; it is chosen by itself where repeats are the norm."""
    log = regulars()
    model = GRU(**{**QUICK, "dim": 4, "epochs": 12, "repeats": None})
    counting, blind = model.fit(log), replace(model, repeats="exclude").fit(log)
    assert counting.settled() == replace(model, repeats="allow")
    asked = histories(log, np.arange(60, dtype=np.int32), np.full(60, log.last_us + 1))
    own = np.zeros((60, 200), bool)
    own[log.user_row, log.item_row] = True
    found = [np.take_along_axis(own, np.argsort(-fitted.score(asked))[:, :3], 1).mean() for fitted in (counting, blind)]
    assert found[0] > 0.95
    assert found[1] < 0.7


@pytest.mark.slow
def test_shuffled_histories_destroy_the_edge(quiet: Fold) -> None:
    """The same items of each user in another order: what is left is what anybody's bag of items would give."""
    rng = np.random.default_rng(0)
    log = quiet.train
    order = np.lexsort((rng.random(len(log)), log.user_row))
    shuffled = EventLog.from_columns(log.users, log.items, log.user_row, log.item_row[order], log.time_us)
    assert hit_rate(MODELS["gru"].fit(shuffled, seed=0), quiet) < 0.3


@pytest.mark.slow
@pytest.mark.parametrize("name", ["gru", "evolution of gru"])
def test_what_follows_from_the_last_two_needs_a_memory(name: str) -> None:
    """In a walk of order 2 the last item alone tells nothing: the state has to hold the one before it."""
    fold = global_time_fold(markov(150, 6, 30, order=2, noise=0.0, seed=0).dataset)
    settings = type(MODELS[name])(dim=16, epochs=30, batch=512, learning_rate=0.02, dropout=0.0)
    assert hit_rate(settings.fit(fold.train, seed=0), fold, k=1) > 0.5  # by the last item alone: 1 in 6


@pytest.mark.slow
def test_where_the_length_of_a_pause_tells_what_follows_only_a_clock_finds_it() -> None:
    """One of two items follows, by how long the user was away: .9 is the best rate with a clock, about .45 without."""
    fold = global_time_fold(pauses(150, 30, 40, noise=0.1, seed=0).dataset)
    settings = Timescales(**{**QUICK, "epochs": 12})
    models = {"clock": settings, "no clock": replace(settings, clock=False), "gru": MODELS["gru"]}
    rates = {name: hit_rate(model.fit(fold.train, seed=0), fold, k=1) for name, model in models.items()}
    assert rates["clock"] > 0.8
    assert max(rates["no clock"], rates["gru"]) < 0.55


@pytest.mark.slow
def test_hidden_times_destroy_the_edge_of_the_clock() -> None:
    """The same world with all gaps alike, in training and in the questions."""
    fold = global_time_fold(with_equal_gaps(pauses(150, 30, 40, noise=0.1, seed=0).dataset))
    fitted = Timescales(**{**QUICK, "epochs": 12}).fit(fold.train, seed=0)
    assert fitted.settled().clock
    assert hit_rate(fitted, fold, k=1) < 0.55


def with_equal_gaps(dataset: Dataset) -> Dataset:
    """Every event a day after the user's last one."""
    log = dataset.log
    day = np.arange(len(log)) - log.user_offsets[log.user_row]
    return replace(dataset, log=replace(log, time_us=log.time_us.min() + day * US_PER_DAY))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["gru", "evolution of lstm"])
def test_baskets_are_followed_by_baskets_of_the_next_topic(name: str) -> None:
    world = baskets(150, 30, 5, n_visits=10, noise=0.1, seed=0)
    fold = global_time_fold(world.dataset)
    fitted = MODELS[name].fit(fold.train, seed=0)
    best = fitted.score(fold.test.histories).argsort(axis=1)[:, -6:]
    topics = world.truth.item_topic
    wanted = topics[best]
    last = np.array([topics[_last_visit(fold, q)] for q in range(len(best))])
    expected = world.truth.successor[[np.bincount(row, minlength=5).argmax() for row in last]]
    assert (wanted == expected[:, None]).mean() > 0.8


def _last_visit(fold: Fold, query: int) -> np.ndarray:
    histories = fold.test.histories
    log, end = histories.log, histories.end[query]
    return log.item_row[end - 3 : end]


def test_validation_stops_training_and_keeps_the_best(quiet: Fold) -> None:
    """On pure noise more epochs only overfit: far fewer than 30 are run, and the settled model asks for the best."""
    noisy = walks(1.0)
    settings = GRU(dim=8, epochs=30, batch=256, learning_rate=0.02)
    done_of: list[int] = []
    fitted = settings.fit(
        noisy.inner, validation=noisy.stop, seed=0, progress=lambda done, _total, _what: done_of.append(done)
    )
    assert fitted.settled().epochs < 27
    assert fitted.training.stopped == "validation"
    assert done_of == sorted(set(done_of))


@pytest.mark.slow
def test_the_latent_model_is_a_head_start() -> None:
    """After the same two slow epochs, vectors from co-occurrence know more than random ones.

    Slow, because at the default rate both are as good as the noise allows by then.
    """
    dataset: Dataset = markov(150, 60, 30, noise=0.2, seed=2).dataset
    fold = global_time_fold(dataset)
    slow = GRU(dim=32, epochs=2, batch=256, dropout=0.1, learning_rate=0.002)
    rates = [hit_rate(replace(slow, start=start).fit(fold.train, seed=0), fold) for start in ("svd", "random")]
    assert rates[0] > rates[1] + 0.1


def test_items_alike_by_attributes_share_what_is_learned() -> None:
    """Everybody stays within even or odd items; told so, a network parts them further, and folding keeps that."""
    rng, n_items = np.random.default_rng(1), 60
    item = 2 * rng.integers(0, n_items // 2, (40, 5)) + rng.integers(0, 2, (40, 1))
    ids = Vocabulary(f"u{user}" for user in range(40))
    user_row, day = np.repeat(np.arange(40), 5), np.tile(np.arange(5), 40)
    log = EventLog.from_columns(ids, Vocabulary(map(str, range(n_items))), user_row, item.ravel(), day * US_PER_DAY)
    told = _trained(log, sparse.csr_matrix(np.eye(2, dtype=np.float32)[np.arange(n_items) % 2]))
    untold = _trained(log, None)
    assert told.shared is None
    apart = [_distance(network.items.detach().numpy()) for network in (told, untold)]
    assert apart[0] > 1.2 * apart[1]


def _trained(log: EventLog, topics: sparse.csr_matrix | None) -> Network:
    rng = np.random.default_rng(0)
    vectors = (0.1 * rng.normal(size=(log.n_items, 8))).astype(np.float32)
    settings = GRU(dim=8, epochs=6, batch=64, repeats="exclude", learning_rate=0.02)
    network = Network(settings, vectors, np.zeros(log.n_items, np.float32), topics)
    train(network, steps_of_log(log, np.arange(log.n_items)).windows(50), settings, seed=0)
    moments = steps_of_log(log, np.arange(log.n_items))
    before = network.eval().pooled(moments).detach().clone()
    network.fold()
    torch.testing.assert_close(network.pooled(moments).detach(), before)
    return network


def _distance(vectors: NDArray[np.float32]) -> float:
    """How far the means of the two topics are apart, in spreads within a topic."""
    one, other = vectors[::2], vectors[1::2]
    return float(np.linalg.norm(one.mean(0) - other.mean(0)) / np.sqrt(one.var(0).sum() + other.var(0).sum()))
