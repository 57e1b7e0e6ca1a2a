"""From a public format to a dataset folder: read, count, write whole or not at all."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from polars.exceptions import PolarsError

from driftline.data.formats import FORMATS, reader
from driftline.data.formats.prepared import Prepared
from driftline.data.formats.source import open_source
from driftline.errors import DatasetError, RequestError, SaveError

_OURS = ("events", "items", "users", "relations", "friends", "context", "impressions", "occasions", "dataset")
_NOTICES = ("NOTICE.md", "MIT.txt", "idea_LICENSE.txt")


def prepare(
    source: Path,
    format_: str,
    out: Path,
    *,
    mapping: Mapping[str, str] | None = None,
    event: str | None = None,
    separator: str | None = None,
    overwrite: bool = False,
) -> Prepared:
    """Write a published file, folder or archive as a dataset folder; what was written, with its counts.

    `mapping` (our column to theirs), `event` and `separator` belong to the format `csv` alone. RequestError for an
    unknown format; DatasetError where the source is not what the format says or where `out` is taken; SaveError where
    writing fails: what stood at `out` before still stands.
    """
    if format_ not in FORMATS and format_ != "csv":
        raise RequestError(f"expected a format among {', '.join([*FORMATS, 'csv', 'bundled'])}, got {format_!r}")
    if format_ != "csv" and (mapping or event or separator):
        raise RequestError(f"expected --map, --event and --separator with --as csv, got --as {format_}; leave them out")
    check_free(out, overwrite=overwrite)
    if source.resolve().is_relative_to(out.resolve()):
        raise DatasetError(
            f"expected a source outside of {out}, got {source}, which would be overwritten; move it first"
        )
    with open_source(source) as opened:
        if format_ == "csv":
            from driftline.data.formats.mapped import read_mapped

            prepared = read_mapped(opened, mapping or {}, event=event, separator=separator)
        else:
            prepared = reader(format_)(opened)
        _check_events(prepared, source)
        write_dataset(prepared, out, overwrite=overwrite)
    return prepared


def _check_events(prepared: Prepared, source: Path) -> None:
    if not prepared.tables["events"].height:
        left = [f"{one.count} {one.code} such as {one.example}" for file in prepared.files for one in file.left_out]
        raise DatasetError(
            f"expected events in {source}, got none that can be read ({'; '.join(left[:2]) or 'no rows'}); "
            "check the file and the format"
        )


def check_free(out: Path, *, overwrite: bool) -> None:
    """DatasetError unless `out` is new, empty, or a dataset folder that may be overwritten."""
    if not out.exists():
        return
    if not out.is_dir():
        raise DatasetError(f"expected a new folder, got the file {out}; name another with --out")
    names = [path.name for path in out.iterdir()]
    if names and not overwrite:
        raise DatasetError(f"expected a new or empty folder, got {out}, which has files; choose another or --overwrite")
    foreign = [name for name in names if name.split(".")[0] not in _OURS and name not in _NOTICES]
    if foreign:
        raise DatasetError(
            f"expected a dataset folder to overwrite, got {out}, which also holds {min(foreign)}; choose another"
        )


def write_dataset(prepared: Prepared, out: Path, *, overwrite: bool = False) -> None:
    """Write tables as Parquet with `dataset.toml`, in a folder beside `out` that takes its name when it is whole."""
    check_free(out, overwrite=overwrite)
    out = out.absolute()
    made: list[Path] = []
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(prefix=f".{out.name}.", suffix=".partial", dir=out.parent))
        made.append(partial)
        for name, table in prepared.tables.items():
            table.write_parquet(partial / f"{name}.parquet")
        (partial / "dataset.toml").write_text(to_toml(prepared.settings), encoding="utf-8")
        for name, text in prepared.notices.items():
            (partial / name).write_text(text, encoding="utf-8")
        partial.chmod(0o755)
        _take_place(partial, out, made)
    except (OSError, PolarsError) as error:
        why = getattr(error, "strerror", None) or error
        raise SaveError(f"could not write {out}: {why}; free some space or choose another folder with --out") from error
    finally:
        for folder in made:
            shutil.rmtree(folder, ignore_errors=True)


def _take_place(partial: Path, out: Path, made: list[Path]) -> None:
    """Rename the new folder to `out`; what stood there is moved aside first and goes last."""
    if out.exists():
        old = Path(tempfile.mkdtemp(prefix=f".{out.name}.", suffix=".old", dir=out.parent))
        out.replace(old)
        try:
            partial.replace(out)
        except BaseException:  # an interrupt too must leave what was there
            old.replace(out)
            raise
        made.append(old)
    else:
        partial.replace(out)


def to_toml(document: Mapping[str, Any]) -> str:
    """A document of plain values and nested tables as TOML; JSON text is TOML text for words, numbers and booleans.

    >>> print(to_toml({"name": "shop", "events": {"view": {"weight": 0.2}}}), end="")
    name = "shop"
    <BLANKLINE>
    [events.view]
    weight = 0.2
    """
    return "\n".join(_toml_lines(document, ())) + "\n"


def _toml_lines(table: Mapping[str, Any], place: tuple[str, ...]) -> list[str]:
    plain = [f"{_key(key)} = {json.dumps(value)}" for key, value in table.items() if not isinstance(value, Mapping)]
    head = ["", "[" + ".".join(map(_key, place)) + "]"] if place and plain else []
    nested = [_toml_lines(value, (*place, key)) for key, value in table.items() if isinstance(value, Mapping)]
    return [*head, *plain, *(line for lines in nested for line in lines)]


def _key(name: str) -> str:
    return name if name.isascii() and name.replace("_", "").replace("-", "").isalnum() else json.dumps(name)
