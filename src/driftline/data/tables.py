"""Table files: Parquet, CSV, CSV.gz and JSON lines into frames, with ids as text and nothing inferred from text."""

from __future__ import annotations

import codecs
import gzip
import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

import polars as pl
import pyarrow.parquet
from polars.exceptions import NoDataError, PanicException, PolarsError

from driftline.errors import DatasetError

SUFFIXES = (".parquet", ".csv", ".csv.gz", ".jsonl")

REPLACEMENT = "\ufffd"
"""What stands in the place of bytes that are not UTF-8."""

NUMBER = r"^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?$"
"""Text that is a number and nothing else: a leading zero makes an id."""


@dataclass(frozen=True)
class TableFile:
    """A table as its file holds it: columns of text (CSV, JSON lines) or of the file's own types (Parquet).

    `undecodable` counts rows with bytes that are not UTF-8, `damaged` lines that are not records; an example of each.
    """

    path: Path
    frame: pl.DataFrame
    undecodable: int = 0
    undecodable_example: str = ""
    damaged: int = 0
    damaged_example: str = ""


def find_table(folder: Path, name: str) -> Path | None:
    """The file of a table, None where there is none; DatasetError where there are two."""
    found = [folder / f"{name}{suffix}" for suffix in SUFFIXES if (folder / f"{name}{suffix}").is_file()]
    if len(found) > 1:
        names = " and ".join(path.name for path in found)
        raise DatasetError(f"expected one file for table {name} in {folder}, got {names}; keep the right one")
    return found[0] if found else None


def read_table(path: Path) -> TableFile:
    """Read one table file; DatasetError in one line where it cannot be read as a table at all."""
    readers = {".parquet": _read_parquet, ".csv": _read_csv, ".csv.gz": _read_csv, ".jsonl": _read_jsonl}
    suffix = next((suffix for suffix in SUFFIXES if path.name.lower().endswith(suffix)), None)
    if suffix is None:
        raise DatasetError(f"expected a file that ends in {', '.join(SUFFIXES)}, got {path.name}; convert it")
    try:
        return readers[suffix](path)
    except NoDataError:
        raise DatasetError(f"expected a table with a header in {path}, got an empty file; fill or remove it") from None
    # A damaged file can also end deep in a decompressor, in the stack of the JSON parser or in a panic of the engine.
    except (PolarsError, PanicException, OSError, EOFError, ValueError, zlib.error, RecursionError) as error:
        what = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
        raise DatasetError(f"expected a readable table in {path}, got: {what}; write the file again") from None


def with_aliases(frame: pl.DataFrame, aliases: Mapping[str, str], path: Path, *, lenient: bool = False) -> pl.DataFrame:
    """Give columns our names; `lenient` leaves out an alias whose column is absent when ours is there."""
    wanted = {}
    for ours, theirs in aliases.items():
        if theirs not in frame.columns:
            if lenient and ours in frame.columns:
                continue
            raise DatasetError(
                f"expected column {theirs!r} (for {ours}) in {path.name}, got {_listed(frame.columns)}; "
                "correct dataset.toml"
            )
        if ours != theirs and ours in frame.columns:
            raise DatasetError(f"expected one column for {ours} in {path.name}, got {ours} and {theirs}; drop one")
        wanted[theirs] = ours
    return frame.rename(wanted)


def require(frame: pl.DataFrame, columns: Sequence[str], path: Path) -> None:
    """DatasetError that names what is missing and what is there."""
    missing = [name for name in columns if name not in frame.columns]
    if missing:
        raise DatasetError(
            f"expected columns {_listed(columns)} in {path.name}, got {_listed(frame.columns)}; "
            f"add {_listed(missing)} or name its alias under [columns.{path.name.split('.')[0]}] in dataset.toml"
        )


def as_text(column: pl.Series) -> pl.Series:
    """Ids as text: integers as decimal text, whole floats without `.0`; empty text and NaN become null."""
    if column.dtype.is_float():
        whole = column.is_finite() & (column == column.round())
        column = pl.select(
            pl.when(whole).then(column.cast(pl.Int64, strict=False).cast(pl.String)).otherwise(column.cast(pl.String))
        ).to_series()
    elif column.dtype == pl.List(pl.String):
        column = column.list.join("|")
    elif column.dtype.is_nested():
        column = pl.Series(column.name, [None if one is None else json.dumps(one, default=str) for one in column])
    text = column.cast(pl.String, strict=False)
    missing = text.is_in(["", "NaN", "nan"])
    return text if not missing.any() else text.set(missing, None)


def infer_numbers(frame: pl.DataFrame) -> pl.DataFrame:
    """Text columns in which every value is a plain number become numbers; ids (`*_id`) and leading zeros stay text."""
    changes = []
    for column in frame.iter_columns():
        if column.dtype != pl.String or column.name.endswith("_id"):
            continue
        filled = column.drop_nulls()
        filled = filled.filter(filled != "")
        if len(filled) and filled.str.contains(NUMBER).all():
            changes.append(_number(column).alias(column.name))
    return frame.with_columns(changes)


