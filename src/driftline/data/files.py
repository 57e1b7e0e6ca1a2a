"""Files on disk: text that is replaced whole or not at all, and what tells whether a file was altered."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path

from driftline.errors import SaveError


def replace_text(path: Path, text: str) -> None:
    """Replace a file by a text in UTF-8, as `replace_bytes` does."""
    replace_bytes(path, text.encode())


def replace_bytes(path: Path, content: bytes) -> None:
    """Write beside, flush to disk, rename: a reader sees the old file or the new one, whole.

    SaveError where that fails; what was there is then as it was.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, draft = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.chmod(draft, 0o644)  # noqa: PTH101  # for everybody who can read the folder, as any other file
            Path(draft).replace(path)
        finally:
            Path(draft).unlink(missing_ok=True)
        sync(path.parent)
    except OSError as error:
        raise SaveError(
            f"could not write {path}: {error.strerror or error}; what was there is untouched, free space and try again"
        ) from error


def sync(path: Path) -> None:
    """Flush a file, or the entries of a folder, to disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def file_sha256(path: Path) -> str:
    """The SHA-256 of a file's bytes, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
