"""Settings of the sequence models; importing them loads no torch.

The defaults are those that did best on validation slices; `docs/explanation/decisions.md` has the reasons.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib import import_module
from typing import ClassVar, Literal, Self, get_args

from driftline.data.catalog import Catalog
from driftline.data.dataset import Repeats
from driftline.data.events import EventLog
from driftline.data.targets import Targets
from driftline.errors import SettingsError
from driftline.interest.state import HALF_LIVES, HalfLife
from driftline.models.sequence.base import SequenceFit
from driftline.models.settings import check_range, check_whole
from driftline.types import US_PER_HOUR, Progress, Size

Cell = Literal["rnn", "lstm", "gru"]
Start = Literal["svd", "random"]
Precision = Literal["auto", "float32", "bfloat16"]
Device = Literal["cpu", "cuda"]

MANY_STEPS, NARROW, WIDE = 50_000, 64, 128
"""From so many steps on a wider state is better: on Beauty (131,000) by .004 NDCG@10, on a shop (11,000) it is not."""

LESS_DROPOUT, MORE_DROPOUT = 0.4, 0.5

MOST_THREADS = 1_024
"""More than any machine has cores; asked for a million, the library that computes ends the process without a word."""

WIDTH: Mapping[Size, float] = {"small": 0.5, "medium": 1.0, "large": 2.0}
"""The one dial of how big models are: what the usual width is multiplied by."""


@dataclass(frozen=True)
class SequenceSettings(ABC):
    """What every sequence model can be told.

    `dim` is the width of item vectors and of the state; None takes 64 below 50,000 steps to learn from and 128 above,
    half or twice as much by `size`. `epochs` is the most; a validation slice stops earlier.
    `batch` counts steps (moments that something follows), not users; None takes a 128th of an epoch, from 256 to 2,048.
    The learning rate rises for the first `warmup` batches and falls in a straight line to a tenth over `falling` epochs
    (None: over all; 0: it does not fall).
    `dropout` is of what the read-out reads and, in models of `layers`, of what each adds; None takes .4, or .5 from
    width 128 on. Training cuts long histories into windows of `max_length` moments. `start` says where item vectors
    begin: at the latent model (`svd`; above 500,000 items not that either) or at random numbers. With `attributes`
    items that have some in common share vectors; None takes them where the catalog has them.
    Where `repeats` are allowed, having had an item counts for it; None takes what validation asks, or what is the norm
    in the log. `negatives` asks each batch of so many sampled items (0: of all; None: of all up to 50,000). `precision`
    is that of the large products, `device` where they are computed, `threads` how many cores compute them. `minutes`
    ends training after so long; `log_dir` is a folder for TensorBoard, `checkpoints` one for what a training that was
    ended from outside goes on from.
    """

    name: ClassVar[str]
    dim: int | None = None
    size: Size = "medium"
    epochs: int = 12
    learning_rate: float = 0.005
    batch: int | None = None
    warmup: int = 0
    falling: int | None = 8
    dropout: float | None = None
    max_length: int = 50
    start: Start = "svd"
    attributes: bool | None = None
    repeats: Repeats | None = None
    negatives: int | None = None
    precision: Precision = "auto"
    device: Device = "cpu"
    threads: int | None = None
    minutes: float | None = None
    log_dir: str | None = None
    checkpoints: str | None = None

    def __post_init__(self) -> None:
        for key in ("dim", "epochs", "batch", "max_length"):
            check_whole(key, getattr(self, key), 1)
        for key in ("warmup", "falling", "negatives"):
            check_whole(key, getattr(self, key), 0)
        check_whole("threads", self.threads, 1, MOST_THREADS)
        _check_text("log_dir", self.log_dir)
        _check_text("checkpoints", self.checkpoints)
        _check_choice("precision", self.precision, get_args(Precision))
        _check_choice("device", self.device, get_args(Device))
        check_range("learning_rate", self.learning_rate, 1e-8, 1)
        check_range("dropout", self.dropout, 0, 0.99)
        check_range("minutes", self.minutes, 0)
        _check_choice("size", self.size, get_args(Size))
        _check_choice("start", self.start, get_args(Start))
        if self.repeats is not None:
            _check_choice("repeats", self.repeats, get_args(Repeats))

    @property
    def thinning(self) -> float:
        """The dropout; where it is open, that of a narrow network."""
        return self.dropout if self.dropout is not None else LESS_DROPOUT

    def for_steps(self, n_steps: int) -> Self:
        """The same with the width and the dropout that suit so many steps, where they are open.

        >>> from driftline.models.sequence import GRU
        >>> [(own.dim, own.dropout) for own in (GRU().for_steps(10_000), GRU(size="large").for_steps(10**6))]
        [(64, 0.4), (256, 0.5)]
        """
        wide = WIDE if n_steps >= MANY_STEPS else NARROW
        dim = self.dim if self.dim is not None else round(wide * WIDTH[self.size])
        open_dropout = LESS_DROPOUT if dim < WIDE else MORE_DROPOUT
        return replace(self, dim=dim, dropout=self.dropout if self.dropout is not None else open_dropout)

    def for_span(self, span_us: int) -> Self:  # noqa: ARG002  (only what has a clock asks)
        """The same with what suits a log that lasts so long, where that is open."""
        return self

    def fit(
        self,
        log: EventLog,
        *,
        catalog: Catalog | None = None,
        validation: Targets | None = None,
        seed: int = 0,
        progress: Progress | None = None,
    ) -> SequenceFit:
        """Train on the positive events of a log; NotEnoughDataError where nobody has two moments."""
        # By name, since what fits imports these settings, and torch with it.
        fitting = import_module("driftline.models.sequence.fitting")
        fitted: SequenceFit = fitting.fit_sequence(
            self, log, catalog=catalog, validation=validation, seed=seed, progress=progress
        )
        return fitted


@dataclass(frozen=True)
class Recurrence(SequenceSettings):
    """A state that is moved step by step, every step reading the one before."""

    @property
    @abstractmethod
    def cell(self) -> Cell:
        """The recurrence."""

    @property
    def evolves(self) -> bool:
        """Whether a step is the evolution equations rather than the plain recurrence."""
        return False


@dataclass(frozen=True)
class RNN(Recurrence):
    """The plain recurrence `H' = tanh(W x + U H + b)`. Source: Elman 1990."""

    name: ClassVar[str] = "rnn"

    @property
    def cell(self) -> Cell:
        """The recurrence."""
        return "rnn"


@dataclass(frozen=True)
class LSTM(Recurrence):
    """Long short-term memory. Source: Hochreiter and Schmidhuber 1997."""

    name: ClassVar[str] = "lstm"

    @property
    def cell(self) -> Cell:
        """The recurrence."""
        return "lstm"


@dataclass(frozen=True)
class GRU(Recurrence):
    """Gated recurrent units with a softmax over everything. Source: Cho et al. 2014; Hidasi et al. 2016, GRU4Rec."""

    name: ClassVar[str] = "gru"

    @property
    def cell(self) -> Cell:
        """The recurrence."""
        return "gru"


@dataclass(frozen=True)
class Evolution(Recurrence):
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


@dataclass(frozen=True)
class Linear(SequenceSettings):
    """A gated linear recurrence: trained on all steps at once, moved by an event in the same time however long ago.

        z_t = sigmoid(W_z x_t)      h_t = (1 - z_t) ⊙ h_{t-1} + z_t ⊙ W_c x_t

    and a feed-forward part, in `layers`. Sources: Feng et al. 2024, "Were RNNs all we needed?", minGRU; Yue et al.
    2024, LRURec.
    """

    name: ClassVar[str] = "linear"
    layers: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        check_whole("layers", self.layers, 1)


@dataclass(frozen=True)
class Transformer(SequenceSettings):
    """Causal self-attention over the last `max_length` moments, near ones told from far ones by steps and by time.

    Every position is asked what comes next, of all items. Sources: Kang and McAuley 2018, SASRec; Klenitskiy and
    Vasilev 2023, full cross-entropy; Li et al. 2020, TiSASRec; Zhai et al. 2024, HSTU, gated units.
    """

    name: ClassVar[str] = "transformer"
    layers: int = 2
    heads: int = 2

    def __post_init__(self) -> None:
        super().__post_init__()
        check_whole("layers", self.layers, 1)
        check_whole("heads", self.heads, 1)
        _check_heads(self.dim, self.heads)


@dataclass(frozen=True)
class Timescales(SequenceSettings):
    """Sums of item vectors that fade by the clock and by events, at seven half-lives, beside the last 32 moments.

        s_k ← λ_k s_k + g · e    c_k ← λ_k c_k + g    λ_k = 2^(-Δ / half-life)    read: s_k / (c_k + 1)

    read at the moment of the request: the state of somebody who was away for a month is not that of yesterday. The
    half-lives are an hour, a day, 7 and 60 days, and 4, 16 and 64 events; each is divided by a factor that is learned
    and 1 at first. What is read are attention (of `heads`) over the last moments, by how long ago they were, and
    a gated sum of the timescales, then a feed-forward part. It is trained on all steps at once and moved by an event in
    the same time however long the history is. Without `clock` events alone fade it; None takes it where the log lasts
    longer than an hour. Sources: Martin and Cundy 2018, "Parallelizing linear recurrent neural nets over sequence
    length"; Sun et al. 2023, RetNet, decays at several scales.
    """

    name: ClassVar[str] = "timescales"
    heads: int = 2
    clock: bool | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        check_whole("heads", self.heads, 1)
        if self.clock is not None and not isinstance(self.clock, bool):
            raise SettingsError(f"expected clock as true or false, got {self.clock!r}; choose one of them")
        _check_heads(self.dim, self.heads)

    @property
    def half_lives(self) -> tuple[HalfLife, ...]:
        """Those by the clock, where there is one, then those in events."""
        return tuple(one for one in HALF_LIVES if one.days is None or self.clock is not False)

    def for_span(self, span_us: int) -> Self:
        """With a clock where the log lasts longer than the shortest half-life: positions in a sequence never do."""
        return replace(self, clock=span_us > US_PER_HOUR) if self.clock is None else self


def _check_heads(dim: int | None, heads: int) -> None:
    if dim is not None and dim % heads:
        raise SettingsError(f"expected heads that divide dim {dim}, got {heads}; choose another number")


def _check_text(name: str, value: str | None) -> None:
    if value is not None and not isinstance(value, str):
        raise SettingsError(f"expected {name} as the name of a folder, got {value!r}; give a text")


def _check_choice(name: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise SettingsError(f"expected {name} among {', '.join(known)}, got {value!r}; choose one of them")
