"""What every table can be asked, and what that comes to."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.report import Report, Table


def common(parser: argparse.ArgumentParser) -> None:
    """The options that all tables share."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "driftline-bench"
    source = os.environ.get("DRIFTLINE_DEV_DATA")
    parser.add_argument("--out", type=Path, default=Path("reports/bench"), help="where reports go")
    parser.add_argument("--cache", type=Path, default=cache, help="environments of peers and prepared data")
    parser.add_argument(
        "--source",
        type=Path,
        default=Path(source) if source else None,
        help="a folder with published datasets or their archives (or DRIFTLINE_DEV_DATA)",
    )
    parser.add_argument("--threads", type=int, default=1, help="threads of each process")


def integers(text: str) -> list[int]:
    """Whole numbers with commas between.

    >>> integers("0,1,2")
    [0, 1, 2]
    """
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if not parts or not all(part.isdecimal() for part in parts):
        raise argparse.ArgumentTypeError(f"expected whole numbers with commas between, got {text!r}")
    return [int(part) for part in parts]


def names(text: str) -> list[str]:
    """Names with commas between, each once.

    >>> names("gru, lstm,gru")
    ['gru', 'lstm']
    """
    found = list(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    if not found:
        raise argparse.ArgumentTypeError(f"expected names with commas between, got {text!r}")
    return found


def say(line: str) -> None:
    """Tell on stderr what is being done: a table can take hours."""
    print(line, file=sys.stderr, flush=True)


def report(
    asked: argparse.Namespace,
    name: str,
    title: str,
    tables: Sequence[Table],
    figures: Mapping[str, Any],
    failures: Mapping[str, str] | None = None,
) -> Report:
    """A report of a table, with the command that repeats it and the machine it ran on."""
    command = "python -m benchmarks " + shlex.join(asked.command)
    return Report(name, title, command, asked.machine, tables, figures, failures or {})
