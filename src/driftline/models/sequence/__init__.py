"""Recurrent models over behaviour sequences, and the one trainer that fits them all; torch lives here alone.

Importing the settings loads no torch; the fitted classes load it when they are first asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from driftline.models.sequence.base import Ahead, SequenceFit
from driftline.models.sequence.settings import (
    GRU,
    LSTM,
    RNN,
    WIDTH,
    Evolution,
    Linear,
    SequenceSettings,
    Timescales,
    Transformer,
)

if TYPE_CHECKING:
    from driftline.models.sequence.fitted import (
        FittedEvolution,
        FittedGRU,
        FittedLinear,
        FittedLSTM,
        FittedNetwork,
        FittedRNN,
        FittedSequence,
        FittedTimescales,
        FittedTransformer,
    )

__all__ = [
    "GRU",
    "LSTM",
    "RNN",
    "WIDTH",
    "Ahead",
    "Evolution",
    "FittedEvolution",
    "FittedGRU",
    "FittedLSTM",
    "FittedLinear",
    "FittedNetwork",
    "FittedRNN",
    "FittedSequence",
    "FittedTimescales",
    "FittedTransformer",
    "Linear",
    "SequenceFit",
    "SequenceSettings",
    "Timescales",
    "Transformer",
]


def __getattr__(name: str) -> Any:
    """The fitted classes, with torch, on first use (PEP 562)."""
    if name in __all__:
        from driftline.models.sequence import fitted

        return getattr(fitted, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
