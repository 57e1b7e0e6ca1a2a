"""Checks of the settings of models: a number that makes no sense is refused before anything is fitted."""

from __future__ import annotations

import math

from driftline.errors import SettingsError


def check_range(name: str, value: float | None, low: float, high: float = math.inf) -> None:
    """SettingsError where a value is not within `low … high`; None (to be chosen on validation) passes."""
    if value is not None and not low <= value <= high:
        upper = "" if high == math.inf else f" and at most {high:g}"
        raise SettingsError(f"expected {name} of at least {low:g}{upper}, got {value!r}; give another {name}")
