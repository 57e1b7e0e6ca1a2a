"""Settings of the sequence models; importing them loads no torch.

Defaults were chosen on validation (see docs/explanation/decisions.md): vectors that start from the latent model make
width 64 and few epochs enough, where the usual start is width 128, batch 32, 10 epochs, rate 0.001.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from driftline.data.catalog import Catalog
from driftline.data.events import EventLog
from driftline.data.targets import Targets
from driftline.errors import SettingsError
from driftline.types import Progress

if TYPE_CHECKING:
    from driftline.models.sequence.fitted import FittedSequence

Cell = Literal["rnn", "lstm", "gru"]


@dataclass(frozen=True)
class SequenceSettings:
    """What every sequence model can be told.

    `dim` is the width of item vectors and of the state; `batch` counts steps, not users; a history is read as its last
    `max_length` moments. `epochs` is the most when a validation slice stops earlier. `minutes` ends training after so
    long; `log_dir` is where TensorBoard finds the curves.
    """

    name: ClassVar[str]
    dim: int = 64
    epochs: int = 20
    learning_rate: float = 0.002
    batch: int = 1024
    dropout: float = 0.4
    max_length: int = 50
    minutes: float | None = None
    log_dir: str | None = None

    def __post_init__(self) -> None:
        whole = {"dim": self.dim, "epochs": self.epochs, "batch": self.batch, "max_length": self.max_length}
        for key, value in whole.items():
            if value < 1:
                raise SettingsError(f"expected {key} of at least 1, got {value}")
        if not 0 <= self.dropout < 1 or self.learning_rate <= 0:
            raise SettingsError(
                f"expected dropout in 0 … 1 and learning_rate above 0, got {self.dropout} and {self.learning_rate}"
            )

    @property
    def cell(self) -> Cell:
        """The recurrence: `rnn`, `lstm` or `gru`."""
        return "gru"

    @property
    def evolves(self) -> bool:
        """Whether the step is the mission's evolution equations rather than the plain recurrence."""
        return False

    def fit(
        self,
        log: EventLog,
        *,
        catalog: Catalog | None = None,  # noqa: ARG002  # the same call for every model
        validation: Targets | None = None,
        seed: int = 0,
        progress: Progress | None = None,
    ) -> FittedSequence:
        """Train on the positive events of a log; NotEnoughDataError where there is none."""
        from driftline.models.sequence.fitted import fit_sequence

        return fit_sequence(self, log.positive, validation, seed, progress)


@dataclass(frozen=True)
class RNN(SequenceSettings):
    """The plain recurrence H' = tanh(W x + U H + b). Source: Elman 1990."""

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
    """Gated recurrent unit over behaviour with full softmax. Source: Cho et al. 2014; Hidasi et al. 2016."""

    name: ClassVar[str] = "gru"


@dataclass(frozen=True)
class Evolution(SequenceSettings):
    """Interest evolution: h = W_h·σ(H ⊕ x) + b_h, i = W_i·σ(H ⊕ x) + b_i, H' = f(h, i, H).

    `f` is `gru`, `rnn`, or `lstm`: the form with a memory gate and an output gate. See
    docs/explanation/evolution.md.
    """

    name: ClassVar[str] = "evolution"
    f: Cell = "gru"

    @property
    def cell(self) -> Cell:
        """The form of f."""
        return self.f

    @property
    def evolves(self) -> bool:
        """The evolution equations."""
        return True
