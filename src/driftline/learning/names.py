"""The one table from short names of models to what they construct, for the command line and for saved runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from importlib import import_module
from pathlib import Path
from typing import Any, cast, get_args

from driftline.data.dataset import Dataset
from driftline.errors import SettingsError, UnknownModelError
from driftline.models.base import FittedModel, Model
from driftline.types import Size

BLEND = "blend"


@dataclass(frozen=True)
class Entry:
    """Where a model lives: its settings class, its fitted class, and what the data must have for it."""

    module: str
    settings: str
    fitted: str
    needs_content: bool = False
    needs_times: bool = False


_MODELS = "driftline.models"
_SEQUENCE = "driftline.models.sequence"

TABLE: Mapping[str, Entry] = {
    "popularity": Entry(f"{_MODELS}.popularity", "Popularity", "FittedPopularity"),
    "popularity-7d": Entry(f"{_MODELS}.popularity", "RecentPopularity", "FittedRecentPopularity", needs_times=True),
    "cooccurrence": Entry(f"{_MODELS}.cooccurrence", "Cooccurrence", "FittedCooccurrence"),
    "item-knn": Entry(f"{_MODELS}.neighbours", "ItemKNN", "FittedItemKNN"),
    "ease": Entry(f"{_MODELS}.ease", "EASE", "FittedEASE"),
    "als": Entry(f"{_MODELS}.factors", "ALS", "FittedALS"),
    "bpr": Entry(f"{_MODELS}.factors", "BPR", "FittedBPR"),
    "content": Entry(f"{_MODELS}.content", "Content", "FittedContent", needs_content=True),
    "rnn": Entry(_SEQUENCE, "RNN", "FittedRNN"),
    "lstm": Entry(_SEQUENCE, "LSTM", "FittedLSTM"),
    "gru": Entry(_SEQUENCE, "GRU", "FittedGRU"),
    "evolution": Entry(_SEQUENCE, "Evolution", "FittedEvolution"),
}
