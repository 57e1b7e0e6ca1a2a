"""A trained sequence model: it encodes histories, moves a state by each behaviour, scores, and looks steps ahead."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from driftline.data.events import EventLog, Histories
from driftline.data.targets import Targets
from driftline.errors import NotEnoughDataError, RunError, SaveError
from driftline.metrics.ranks import target_ranks
from driftline.models.sequence.network import Network
from driftline.models.sequence.settings import GRU, LSTM, RNN, Evolution, SequenceSettings
from driftline.models.sequence.start import item_vectors
from driftline.models.sequence.steps import Steps, steps_of_histories, training_steps
from driftline.models.sequence.training import train
from driftline.models.storage import read_header, write_header
from driftline.types import Progress, Rows, Scores

JUDGED = 2_000
"""Validation queries that decide when to stop."""

REHEARSED = 2_000
"""Old sequences that are kept, so that an update does not forget."""

NEVER = np.float32(-1e9)
"""The score of an item without events: below whatever the network says of any other."""

ENCODED_AT_ONCE = 1_024

WEIGHTS = "weights.safetensors"


@dataclass(frozen=True, eq=False)
class Ahead:
    """The next steps of some users: states [n_steps, n_queries, width], behaviours [.., dim], scores [.., n_items]."""

    states: NDArray[np.float32]
    behaviours: NDArray[np.float32]
    scores: Scores


@dataclass(frozen=True, eq=False)
class FittedSequence:
    """Trained weights; `seen` says which items had events, `epochs` how many were best, `rehearsal` keeps old steps."""

    name: ClassVar[str]
    settings: SequenceSettings
    network: Network
    seen: NDArray[np.bool_]
    epochs: int
    rehearsal: Steps

    def encode(self, histories: Histories) -> NDArray[np.float32]:
        """The state after the last behaviour of each history, zeros without one; [n_queries, width]."""
        width = self.network.cell.width + 2 * self.network.dim
        states = np.zeros((len(histories), width), np.float32)
        known = self._known(steps_of_histories(histories, self.settings.max_length))
        order = np.argsort(-known.lengths, kind="stable")
        order = order[known.lengths[order] > 0]
        for first in range(0, len(order), ENCODED_AT_ONCE):
            which = order[first : first + ENCODED_AT_ONCE]
            states[which] = self._last_states(known.take(which))
        return states

    def step(self, states: NDArray[np.float32], behaviours: list[Rows]) -> NDArray[np.float32]:
        """The next states after one more behaviour each: a set of item rows per state. Shape as `states`."""
        sizes = np.array([len(rows) for rows in behaviours], np.int64)
        steps = Steps(
            np.concatenate(behaviours).astype(np.int64),
            np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
            np.arange(len(behaviours) + 1, dtype=np.int64),
        )
        with torch.inference_mode():
            return self.network.step(self.network.pooled(steps), torch.from_numpy(states)).numpy()

    def score_states(self, states: NDArray[np.float32], items: Rows | None = None) -> Scores:
        """Scores from states; [n, n_items] or [n, len(items)]. Items without events come last."""
        with torch.inference_mode():
            scores = self.network.scores(torch.from_numpy(states)).numpy()
        scores[:, ~self.seen] = NEVER
        return scores if items is None else scores[:, items]

    def score(self, histories: Histories, items: Rows | None = None) -> Scores:
        """Scores after each history; [n_queries, n_items of the log] or [n_queries, len(items)]."""
        scores = self.score_states(self.encode(histories))
        missing = histories.log.n_items - scores.shape[1]
        if missing > 0:
            scores = np.pad(scores, ((0, 0), (0, missing)), constant_values=NEVER)
        return scores if items is None else scores[:, items]

    def forecast_steps(self, histories: Histories, n_steps: int) -> Ahead:
        """States, expected behaviours and scores of the next `n_steps` behaviours.

        The first is what follows the history; then the expected behaviour, Σ_j softmax(scores)_j · E_j, is fed back as
        if it had happened.
        """
        state = torch.from_numpy(self.encode(histories))
        states, behaviours, scores = [], [], []
        with torch.inference_mode():
            for _ in range(n_steps):
                said = self.network.scores(state)
                said[:, torch.from_numpy(~self.seen)] = float(NEVER)
                expected = torch.softmax(said, 1) @ self.network.items
                states.append(state.numpy().copy())
                behaviours.append(self.network.readout(state).numpy().copy())
                scores.append(said.numpy().copy())
                state = self.network.step(expected, state)
        return Ahead(np.stack(states), np.stack(behaviours), np.stack(scores))

    def settled(self) -> SequenceSettings:
        """The settings with the number of epochs that was best."""
        return replace(self.settings, epochs=self.epochs)

    def update(self, events: EventLog) -> Self:
        """Warm start on new events with old sequences rehearsed; new items start at the mean of what they came with."""
        log = events.positive
        network = _grown(self.network, self.settings, log)
        seen = np.pad(self.seen, (0, log.n_items - len(self.seen))) | (log.item_counts() > 0)
        steps = _joined(training_steps(log, self.settings.max_length), self.rehearsal)
        if len(steps):
            with _seeded(0):
                train(network, steps, replace(self.settings, epochs=1), seed=0)
        return replace(self, network=network.eval(), seen=seen, rehearsal=_sample(steps, 0))

    def save(self, folder: Path) -> None:
        """Write `weights.safetensors` and `model.json`."""
        tensors = dict(self.network.state_dict())
        tensors |= {
            "seen": torch.from_numpy(self.seen.copy()),
            "rehearsal.item": torch.from_numpy(self.rehearsal.item),
            "rehearsal.step": torch.from_numpy(self.rehearsal.step),
            "rehearsal.sequence": torch.from_numpy(self.rehearsal.sequence),
        }
        settings = {"settings": asdict(self.settings), "epochs": self.epochs}
        try:
            save_file({key: value.contiguous() for key, value in tensors.items()}, folder / WEIGHTS)
            write_header(folder, self.name, settings, [folder / WEIGHTS])
        except (OSError, SafetensorError) as error:
            raise SaveError(f"could not write model {self.name}: {error}; free some space and save again") from error

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote; RunError where it is damaged."""
        header = read_header(folder, cls.name)
        try:
            tensors = load_file(folder / WEIGHTS)
            settings = _SETTINGS[cls.name](**header["settings"])
            seen = tensors.pop("seen").numpy()
            rehearsal = Steps(*(tensors.pop(f"rehearsal.{part}").numpy() for part in ("item", "step", "sequence")))
            network = Network(settings, tensors["items"].numpy(), tensors["bias"].numpy())
            network.load_state_dict(tensors)
            return cls(settings, network.eval(), seen, int(header["epochs"]), rehearsal)
        except (OSError, SafetensorError, KeyError, TypeError, RuntimeError) as error:
            raise RunError(f"expected a whole {WEIGHTS} of model {cls.name}, got {error!r}; fit again") from error

    def _known(self, steps: Steps) -> Steps:
        """The steps without items that came after the fit; a moment of such items alone is left out."""
        known = steps.item < len(self.seen)
        if known.all():
            return steps
        sizes = np.add.reduceat(np.append(known, False), steps.step[:-1]) * (np.diff(steps.step) > 0)
        kept = sizes > 0
        sequence = np.concatenate([[0], np.cumsum(kept)])[steps.sequence].astype(np.int64)
        return Steps(steps.item[known], np.concatenate([[0], np.cumsum(sizes[kept])]).astype(np.int64), sequence)

    def _last_states(self, steps: Steps) -> NDArray[np.float32]:
        """The last state of sequences sorted by falling length, none of them empty."""
        lengths = steps.lengths
        with torch.inference_mode():
            x, state = self.network.pooled(steps), self.network.start(len(steps))
            for t in range(int(lengths[0])):
                going = int((lengths > t).sum())
                place = torch.from_numpy(steps.sequence[:going] + t)
                state = torch.cat([self.network.step(x[place], state[:going]), state[going:]])
        return state.numpy()


