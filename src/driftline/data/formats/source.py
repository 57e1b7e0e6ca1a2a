"""The source of a preparation: a file, a folder or an archive, as published; files are found in it by name."""

from __future__ import annotations

import shutil
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from driftline.errors import DatasetError

ARCHIVES = (".zip", ".tar.gz", ".tgz", ".tar")

_MAX_UNPACKED_BYTES = 64 << 30
_MAX_FILES = 100_000


@dataclass(frozen=True)
class Source:
    """Files of a published dataset. `single` is the file that was named alone; those beside it may help."""

    name: str
    files: tuple[Path, ...]
    single: Path | None = None

    def find(self, *patterns: str) -> Path | None:
        """The file whose name matches a pattern (`u.data`, `*.inter`), the first pattern first, or None."""
        found = self.find_all(*patterns)
        return found[0] if found else None

    def find_all(self, *patterns: str) -> tuple[Path, ...]:
        """Every file that matches, by pattern, then the least deep; a file that was named alone stands for all."""
        lowered = [(path, path.name.lower()) for path in self.files]
        matching = [path for pattern in patterns for path, name in lowered if fnmatch(name, pattern.lower())]
        matching = list(dict.fromkeys(matching))
        return (self.single,) if self.single in matching else tuple(matching)

    def need(self, *patterns: str, what: str) -> Path:
        """The file that matches (of a source that is one file: that file); DatasetError that names what is there."""
        found = self.find(*patterns)
        if found is None or (self.single is not None and found != self.single):
            raise self.lacks(" or ".join(patterns), what)
        return found

    def lacks(self, expected: str, what: str) -> DatasetError:
        """The error of a source without a file that its format cannot do without."""
        files = (self.single,) if self.single else self.files
        there = ", ".join(path.name for path in files[:8]) or "nothing"
        more = f" and {len(files) - 8} more" if len(files) > 8 else ""
        return DatasetError(
            f"expected {expected} ({what}) in {self.name}, got {there}{more}; "
            "name the folder, file or archive as it is published, or another format with --as"
        )


@contextmanager
def open_source(path: Path) -> Iterator[Source]:
    """A file, folder, .zip or .tar.gz as a source; archives are unpacked into a temporary folder while it is used.

    DatasetError where there is no such path, or where an archive is damaged or names a place outside itself.
    """
    if path.is_dir():
        yield Source(str(path), _files_under(path))
    elif not path.is_file():
        raise DatasetError(f"expected a file, folder or archive, got {path}, which does not exist; check the path")
    elif path.name.lower().endswith(ARCHIVES):
        with tempfile.TemporaryDirectory(prefix="driftline-") as folder:
            _unpack(path, Path(folder))
            yield Source(str(path), _files_under(Path(folder)))
    else:
        beside = (one for one in sorted(path.parent.iterdir()) if one.is_file() and one != path)
        yield Source(str(path), (path, *beside), single=path)


def _files_under(folder: Path) -> tuple[Path, ...]:
    """Regular files, the least deep first; hidden ones are passed over."""
    found = [
        path
        for path in folder.rglob("*")
        if path.is_file()
        and not any(part.startswith(".") or part == "__MACOSX" for part in path.relative_to(folder).parts)
    ]
    return tuple(sorted(found, key=lambda path: (len(path.parts), str(path))))


def _unpack(archive: Path, folder: Path) -> None:
    try:
        if archive.name.lower().endswith(".zip"):
            _unzip(archive, folder)
        else:
            _untar(archive, folder)
    except (zipfile.BadZipFile, tarfile.TarError, EOFError, OSError, RuntimeError) as error:
        raise DatasetError(
            f"expected a whole and harmless archive {archive.name}, got: {error}; download it again"
        ) from None


def _unzip(archive: Path, folder: Path) -> None:
    with zipfile.ZipFile(archive) as zipped:
        entries = [entry for entry in zipped.infolist() if not entry.is_dir()]
        _check_size(archive, len(entries), sum(entry.file_size for entry in entries))
        for entry in entries:
            target = _inside(folder, entry.filename)
            target.parent.mkdir(parents=True, exist_ok=True)
            with zipped.open(entry) as read, target.open("wb") as written:
                shutil.copyfileobj(read, written)


def _untar(archive: Path, folder: Path) -> None:
    with tarfile.open(archive) as tarred:
        entries = [entry for entry in tarred if entry.isfile()]  # links and devices are never followed
        _check_size(archive, len(entries), sum(entry.size for entry in entries))
        for entry in entries:
            target = _inside(folder, entry.name)
            target.parent.mkdir(parents=True, exist_ok=True)
            read = tarred.extractfile(entry)
            if read is None:
                raise tarfile.TarError(f"an entry without content, {entry.name!r}")
            with read, target.open("wb") as written:
                shutil.copyfileobj(read, written)


def _inside(folder: Path, name: str) -> Path:
    target = (folder / name.replace("\\", "/")).resolve()
    if not target.is_relative_to(folder.resolve()):
        raise tarfile.TarError(f"an entry that points outside of it, {name!r}")
    return target


def _check_size(archive: Path, n_files: int, n_bytes: int) -> None:
    if n_files > _MAX_FILES or n_bytes > _MAX_UNPACKED_BYTES:
        raise DatasetError(
            f"expected at most {_MAX_FILES} files and {_MAX_UNPACKED_BYTES >> 30} GiB in {archive.name}, "
            f"got {n_files} and {n_bytes >> 30}; unpack it yourself and name the folder"
        )
