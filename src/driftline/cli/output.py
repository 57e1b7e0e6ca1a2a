"""What commands print: one JSON document, or tables for people; progress on a terminal, silence elsewhere."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from driftline.errors import RequestError
from driftline.types import Progress as ProgressCall

console = Console(highlight=False)
"""Standard output, for people."""

A_FEW = 10
"""From so many a second on, how many it is says something."""


def print_json(document: Any) -> None:
    """Print one JSON document and nothing else; NaN and infinity are our own bugs and refused."""
    sys.stdout.write(json.dumps(document, ensure_ascii=False, allow_nan=False, indent=2) + "\n")


class _SpeedColumn(ProgressColumn):
    """How many a second, where it is more than a few."""

    def render(self, task: Task) -> Text:
        """`12,300/s`."""
        return Text(f"{task.speed:,.0f}/s" if (task.speed or 0) >= A_FEW else "")


@contextmanager
def progress_bar() -> Iterator[ProgressCall]:
    """A `progress(done, total, what)` that draws one bar per `what` on a terminal and does nothing elsewhere."""
    screen = Console(stderr=True)
    if not screen.is_terminal:
        yield lambda _done, _total, _what: None
        return
    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), _SpeedColumn(), TimeRemainingColumn()
    )  # fmt: skip
    with Progress(*columns, console=screen, transient=True) as bars:
        tasks: dict[str, Any] = {}

        def advance(done: int, total: int, what: str) -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(what, total=total)
            bars.update(tasks[what], completed=done, total=total, visible=done < total)

        yield advance


def require_writable(out: Path) -> None:
    """Before anything is learned: RequestError where no file can be written under that name."""
    if out.is_dir():
        raise RequestError(f"expected --out as a file, got the folder {out}; name a file in it")
    if not out.parent.is_dir():
        raise RequestError(f"expected --out in a folder that exists, got {out}; make {out.parent} first")