class FittedRNN(FittedSequence):
    """A trained `rnn`."""

    name: ClassVar[str] = "rnn"


class FittedLSTM(FittedSequence):
    """A trained `lstm`."""

    name: ClassVar[str] = "lstm"


class FittedGRU(FittedSequence):
    """A trained `gru`."""

    name: ClassVar[str] = "gru"


class FittedEvolution(FittedSequence):
    """A trained `evolution`."""

    name: ClassVar[str] = "evolution"


_SETTINGS: dict[str, type[SequenceSettings]] = {"rnn": RNN, "lstm": LSTM, "gru": GRU, "evolution": Evolution}
_FITTED: dict[str, type[FittedSequence]] = {
    "rnn": FittedRNN,
    "lstm": FittedLSTM,
    "gru": FittedGRU,
    "evolution": FittedEvolution,
}


def fit_sequence(
    settings: SequenceSettings, log: EventLog, validation: Targets | None, seed: int, progress: Progress | None
) -> FittedSequence:
    """Train a sequence model on a log of positive events."""
    if not len(log):
        raise NotEnoughDataError(f"expected at least one event to train {settings.name} on, got none")
    steps, seen = training_steps(log, settings.max_length), log.item_counts() > 0
    made = _FITTED[settings.name]
    rehearsal = _sample(steps, seed)
    with _seeded(seed):
        network = Network(settings, item_vectors(log, settings.dim, seed), _starting_bias(log)).eval()
        judge = None
        if validation is not None and len(validation):
            sample = _judged(validation, seed)

            def judge(network: Network) -> float:
                return _ndcg(made(settings, network, seen, 1, rehearsal), sample)

        epochs = settings.epochs
        if len(steps):
            epochs = train(network, steps, settings, seed=seed, judge=judge, progress=progress)
    return made(settings, network.eval(), seen, epochs, rehearsal)


