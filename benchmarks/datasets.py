"""The datasets of the tables: found among what is at hand, prepared by Driftline's own command, kept in the cache."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from benchmarks.machine import python
from driftline.data.bundled import bundled_names, prepare_bundled
from driftline.data.split import id_hashes
from driftline.data.tables import find_table, read_table
from driftline.data.vocabulary import Vocabulary
from driftline.errors import DatasetError, RequestError

DRIFTLINE = (python(), "-c", "from driftline.cli import main; main()")
"""Driftline's command, from the interpreter that runs the benchmark."""


@dataclass(frozen=True)
class Named:
    """A published dataset: its file, what stands beside it, the archive that may hold it, how it is prepared."""

    file: str
    archive: str
    prepare: tuple[str, ...]
    beside: tuple[str, ...] = ()


def _s3rec(name: str, archive: str, *, attributes: bool) -> Named:
    beside = (f"{name}_item2attributes.json",) if attributes else ()
    return Named(f"{name}.txt", archive, ("--as", "s3rec"), beside)


_CUTS = {
    "beauty": ("Beauty", "amazon_beauty_s3rec_time"),
    "toys": ("Toys_and_Games", "amazon_toys_s3rec"),
    "yelp": ("Yelp", "yelp_s3rec_time_text"),
    "lastfm": ("LastFM", "lastfm_s3rec"),
}

NAMED: Mapping[str, Named] = {
    **{name: _s3rec(*cut, attributes=True) for name, cut in _CUTS.items()},
    **{f"{name}-ids": _s3rec(*cut, attributes=False) for name, cut in _CUTS.items()},
    "ml-1m": Named(
        "ml1m_ordered_sequences.tsv.gz",
        "ml-1m_ordered",
        ("--as", "csv", "--map", "user_id=user_id", "--map", "item_id=movie_id"),
    ),
}
"""By short name; `-ids` is the same data without its items' attributes."""

MAX_LENGTH = {"ml-1m": 200}
"""How much of a history the papers read, where it is not 50."""


def folder_of(name: str, source: Path | None, cache: Path) -> Path:
    """The dataset folder of a name, prepared if it is not there, or the folder itself where a path is given."""
    if name in bundled_names():
        place = cache / "datasets" / name
        return place if place.exists() else prepare_bundled(name, place)
    if name not in NAMED:
        if (Path(name) / "dataset.toml").is_file() or any(Path(name).glob("events.*")):
            return Path(name)
        raise RequestError(f"expected a dataset folder or one of {', '.join((*bundled_names(), *NAMED))}, got {name!r}")
    out = cache / "datasets" / name
    if not out.exists():
        known = NAMED[name]
        place = cache / "sources" / name
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
        for file in (known.file, *known.beside):
            shutil.copy(find(file, known.archive, source, cache), place)
        driftline("prepare", str(place), *known.prepare, "--out", str(out))
    return out


def find(file: str, archive: str, source: Path | None, cache: Path) -> Path:
    """A file by name under the source folder, or within an archive there, which is unpacked into the cache."""
    if source is None or not source.is_dir():
        raise RequestError(f"expected a folder that holds {file} or {archive}.tar.zst, got {source}; set --source")
    unpacked = cache / "unpacked" / archive
    packed = next(source.rglob(f"{archive}.tar.zst"), None)
    found = next(source.rglob(file), None) or (next(unpacked.rglob(file), None) if unpacked.exists() else None)
    if found is None and packed is not None:
        unpacked.mkdir(parents=True, exist_ok=True)
        subprocess.run(["tar", "--zstd", "-xf", str(packed), "-C", str(unpacked)], check=True)  # noqa: S607
        found = next(unpacked.rglob(file), None)
    if found is None:
        raise DatasetError(f"expected {file} or {archive}.tar.zst under {source}, got neither; see --source")
    return found


def driftline(*arguments: str) -> str:
    """Run Driftline's command; DatasetError with its last line where it fails."""
    done = subprocess.run([*DRIFTLINE, *arguments], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        said = [line for line in done.stderr.splitlines() if line.strip()]
        raise DatasetError(said[-1] if said else f"driftline {arguments[0]} failed without a word")
    return done.stdout


def some_users(folder: Path, n_users: int | None, cache: Path) -> Path:
    """A folder with the events of some users alone, those whose ids have the lowest hashes; all where None is asked."""
    if n_users is None:
        return folder
    digest = hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:6]  # two folders may have one name
    out = cache / "datasets" / f"{folder.name}-{n_users}-users-{digest}"
    if not out.exists():
        table = find_table(folder, "events")
        if table is None:
            raise DatasetError(f"expected a table of events in {folder}, got none; is it a dataset folder?")
        events = read_table(table).frame
        users = Vocabulary(events["user_id"].unique().sort())
        chosen = users.ids[np.argsort(id_hashes(users))[:n_users]]
        settings = folder / "dataset.toml"
        text = settings.read_text(encoding="utf-8") if settings.exists() else ""
        _write(events.filter(pl.col("user_id").is_in(list(chosen))), text, out)
    return out


def write_folder(frame: pl.DataFrame, out: Path, **settings: object) -> None:
    """A dataset folder from events with `time` in microseconds; settings that are None are left out."""
    lines = [f"{key} = {_toml(value)}\n" for key, value in settings.items() if value is not None]
    _write(frame.with_columns(pl.col("time").cast(pl.Datetime("us", "UTC"))), "".join(lines), out)


def _write(events: pl.DataFrame, settings: str, out: Path) -> None:
    """Write beside and rename: what was interrupted is not taken for a dataset."""
    draft = out.with_name(f".{out.name}-draft")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    events.write_parquet(draft / "events.parquet")
    (draft / "dataset.toml").write_text(settings, encoding="utf-8")
    draft.rename(out)


def _toml(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else f'"{value}"'
