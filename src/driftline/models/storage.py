"""A fitted model on disk: `model.json` (settings, version, checksums) beside arrays; data, never code."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from driftline.data.files import file_sha256
from driftline.errors import RunError, SaveError, SettingsError

FORMAT = 2
"""Raised when a file written before can no longer be read."""

HEADER = "model.json"
SEAL = "header_sha256"

S = TypeVar("S")


def write_model(folder: Path, name: str, settings: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write arrays, then the header with their checksum, into an existing folder."""
    try:
        path = folder / "arrays.npz"
        np.savez(path, allow_pickle=False, **dict(arrays))
        write_header(folder, name, settings, [path])
    except OSError as error:
        raise SaveError(f"could not write model {name}: {error.strerror}; free some space and save again") from error


def write_header(folder: Path, name: str, settings: Mapping[str, Any], files: list[Path]) -> None:
    """Write `model.json`: what the model is and what its files must hash to."""
    header = {
        "format": FORMAT,
        "model": name,
        "settings": dict(settings),
        "sha256": {file.name: file_sha256(file) for file in files},
    }
    (folder / HEADER).write_text(sealed(header), encoding="utf-8")


def sealed(header: Mapping[str, Any]) -> str:
    """The text of a header with the hash of itself at its end, so that no byte of it can change unnoticed."""
    body = json.dumps(header, indent=2, allow_nan=False)
    return json.dumps({**header, SEAL: hashlib.sha256(body.encode()).hexdigest()}, indent=2, allow_nan=False)


def read_model(folder: Path, name: str) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Settings and arrays of a saved model, after checking version and checksums."""
    settings = read_header(folder, name)
    try:
        with np.load(folder / "arrays.npz", allow_pickle=False) as archive:
            return settings, {key: archive[key] for key in archive.files}
    except (OSError, ValueError) as error:
        raise RunError(f"expected a whole arrays.npz for model {name}, got {error}; fit again") from error


def read_header(folder: Path, name: str) -> dict[str, Any]:
    """Settings of a saved model; RunError where a file is missing, altered, of another model or another version."""
    try:
        text = (folder / HEADER).read_text(encoding="utf-8")
        header = json.loads(text)
        seal = header.pop(SEAL, None)
        format_, model, sums = header["format"], header["model"], dict(header["sha256"])
        settings = dict(header["settings"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise RunError(f"expected a readable {HEADER} for model {name}, got {error!r}; fit again") from error
    if format_ != FORMAT or model != name:
        raise RunError(f"expected model {name} in format {FORMAT}, got {model} in format {format_}; fit again")
    if seal is None or sealed(header) != text:
        raise RunError(f"expected {HEADER} of model {name} as it was saved, got an altered one; fit again")
    for file, expected in sums.items():
        path = folder / Path(file).name
        if not path.is_file() or file_sha256(path) != expected:
            raise RunError(f"expected {file} of model {name} as it was saved, got a missing or altered one; fit again")
    return settings


def settings_from(kind: type[S], settings: Mapping[str, Any], name: str) -> S:
    """The settings class of a saved model; RunError where its keywords are not those of this version."""
    try:
        return kind(**settings)
    except (TypeError, SettingsError) as error:
        raise RunError(f"expected settings of model {name} of this version, got {error}; fit again") from error


def sparse_arrays(name: str, matrix: sparse.csr_matrix) -> dict[str, NDArray[Any]]:
    """A sparse matrix as plain arrays under `name.*`."""
    return {
        f"{name}.data": matrix.data,
        f"{name}.indices": matrix.indices,
        f"{name}.indptr": matrix.indptr,
        f"{name}.shape": np.array(matrix.shape, np.int64),
    }


def sparse_from(arrays: Mapping[str, NDArray[Any]], name: str) -> sparse.csr_matrix:
    """The sparse matrix that `sparse_arrays` took apart."""
    parts = (arrays[f"{name}.data"], arrays[f"{name}.indices"], arrays[f"{name}.indptr"])
    rows, columns = arrays[f"{name}.shape"]
    return sparse.csr_matrix(parts, shape=(int(rows), int(columns)))
