"""Rows of text from a file, with a count of those that were left out on the way and why."""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from driftline.errors import DatasetError

_EXAMPLE_WIDTH = 120


@dataclass(frozen=True)
class LeftOut:
    """Rows that were left out for one reason, with the first of them."""

    code: str
    count: int
    example: str


@dataclass(frozen=True, eq=False)
class Rows:
    """A table of text as its file holds it; `rows` counts what was read, and `rows == frame.height + left out`."""

    file: str
    frame: pl.DataFrame
    rows: int
    left_out: tuple[LeftOut, ...] = ()

    def without(self, code: str, bad: pl.Expr) -> Rows:
        """Leave out the rows for which `bad` holds (null counts as not bad), counted under `code`."""
        mask = self.frame.select(bad.fill_null(False).alias("bad"))["bad"]
        count = int(mask.sum())
        if not count:
            return self
        example = shown(self.frame.filter(mask).row(0))
        return replace(self, frame=self.frame.filter(~mask), left_out=(*self.left_out, LeftOut(code, count, example)))

    def needing(self, *names: str) -> Rows:
        """Leave out the rows in which one of the columns is null or empty: `missing_NAME`."""
        rows = self
        for name in names:
            empty = pl.col(name).is_null()
            if self.frame.schema[name] == pl.String:
                empty |= pl.col(name).str.strip_chars() == ""
            rows = rows.without(f"missing_{name}", empty)
        return rows

    def with_columns(self, *columns: pl.Expr) -> Rows:
        """The rows with columns added or replaced."""
        return replace(self, frame=self.frame.with_columns(*columns))

    def parsed(self, name: str, value: pl.Expr, code: str) -> Rows:
        """Put `value` in the place of column `name`; rows that had something there but give null are left out."""
        rows = self.with_columns(value.alias("parsed value")).without(
            code, pl.col("parsed value").is_null() & pl.col(name).is_not_null()
        )
        frame = rows.frame.with_columns(pl.col("parsed value").alias(name)).drop("parsed value")
        return replace(rows, frame=frame)


def shown(values: Sequence[object]) -> str:
    """One short line of a row, for reports."""
    line = " ".join(", ".join("" if value is None else str(value) for value in values).split())
    return line if len(line) <= _EXAMPLE_WIDTH else line[: _EXAMPLE_WIDTH - 1] + "…"


def read_csv(path: Path, columns: Sequence[str], *, separator: str = ",", quote: str | None = '"') -> Rows:
    """A file with a header, every column as text; `columns` must be among its names.

    Records with more fields than the header are left out and counted; missing fields are null. Files that are not
    UTF-8 are read as Latin-1, in which every byte is a letter.
    """
    text = read_text(path)
    if not text.strip():
        raise DatasetError(f"expected a header and rows in {path.name}, got an empty file; take it from the publisher")
    require(path.name, columns, _header(text, separator, quote))
    try:
        frame = pl.read_csv(io.StringIO(text), separator=separator, quote_char=quote, infer_schema=False)
        rows = Rows(path.name, frame, frame.height)
    except pl.exceptions.PolarsError:
        rows = _read_csv_carefully(path.name, text, separator, quote)
    return replace(rows, frame=_without_nameless(rows.frame))


def require(file: str, columns: Sequence[str], found: Sequence[str]) -> None:
    """DatasetError that names the columns expected and found, where one is missing."""
    missing = [name for name in columns if name not in found]
    if missing:
        raise DatasetError(
            f"expected columns {', '.join(columns)} in {file}, got {', '.join(found)[:200] or 'none'}; "
            "is this the right file and format?"
        )


def read_fields(path: Path, names: Sequence[str], *, separator: str, n_needed: int | None = None) -> Rows:
    """A file without header or quotes: fields between separators, at least `n_needed` of them (by default all).

    Lines with fewer or more fields are left out and counted; blank lines (nothing but Unicode
    white space) are not lines.
    """
    needed = len(names) if n_needed is None else n_needed
    # Not splitlines(): in Latin-1 texts and in titles there are characters that it would take for line ends.
    lines = pl.Series("line", read_text(path).replace("\r\n", "\n").split("\n"), dtype=pl.String)
    frame = pl.DataFrame([lines.filter(lines.str.strip_chars() != "")])
    fields = pl.col("line").str.split(separator)
    rows = Rows(path.name, frame.with_columns(fields.alias("fields"), fields.list.len().alias("n")), frame.height)
    rows = rows.without("wrong_number_of_fields", (pl.col("n") < needed) | (pl.col("n") > len(names)))
    if rows.rows and not rows.frame.height:
        raise DatasetError(
            f"expected lines of {needed} or more fields between {separator!r} in {path.name}, got "
            f"{shown([frame['line'][0]])!r}; is this the right file and format?"
        )
    values = [pl.col("fields").list.get(place, null_on_oob=True).alias(name) for place, name in enumerate(names)]
    return replace(rows, frame=rows.frame.select(values))


def read_text(path: Path) -> str:
    """The text of a file, gzip or plain: UTF-8 (a byte order mark goes), else Latin-1."""
    try:
        data = gzip.decompress(path.read_bytes()) if path.name.lower().endswith(".gz") else path.read_bytes()
    except (OSError, EOFError) as error:
        raise DatasetError(f"expected a readable file {path.name}, got: {error}; download it again") from None
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _header(text: str, separator: str, quote: str | None) -> list[str]:
    return next(_records(text[: max(text.find("\n"), 0) or len(text)], separator, quote), [])


def _records(text: str, separator: str, quote: str | None) -> Iterator[list[str]]:
    lines = io.StringIO(text, newline="")
    if quote is None:
        return csv.reader(lines, delimiter=separator, quoting=csv.QUOTE_NONE)
    return csv.reader(lines, delimiter=separator, quotechar=quote)


def _read_csv_carefully(file: str, text: str, separator: str, quote: str | None) -> Rows:
    """Record by record, where the fast reader stops: what has more fields than the header is left out and counted."""
    records = _records(text, separator, quote)
    header = next(records)
    good: list[list[str | None]] = []
    bad: list[list[str]] = []
    for record in records:
        if len(record) > len(header):
            bad.append(record)
        elif record:
            good.append([field or None for field in record] + [None] * (len(header) - len(record)))
    left_out = (LeftOut("too_many_fields", len(bad), shown(bad[0])),) if bad else ()
    frame = pl.DataFrame(good, schema=dict.fromkeys(header, pl.String), orient="row")
    return Rows(file, frame, len(good) + len(bad), left_out)


def _without_nameless(frame: pl.DataFrame) -> pl.DataFrame:
    """Without columns that have no name: a row number that somebody's tool wrote."""
    return frame.drop(name for name in frame.columns if not name.strip())
