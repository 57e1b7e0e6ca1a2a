"""Interests on disk: one JSON document and one NPZ of plain arrays, tied together by a checksum."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from driftline.data.files import file_sha256
from driftline.errors import RunError, SaveError

FORMAT = 1
"""Raised when a file written before can no longer be read."""

Arrays = Mapping[str, NDArray[Any]]


def write_part(folder: Path, name: str, document: Mapping[str, Any], arrays: Arrays) -> None:
    """Write `NAME.npz` and then `NAME.json`, which holds its checksum, into a folder; SaveError where that fails."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / f"{name}.npz").open("wb") as file:
            np.savez(file, allow_pickle=False, **dict(arrays))
        whole = {"format": FORMAT, "sha256": file_sha256(folder / f"{name}.npz"), "document": dict(document)}
        text = json.dumps(whole, allow_nan=False, indent=1)
        (folder / f"{name}.json").write_text(text, encoding="utf-8")
    except OSError as error:
        raise SaveError(
            f"could not write {name} to {folder}: {error.strerror}; free some space and save again"
        ) from error


def read_part(folder: Path, name: str) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Document and arrays that `write_part` wrote; RunError where they are damaged or of another format."""
    try:
        whole = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
        if whole["format"] != FORMAT:
            raise RunError(f"expected {name} in format {FORMAT} in {folder}, got {whole['format']}; fit again")
        if file_sha256(folder / f"{name}.npz") != whole["sha256"]:
            raise RunError(f"expected {name}.npz as it was saved in {folder}, got an altered one; fit again")
        with np.load(folder / f"{name}.npz", allow_pickle=False) as archive:
            return dict(whole["document"]), {key: archive[key] for key in archive.files}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunError(f"expected a whole {name}.json and {name}.npz in {folder}, got {error!r}; fit again") from error
