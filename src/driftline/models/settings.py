"""Checks of the settings of models: a number that makes no sense is refused before anything is fitted."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from driftline.errors import SettingsError


def check_range(name: str, value: float | None, low: float, high: float = math.inf) -> None:
    """SettingsError where a value is no number within `low … high`; None (to be chosen on validation) passes."""
    _check(name, value, (int, float, np.integer, np.floating), name, low, high)


def check_whole(name: str, value: int | None, low: int, high: float = math.inf) -> None:
    """SettingsError where a value is no whole number within `low … high`; None passes."""
    _check(name, value, (int, np.integer), f"{name} as a whole number", low, high)


def _check(name: str, value: Any, kinds: tuple[type, ...], what: str, low: float, high: float) -> None:
    # A truth value is a number to Python, and none to anybody who writes settings.
    number = isinstance(value, kinds) and not isinstance(value, bool)
    if value is not None and not (number and low <= value <= high):
        upper = "" if high == math.inf else f" and at most {high:g}"
        raise SettingsError(f"expected {what} of at least {low:g}{upper}, got {value!r}; give another {name}")
