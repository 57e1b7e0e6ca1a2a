"""Histories of a log, under the name by which they are looked for."""

from __future__ import annotations

from driftline.data.events import Histories, histories, histories_until

__all__ = ["Histories", "histories", "histories_until"]