def _number(column: pl.Series) -> pl.Series:
    whole = column.cast(pl.Int64, strict=False)
    lost = whole.is_null() & column.is_not_null() & (column != "")
    return whole if not lost.any() else column.cast(pl.Float64, strict=False)


def _read_parquet(path: Path) -> TableFile:
    try:
        frame = pl.read_parquet(path)
        texts = [name for name, dtype in frame.schema.items() if dtype == pl.Binary]
    except PolarsError as error:
        # Text that is not UTF-8 stops polars; reading those columns as bytes keeps the rest.
        if "utf-8" not in str(error).lower() and "utf8" not in str(error).lower():
            raise
        frame, texts = _text_as_bytes(path)
    if not texts:
        return TableFile(path, frame)
    return _decoded(
        path,
        frame.with_columns(
            pl.Series(name, [None if one is None else one.decode("utf-8", "replace") for one in frame[name]])
            for name in texts
        ),
    )


def _text_as_bytes(path: Path) -> tuple[pl.DataFrame, list[str]]:
    """A Parquet file whose text columns are read as bytes, and the names of these columns."""
    table = pyarrow.parquet.read_table(path)
    for place, field in enumerate(table.schema):
        if pyarrow.types.is_string(field.type) or pyarrow.types.is_large_string(field.type):
            table = table.set_column(place, field.name, table[field.name].cast(pyarrow.large_binary()))
    frame = cast("pl.DataFrame", pl.from_arrow(table))
    return frame, [name for name, dtype in frame.schema.items() if dtype == pl.Binary]


def _read_csv(path: Path) -> TableFile:
    if _is_utf8(path):
        frame = pl.read_csv(path, infer_schema=False)
        return TableFile(path, _distinct_header(frame, path))
    frame = pl.read_csv(path, infer_schema=False, encoding="utf8-lossy")
    return _decoded(path, _distinct_header(frame, path))


def _distinct_header(frame: pl.DataFrame, path: Path) -> pl.DataFrame:
    twice = [name.split("_duplicated_")[0] for name in frame.columns if "_duplicated_" in name]
    if twice:
        raise DatasetError(f"expected distinct column names in {path.name}, got {twice[0]!r} twice; rename one")
    return frame


def _read_jsonl(path: Path) -> TableFile:
    try:
        plain = pl.read_ndjson(path, infer_schema_length=None)
        flat = {name: pl.String for name, dtype in plain.schema.items() if not dtype.is_nested()}
        return TableFile(path, pl.read_ndjson(path, infer_schema_length=None, schema_overrides=flat))
    except PolarsError:
        return _read_jsonl_by_line(path)


def _read_jsonl_by_line(path: Path) -> TableFile:
    """The slow way round, for files with lines that are not JSON objects or bytes that are not UTF-8."""
    records, damaged = [], []
    for number, line in enumerate(path.read_bytes().decode("utf-8-sig", "replace").split("\n"), start=1):
        if not line.strip():
            continue
        try:
            records.append({str(key): _json_text(value) for key, value in json.loads(line, parse_int=str).items()})
        except (ValueError, AttributeError, RecursionError):
            damaged.append(f"line {number}: {line[:60]}")
    if not records and damaged:
        raise ValueError(f"no line that is a JSON object, such as {damaged[0]}")
    if not records:
        raise NoDataError("no records")
    names = list(dict.fromkeys(name for record in records for name in record))
    frame = pl.DataFrame(
        {name: [record.get(name) for record in records] for name in names}, dict.fromkeys(names, pl.String)
    )
    read = _decoded(path, frame) if not _is_utf8(path) else TableFile(path, frame)
    return TableFile(
        path, frame, read.undecodable, read.undecodable_example, len(damaged), damaged[0] if damaged else ""
    )


def _json_text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return "|".join(value)
    return json.dumps(value)


def _decoded(path: Path, frame: pl.DataFrame) -> TableFile:
    """The frame, with the rows counted in which bytes were replaced."""
    texts = [name for name, dtype in frame.schema.items() if dtype == pl.String]
    broken = frame.select(pl.any_horizontal(pl.col(name).str.contains(REPLACEMENT, literal=True) for name in texts))
    rows = broken.to_series().fill_null(False).arg_true()
    example = ", ".join(str(value) for value in frame.row(rows[0])) if len(rows) else ""
    return TableFile(path, frame, len(rows), example)


def _is_utf8(path: Path) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")()
    with cast("BinaryIO", (gzip.open if path.name.lower().endswith(".gz") else open)(path, "rb")) as file:
        try:
            while block := file.read(1 << 20):
                decoder.decode(block)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return False
    return True


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:12])
    return shown + (f" and {len(names) - 12} more" if len(names) > 12 else "") or "none"
