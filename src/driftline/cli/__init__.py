"""The command line: one file per command, each calling one function."""

from __future__ import annotations

from driftline.cli import check as _check
from driftline.cli.app import app, main

__all__ = ["app", "main"]
