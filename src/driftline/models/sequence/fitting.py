"""From a log to a fitted sequence model: who enters, where vectors start, what stops training."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from driftline.data.catalog import Catalog
from driftline.data.dataset import Repeats, detect_repeats
from driftline.data.events import EventLog
from driftline.data.targets import Targets
from driftline.data.words import unit_rows
from driftline.errors import NotEnoughDataError
from driftline.models.choosing import can_choose, gain
from driftline.models.content import shared_blocks
from driftline.models.pairs import Visits
from driftline.models.prior import weighted_counts
from driftline.models.reading import positive_events
from driftline.models.sequence.batches import n_asked
from driftline.models.sequence.fitted import FittedNetwork, fitted_class
from driftline.models.sequence.network import Network
from driftline.models.sequence.sampling import negatives_of
from driftline.models.sequence.settings import NARROW, SequenceSettings
from driftline.models.sequence.start import Vectors, latent_vectors, random_vectors
from driftline.models.sequence.steps import places, steps_of_log
from driftline.models.sequence.training import Judge, Training, own_randomness, train
from driftline.models.sequence.updating import TAIL
from driftline.types import Progress

MOST_FACTORED = 500_000
"""With more items than this vectors start at random numbers: a latent model of two million is minutes and 10 GB."""

VALIDATION_QUERIES = 3_000
"""How many questions stop training at most: a second of scoring after each epoch."""


def fit_sequence(
    settings: SequenceSettings,
    log: EventLog,
    *,
    catalog: Catalog | None = None,
    validation: Targets | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> FittedNetwork:
    """Train on the positive events; NotEnoughDataError where nobody has two moments.

    Items without an event are not part of the network: they are never asked for, and score below all others.
    """
    events = positive_events(log, settings.name)
    known = np.flatnonzero(events.item_counts()).astype(np.int32)
    windows = steps_of_log(events, places(known, events.n_items)).windows(settings.max_length)
    settings = replace(settings, repeats=settings.repeats or _repeats(events, validation))
    settings = settings.for_steps(n_asked(windows)).for_span(events.last_us - events.first_us)
    attributes = _attributes(catalog, known) if settings.attributes is not False else None
    fitted = _untrained(settings, events, known, attributes, seed)
    if not len(windows):
        raise NotEnoughDataError(
            f"expected a user with events at two moments to fit {settings.name} on, got none; see driftline check"
        )
    judge = _judge(fitted, validation, seed) if validation is not None and can_choose(validation) else None
    negatives = negatives_of(weighted_counts(events)[known], settings.negatives)
    training = train(fitted.network, windows, settings, seed=seed, negatives=negatives, judge=judge, progress=progress)
    fitted.network.fold()
    return replace(fitted, training=training)


def log_shares(counts: NDArray[np.float64]) -> NDArray[np.float32]:
    """The logarithm of each item's share of the events: the scores of somebody of whom nothing is known."""
    return np.asarray(np.log(counts / counts.sum()), np.float32)


def _attributes(catalog: Catalog | None, known: NDArray[np.int32]) -> sparse.csr_matrix | None:
    """Unit rows of what known items have in common with others, topics and categories; None where nothing is known."""
    blocks = shared_blocks(catalog) if catalog is not None else []
    if not blocks:
        return None
    own = sparse.csr_matrix(sparse.hstack(blocks), dtype=np.float32)[known]
    several = np.flatnonzero(np.bincount(own.indices, minlength=own.shape[1]) > 1)
    return unit_rows(own[:, several]) if len(several) else None


def _untrained(
    settings: SequenceSettings,
    events: EventLog,
    known: NDArray[np.int32],
    attributes: sparse.csr_matrix | None,
    seed: int,
) -> FittedNetwork:
    rng = np.random.default_rng(seed)
    vectors = _starting_vectors(settings, events, known, rng)
    with own_randomness(seed):
        network = Network(settings, vectors, log_shares(weighted_counts(events)[known]), attributes)
    tail = Visits.of(events).tail(TAIL)
    return fitted_class(settings.name)(settings, network.eval(), known, events.n_items, tail, Training(0, "epochs"))


def _starting_vectors(
    settings: SequenceSettings, events: EventLog, known: NDArray[np.int32], rng: np.random.Generator
) -> Vectors:
    dim = settings.dim or NARROW
    if settings.start == "random" or len(known) > MOST_FACTORED:
        return random_vectors(len(known), dim, rng)
    return latent_vectors(Visits.of(events), events.n_items, dim, rng)[known]


def _repeats(events: EventLog, validation: Targets | None) -> Repeats:
    """Whether what was had counts: as validation asks, or as is the norm in the log."""
    return detect_repeats(events) if validation is None else validation.repeats


def _judge(fitted: FittedNetwork, validation: Targets, seed: int) -> Judge:
    """NDCG@10 on a seeded sample of the questions; the network judged is the one that is in training."""
    n = len(validation.histories)
    some = np.random.default_rng(seed).choice(n, min(n, VALIDATION_QUERIES), replace=False)
    asked = validation.take_queries(np.sort(some))
    return lambda network: gain(replace(fitted, network=network), asked)
