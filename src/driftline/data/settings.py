"""What `dataset.toml` says of a dataset folder, read once into a frozen object that refuses unknown keys."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from driftline.data.kinds import Kind, default_kind
from driftline.errors import DatasetError

FILE = "dataset.toml"

Table = Literal["events", "items", "users", "relations", "friends", "context", "impressions", "occasions"]
"""The tables of a dataset folder."""

TimeUnit = Literal["s", "ms", "us", "ns"]


class TimeSettings(BaseModel):
    """How one table writes its times, where detection is not wanted: `unit` of epoch numbers, or a `format` of text.

    `format` has the letters of strftime: `"%d/%m/%Y %H:%M"`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    unit: TimeUnit | None = None
    format: str | None = None


class KindSettings(BaseModel):
    """What one kind of event counts for; None leaves the default."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    weight: Annotated[float, Field(ge=-1e6, le=1e6)] | None = None
    target: bool | None = None


class DatasetSettings(BaseModel):
    """Everything that `dataset.toml` can say; a missing file says nothing, and the defaults hold.

    name = "shop"                    # a word for reports
    repeats = "allow"                # or "exclude"; detected where absent
    order_only = false               # true: times are positions, not moments
    basket = "session_id"            # events of a user with the same value are one set
    session_gap_minutes = 30         # adds session_id where events have none

    [columns.events]                 # our name = the file's name
    user_id = "CustomerID"
    [time.events]                    # only where detection is not wanted
    unit = "ms"
    [events.view]                    # what a kind of event counts for
    weight = 0.2
    target = false

    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, Field(min_length=1)] | None = None
    repeats: Literal["allow", "exclude"] | None = None
    order_only: bool = False
    basket: str | None = None
    session_gap_minutes: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    columns: Mapping[Table, Mapping[str, str]] = Field(default_factory=dict)
    time: Mapping[Table, TimeSettings] = Field(default_factory=dict)
    events: Mapping[str, KindSettings] = Field(default_factory=dict)

    def kind(self, name: str) -> Kind:
        """What a kind of event counts for: the default, with what the file says over it."""
        kind, said = default_kind(name), self.events.get(name)
        if said is None:
            return kind
        weight = kind.weight if said.weight is None else said.weight
        return Kind(name, weight, kind.target if said.target is None else said.target)

    def time_of(self, table: Table) -> TimeSettings:
        """How a table writes its times."""
        return self.time.get(table, TimeSettings())


def read_dataset_settings(folder: Path) -> DatasetSettings:
    """The settings in a dataset folder; DatasetError where `dataset.toml` is unreadable or has an unknown key."""
    path = folder / FILE
    if not path.is_file():
        return DatasetSettings()
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise DatasetError(f"expected readable TOML in {path}, got {error}; correct the file") from None
    return dataset_settings(document, str(path))


def dataset_settings(document: Mapping[str, Any], where: str) -> DatasetSettings:
    """Settings from a parsed document; DatasetError that names the key which is unknown or wrong."""
    try:
        return DatasetSettings.model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        known = ", ".join(DatasetSettings.model_fields)
        raise DatasetError(
            f"{where}: {place}: {first['msg']}, got {first.get('input')!r}; the settings are {known}"
        ) from None