def _ndcg(fitted: FittedSequence, sample: Targets) -> float:
    ranks = target_ranks(fitted.score, sample)
    return float(np.where(ranks < 10, 1 / np.log2(np.minimum(ranks, 10) + 2), 0.0).mean())


def _judged(validation: Targets, seed: int) -> Targets:
    n = len(validation.histories)
    if n <= JUDGED:
        return validation
    return validation.take_queries(np.sort(np.random.default_rng(seed).choice(n, JUDGED, replace=False)))


def _starting_bias(log: EventLog) -> NDArray[np.float32]:
    """The log of how often each item occurs, centred."""
    counts = np.log1p(log.item_counts()).astype(np.float32)
    alive = counts[counts > 0]
    return counts - (alive.mean() if len(alive) else np.float32(0))


def _sample(steps: Steps, seed: int) -> Steps:
    n = len(steps)
    which = np.arange(n) if n <= REHEARSED else np.random.default_rng(seed).choice(n, REHEARSED, replace=False)
    return steps.take(np.sort(which).astype(np.int64))


def _joined(first: Steps, second: Steps) -> Steps:
    return Steps(
        np.concatenate([first.item, second.item]),
        np.concatenate([first.step, second.step[1:] + first.step[-1]]),
        np.concatenate([first.sequence, second.sequence[1:] + first.sequence[-1]]),
    )


def _grown(network: Network, settings: SequenceSettings, log: EventLog) -> Network:
    """A copy with a row for every item of the log; a new one starts at the mean of the items in its users' events."""
    old, bias = network.items.detach().numpy(), network.bias.detach().numpy()
    n = log.n_items - len(old)
    vectors = np.concatenate([old, np.zeros((n, old.shape[1]), np.float32)])
    known = log.item_row < len(old)
    mean = np.zeros((log.n_users, old.shape[1]), np.float32)
    np.add.at(mean, log.user_row[known], old[log.item_row[known]])
    mean /= np.maximum(np.bincount(log.user_row[known], minlength=log.n_users), 1)[:, None]
    fresh = ~known
    np.add.at(vectors, log.item_row[fresh], mean[log.user_row[fresh]])
    times = np.bincount(log.item_row[fresh], minlength=log.n_items)[len(old) :]
    vectors[len(old) :] /= np.maximum(times, 1)[:, None]
    lowest = np.full(n, bias.min(initial=0.0), np.float32)
    grown = Network(settings, vectors, np.concatenate([bias, lowest]))
    state: dict[str, Any] = dict(network.state_dict())
    state |= {"items": grown.items.detach(), "bias": grown.bias.detach()}
    grown.load_state_dict(state)
    return grown


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Set the global generator of torch by a seed inside, and leave it as it was outside."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield
