"""What a format reader returns: tables, settings of `dataset.toml`, and a count of every row that was read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from driftline.data.formats.rows import LeftOut, Rows

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True)
class FileReport:
    """How many rows a file held, how many went into the dataset, and what was left out and why."""

    file: str
    rows: int
    kept: int
    left_out: tuple[LeftOut, ...] = ()

    @classmethod
    def of(cls, rows: Rows) -> FileReport:
        """The report of rows as they stand now."""
        return cls(rows.file, rows.rows, rows.frame.height, rows.left_out)


@dataclass(frozen=True, eq=False)
class Prepared:
    """A public dataset in our tables.

    `tables` holds polars frames by table name (`events`, `items` …) with the columns of the dataset folder's contract;
    `settings` is the document of `dataset.toml`; `notes` say in words what a reader should know (licence, decisions).
    `notices` are files that have to travel with the data, by name.
    """

    tables: Mapping[str, pl.DataFrame]
    settings: Mapping[str, Any]
    files: tuple[FileReport, ...] = ()
    notes: tuple[str, ...] = ()
    notices: Mapping[str, str] = field(default_factory=dict)
