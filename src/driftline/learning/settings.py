"""What `driftline fit` can be told, read once from TOML and the command line into a frozen object."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from driftline.errors import SettingsError
from driftline.types import Size


class FitSettings(BaseModel):
    """Settings of a fit; unknown keys are refused.

    `arms` are the short names of the models under the blend, or None for the default that suits the data.
    `models` holds keywords of single models: `[models.gru]` with `dim = 64`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    size: Size = "medium"
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    minutes: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    arms: tuple[str, ...] | None = None
    clean: Literal["default", "strict"] = "default"
    models: dict[str, dict[str, Any]] = Field(default_factory=dict)


def read_settings(file: Path | None, **given: Any) -> FitSettings:
    """The settings of a TOML file (or the defaults), overridden by what was given and is not None."""
    document = _read_toml(file) if file else {}
    document.update({key: value for key, value in given.items() if value is not None})
    try:
        return FitSettings.model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        known = ", ".join(FitSettings.model_fields)
        raise SettingsError(
            f"setting {place}: {first['msg']}, got {first.get('input')!r}; the settings are {known}"
        ) from None


def _read_toml(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"expected a readable TOML file, got {file}: {error}") from None
