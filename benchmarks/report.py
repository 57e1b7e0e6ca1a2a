"""A benchmark's result as a file that a person reads and a file that a program reads."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from driftline.data.files import replace_text


@dataclass(frozen=True)
class Table:
    """One table: a title, the names of its columns, its rows, and lines that belong under it."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    notes: Sequence[str] = ()

    def markdown(self) -> str:
        """The table; the first column to the left, the others to the right, cells as wide as their column."""
        cells = [[cell.replace("|", "\\|") for cell in row] for row in (self.columns, *self.rows)]
        widths = [max(3, *(len(row[column]) for row in cells)) for column in range(len(self.columns))]
        ruler = [("-" * width if not column else "-" * (width - 1) + ":") for column, width in enumerate(widths)]
        lines = [_row(row, widths) for row in cells]
        lines = [f"## {self.title}", "", lines[0], _row(ruler, widths), *lines[1:]]
        return "\n".join([*lines, *(["", *(f"- {note}" for note in self.notes)] if self.notes else [])])


@dataclass(frozen=True)
class Report:
    """Everything that one command found.

    `name` is that of its files; `command` repeats it; `figures` is what the tables were made of, as JSON; `failures`
    says of each contender that failed why it did.
    """

    name: str
    title: str
    command: str
    machine: Mapping[str, str]
    tables: Sequence[Table]
    figures: Mapping[str, Any]
    failures: Mapping[str, str] = field(default_factory=dict)
    at: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))

    def markdown(self) -> str:
        """The page: what was run, failures first, the tables, and the machine."""
        failed = [f"- **{name} failed**: {why}" for name, why in self.failures.items()]
        parts = [f"# {self.title}", f"`{self.command}`, {self.at}", *(["\n".join(failed)] if failed else [])]
        parts += [table.markdown() for table in self.tables]
        machine = Table("Machine", ("what", "value"), [(name, value) for name, value in self.machine.items()])
        return "\n\n".join([*parts, machine.markdown()]) + "\n"

    def document(self) -> dict[str, Any]:
        """The page as JSON, with the figures unrounded."""
        return {
            "name": self.name,
            "title": self.title,
            "command": self.command,
            "at": self.at,
            "machine": dict(self.machine),
            "failures": dict(self.failures),
            "figures": dict(self.figures),
        }

    def write(self, folder: Path) -> Path:
        """Write both files; the path of the page."""
        folder.mkdir(parents=True, exist_ok=True)
        text = json.dumps(self.document(), ensure_ascii=False, allow_nan=False, indent=2)
        replace_text(folder / f"{self.name}.json", text + "\n")
        replace_text(folder / f"{self.name}.md", self.markdown())
        return folder / f"{self.name}.md"


def with_interval(row: Mapping[str, float], digits: int = 4) -> str:
    """A figure with its interval, and its spread over seeds where there is one.

    >>> with_interval({"value": 0.1, "low": 0.09, "high": 0.11, "spread": 0.001})
    '.1000 [.0900, .1100] ± .0010'
    """
    text = f"{short(row['value'], digits)} [{short(row['low'], digits)}, {short(row['high'], digits)}]"
    return text if row.get("spread") is None else f"{text} ± {short(row['spread'], digits)}"


def short(value: float, digits: int = 4) -> str:
    """A share without the 0 before the point.

    >>> short(0.0497), short(-0.5, 1), short(1.0, 2)
    ('.0497', '-.5', '1.00')
    """
    return f"{value:.{digits}f}".replace("0.", ".", 1) if abs(value) < 1 else f"{value:.{digits}f}"


def gigabytes(n_bytes: float) -> str:
    """A size in GB.

    >>> gigabytes(3 * 2**29)
    '1.50'
    """
    return f"{n_bytes / 2**30:.2f}"


def _row(cells: Sequence[str], widths: Sequence[int]) -> str:
    first, *others = zip(cells, widths, strict=True)
    padded = [first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in others)]
    return "| " + " | ".join(padded) + " |"
