"""Learning new events from where a network stands: new items enter, old events are rehearsed."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from driftline.data.events import EventLog
from driftline.models.pairs import Visits
from driftline.models.sequence.batches import batch_size, n_asked
from driftline.models.sequence.network import Network
from driftline.models.sequence.sampling import negatives_of
from driftline.models.sequence.settings import SequenceSettings
from driftline.models.sequence.start import Vectors, random_vectors
from driftline.models.sequence.steps import Ints, Steps, places, steps_of
from driftline.models.sequence.training import own_randomness, train
from driftline.types import Rows

TAIL = 10
"""How many of the last moments of each user a fitted model keeps, to learn new events after them."""

EPOCHS = 3
"""Passes over the new events and the rehearsed ones."""

MOVES = 20
"""How many times the weights move in one pass at least: a few events would else be one batch and teach nothing."""

REHEARSED = 1.0
"""How many users without new events are rehearsed for each one that has some."""

SEED = 0


@dataclass(frozen=True, eq=False)
class Learned:
    """What a sequence model knows: the network, whose row r is item `known[r]`, and the last moments of each user."""

    network: Network
    known: Rows
    tail: Visits


def updated(learned: Learned, events: EventLog, settings: SequenceSettings) -> Learned:
    """What is known after new events: some epochs over the users that have them and over as many others.

    Each user is read from the last moments that were kept. What is given stays as it is.
    """
    new = Visits.of(events.positive)
    rng = np.random.default_rng(SEED)
    tail = learned.tail.and_then(new)
    grown = _with_new_items(learned, tail, new, settings, rng)
    read = _rehearsed(tail, np.unique(new.user_row), rng)
    windows = _steps(read, places(grown.known, events.n_items)).windows(settings.max_length)
    if len(windows):
        batch = min(settings.batch or batch_size(windows), max(1, n_asked(windows) // MOVES))
        own = replace(settings, epochs=EPOCHS, batch=batch, falling=0, warmup=0, log_dir=None, checkpoints=None)
        counts = np.bincount(windows.item, minlength=len(grown.known)).astype(np.float64)
        negatives = negatives_of(counts, settings.negatives)
        train(grown.network, windows, own, seed=SEED, negatives=negatives)
    return replace(grown, tail=tail.tail(TAIL))


def _rehearsed(tail: Visits, users: Rows, rng: np.random.Generator) -> Visits:
    """The moments of users with new events, and of others drawn at random."""
    others = np.setdiff1d(tail.user_row, users)
    n = min(len(others), round(REHEARSED * len(users)))
    return tail.of_users(np.concatenate([users, rng.choice(others, n, replace=False)]))


def _with_new_items(
    learned: Learned, tail: Visits, new: Visits, settings: SequenceSettings, rng: np.random.Generator
) -> Learned:
    """A network of its own to be trained further, with a row for each new item."""
    old = learned.network
    fresh = np.setdiff1d(new.item_row, learned.known).astype(np.int32)
    if not len(fresh):
        return replace(learned, network=deepcopy(old))
    known = np.concatenate([learned.known, fresh])
    n_items = int(max(known.max(), tail.item_row.max())) + 1
    vectors, bias = old.items.detach().numpy(), old.bias.detach().numpy()
    beside = _beside(_steps(tail, places(known, n_items)), vectors, len(fresh), rng)
    counts = np.zeros(n_items)
    np.add.at(counts, new.item_row, new.weight)
    added = _bias_of_new(bias, counts[learned.known], counts[fresh])
    with own_randomness(SEED):
        network = Network(settings, np.concatenate([vectors, beside]), np.concatenate([bias, added]))
    own = network.state_dict()
    network.load_state_dict({**old.state_dict(), "items": own["items"], "bias": own["bias"]})
    return replace(learned, network=network.eval(), known=known)


def _beside(steps: Steps, vectors: Vectors, n_new: int, rng: np.random.Generator) -> Vectors:
    """Where new items begin: the mean vector of the old items that the same users had; near zero without any."""
    sequence = np.repeat(np.repeat(np.arange(len(steps)), steps.lengths), steps.sizes)
    old, n_old = steps.item < len(vectors), len(vectors)
    sums = np.zeros((len(steps), vectors.shape[1]))
    np.add.at(sums, sequence[old], vectors[steps.item[old]])
    counts = np.bincount(sequence[old], minlength=len(steps))
    total, count = np.zeros((n_new, vectors.shape[1])), np.zeros(n_new)
    np.add.at(total, steps.item[~old] - n_old, sums[sequence[~old]])
    np.add.at(count, steps.item[~old] - n_old, counts[sequence[~old]])
    noise = 0.1 * random_vectors(n_new, vectors.shape[1], rng)
    return (noise + total / np.maximum(count, 1)[:, None]).astype(np.float32)


def _bias_of_new(
    bias: NDArray[np.float32], old_counts: NDArray[np.floating], new_counts: NDArray[np.floating]
) -> NDArray[np.float32]:
    """What old items with as many new events have; the lowest where no old item has any."""
    there = old_counts > 0
    if not there.any():
        return np.full(len(new_counts), bias.min(), np.float32)
    level = np.average(bias[there] - np.log(old_counts[there]), weights=old_counts[there])
    return np.asarray(level + np.log(new_counts), np.float32)


def _steps(visits: Visits, place: Ints) -> Steps:
    """One sequence per user that is there."""
    sequence = np.unique(visits.user_row, return_inverse=True)[1].astype(np.int64)
    n = int(sequence[-1]) + 1 if len(sequence) else 0
    return steps_of(sequence, visits.moment, visits.time_us, place[visits.item_row], n)
