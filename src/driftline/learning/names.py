"""The one table from short names of models to what they construct, for the command line and for saved runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from importlib import import_module
from pathlib import Path
from typing import Any

from driftline.data.dataset import Dataset
from driftline.errors import SettingsError, UnknownModelError
from driftline.learning.settings import FitSettings
from driftline.models.base import FittedModel, Model
from driftline.models.sequence import WIDTH
from driftline.ranking.blend import NAME, FittedBlend
from driftline.types import Size

BLEND = NAME

_MODELS = "driftline.models"
_SEQUENCE = "driftline.models.sequence"


@dataclass(frozen=True)
class Entry:
    """Where a model lives: its settings class and fitted class, and what the data must have for it."""

    module: str
    settings: str
    fitted: str
    needs_content: bool = False
    needs_times: bool = False


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
    "linear": Entry(_SEQUENCE, "Linear", "FittedLinear"),
    "timescales": Entry(_SEQUENCE, "Timescales", "FittedTimescales"),
    "transformer": Entry(_SEQUENCE, "Transformer", "FittedTransformer"),
}

NAMES: tuple[str, ...] = (*TABLE, BLEND)
"""Every short name; `blend` is made of the others."""

DEFAULT_ARMS = ("popularity-7d", "cooccurrence", "als", "content", "gru", "evolution")
"""The arms of the blend where nothing else is said, as far as the data allows."""

_WITHOUT_TIMES = {"popularity-7d": "popularity"}
"""What stands in where the data has an order alone: its last week cannot be known."""


def available(dataset: Dataset) -> list[str]:
    """The short names of the models that the data allows, without the blend."""
    content = dataset.catalog.has_text or dataset.catalog.has_topics or dataset.catalog.attributes is not None
    times = not dataset.order_only
    return [
        name
        for name, entry in TABLE.items()
        if (content or not entry.needs_content) and (times or not entry.needs_times)
    ]


def floor(dataset: Dataset) -> tuple[str, ...]:
    """The models that every table shows, so that others have something to be better than."""
    return tuple(_stand_in(dataset, name) for name in ("popularity-7d", "cooccurrence"))


def choose_arms(dataset: Dataset, asked: Sequence[str] | None = None) -> tuple[str, ...]:
    """The arms of the blend: those asked for, or the default ones that the data allows."""
    if asked is None:
        allowed = available(dataset)
        return tuple(name for name in (_stand_in(dataset, arm) for arm in DEFAULT_ARMS) if name in allowed)
    for name in asked:
        _entry(name)
    return tuple(dict.fromkeys(asked))


def make_models(
    names: Sequence[str], settings: FitSettings | None = None, *, checkpoints: Path | None = None
) -> dict[str, Model]:
    """Models by short name under the settings of a fit; the minutes are shared by the models that can stop in time.

    Those that can go on after a kill keep what they need for it under `checkpoints`.
    """
    settings = settings or FitSettings()
    unused = set(settings.models) - set(names)
    if unused:
        raise SettingsError(f"expected settings of models that are fitted ({', '.join(names)}), got {min(unused)}")
    models = {name: make_model(name, size=settings.size, given=settings.models.get(name)) for name in names}
    patient = [name for name, model in models.items() if "minutes" in _fields(model)]
    if settings.minutes is not None and patient:
        # Each is fitted twice: once to choose, once on everything.
        each = settings.minutes / (2 * len(patient))
        models |= {name: replace(models[name], minutes=each) for name in patient}  # type: ignore[type-var]
    if checkpoints is not None:
        keeping = [name for name, model in models.items() if "checkpoints" in _fields(model)]
        models |= {name: replace(models[name], checkpoints=str(checkpoints)) for name in keeping}  # type: ignore[type-var]
    return models


def make_model(name: str, *, size: Size = "medium", given: Mapping[str, Any] | None = None) -> Model:
    """The model of a short name; `given` overrides its keywords, `size` scales its width."""
    entry = _entry(name)
    model: Any = getattr(import_module(entry.module), entry.settings)()
    known = _fields(model)
    for key in given or {}:
        if key not in known:
            raise SettingsError(f"model {name} has no setting {key!r}; it has {', '.join(known) or 'none'}")
    if "size" in known:
        model = replace(model, size=size)
    elif "dim" in known:
        model = replace(model, dim=max(1, round(model.dim * WIDTH[size])))
    try:
        return replace(model, **given) if given else model  # type: ignore[no-any-return]
    except (TypeError, ValueError) as error:
        raise SettingsError(f"model {name}: {error}") from None


def load_model(name: str, folder: Path) -> FittedModel:
    """Read a fitted model that was saved under its short name."""
    entry = _entry(name)
    return getattr(import_module(entry.module), entry.fitted).load(folder)  # type: ignore[no-any-return]


def load_blend(folder: Path) -> FittedBlend:
    """Read a saved blend and its arms."""
    return FittedBlend.load(folder, load_model)


def _stand_in(dataset: Dataset, name: str) -> str:
    return _WITHOUT_TIMES.get(name, name) if dataset.order_only else name


def _entry(name: str) -> Entry:
    if name not in TABLE:
        raise UnknownModelError(f"expected a model out of {', '.join(NAMES)}, got {name!r}")
    return TABLE[name]


def _fields(model: Any) -> tuple[str, ...]:
    return tuple(field.name for field in fields(model))
