"""Settings of the sequence models; importing them loads no torch.

The defaults are those that did best on validation slices; `docs/explanation/decisions.md` has the reasons.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from importlib import import_module
from typing import ClassVar, Literal, get_args

from driftline.data.catalog import Catalog
from driftline.data.dataset import Repeats
from driftline.data.events import EventLog
from driftline.data.targets import Targets
from driftline.errors import SettingsError
from driftline.models.sequence.base import SequenceFit
from driftline.models.settings import check_range
from driftline.types import Progress

Cell = Literal["rnn", "lstm", "gru"]
Start = Literal["svd", "random"]


@dataclass(frozen=True)
class SequenceSettings(ABC):
    """What every sequence model can be told.

    `dim` is the width of item vectors and of the state. `epochs` is the most; a validation slice stops earlier.
    `batch` counts steps (moments that something follows), not users. `dropout` is of what the read-out reads. Training
    cuts long histories into windows of `max_length` moments. `start` says where item vectors begin: at the latent
    model (`svd`) or at random numbers. Where `repeats` are allowed, having had an item counts for it; None takes what
    validation asks, or what is the norm in the log. `minutes` ends training after so long; `log_dir` is a folder for
    TensorBoard.
    """

    name: ClassVar[str]
    dim: int = 64
    epochs: int = 20
    learning_rate: float = 0.005
    batch: int = 512
    dropout: float = 0.4
    max_length: int = 50
    start: Start = "svd"
    repeats: Repeats | None = None
    minutes: float | None = None
    log_dir: str | None = None

    def __post_init__(self) -> None:
        for key in ("dim", "epochs", "batch", "max_length"):
            check_range(key, getattr(self, key), 1)
        check_range("learning_rate", self.learning_rate, 1e-8, 1)
        check_range("dropout", self.dropout, 0, 0.99)
        check_range("minutes", self.minutes, 0)
        _check_choice("start", self.start, get_args(Start))
        if self.repeats is not None:
            _check_choice("repeats", self.repeats, get_args(Repeats))

    @property
    @abstractmethod
    def cell(self) -> Cell:
        """The recurrence."""

    @property
    def evolves(self) -> bool:
        """Whether a step is the evolution equations rather than the plain recurrence."""
        return False

    def fit(
        self,
        log: EventLog,
        *,
        catalog: Catalog | None = None,  # noqa: ARG002  # verbs of a model are called alike
        validation: Targets | None = None,
        seed: int = 0,
        progress: Progress | None = None,
    ) -> SequenceFit:
        """Train on the positive events of a log; NotEnoughDataError where nobody has two moments."""
        # By name, since what fits imports these settings, and torch with it.
        fitting = import_module("driftline.models.sequence.fitting")
        fitted: SequenceFit = fitting.fit_sequence(self, log, validation=validation, seed=seed, progress=progress)
        return fitted


@dataclass(frozen=True)
class RNN(SequenceSettings):
    """The plain recurrence `H' = tanh(W x + U H + b)`. Source: Elman 1990."""

    name: ClassVar[str] = "rnn"

    @property
    def cell(self) -> Cell:
        """The recurrence."""
        return "rnn"


@dataclass(frozen=True)
class LSTM(SequenceSettings):
    """Long short-term memory. Source: Hochreiter and Schmidhuber 1997."""

    name: ClassVar[str] = "lstm"

    @property
    def cell(self) -> Cell:
        """The recurrence."""
        return "lstm"


@dataclass(frozen=True)
class GRU(SequenceSettings):
    """Gated recurrent units with a softmax over everything. Source: Cho et al. 2014; Hidasi et al. 2016, GRU4Rec."""

    name: ClassVar[str] = "gru"

    @property
    def cell(self) -> Cell:
        """The recurrence."""
        return "gru"


@dataclass(frozen=True)
class Evolution(SequenceSettings):
    """Interest evolution: long-term and short-term vectors, and a state that moves by both.

        h = W_h · σ(H ⊕ x) + b_h        i = W_i · σ(H ⊕ x) + b_i        H' = f(h, i, H)

    `f` is `gru`, `rnn`, or `lstm`: the form with a memory gate and an output gate. `docs/explanation/evolution.md` has
    every equation and a shopper worked through.
    """

    name: ClassVar[str] = "evolution"
    f: Cell = "gru"

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_choice("f", self.f, get_args(Cell))

    @property
    def cell(self) -> Cell:
        """The form of f."""
        return self.f

    @property
    def evolves(self) -> bool:
        """Always."""
        return True


def _check_choice(name: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise SettingsError(f"expected {name} among {', '.join(known)}, got {value!r}; choose one of them")
