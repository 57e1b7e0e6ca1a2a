"""The command line: one file per command, each calling one function."""

from __future__ import annotations

from driftline.cli import check as _check  # noqa: F401  # registers its command
from driftline.cli import demo as _demo  # noqa: F401
from driftline.cli import evaluate as _evaluate  # noqa: F401
from driftline.cli import fit as _fit  # noqa: F401
from driftline.cli import forecast as _forecast  # noqa: F401
from driftline.cli import interests as _interests  # noqa: F401
from driftline.cli import prepare as _prepare  # noqa: F401
from driftline.cli import recommend as _recommend  # noqa: F401
from driftline.cli import update as _update  # noqa: F401
from driftline.cli.app import app, main

__all__ = ["app", "main"]
