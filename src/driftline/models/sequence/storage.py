"""A sequence model on disk: `model.json` beside `network.safetensors` (weights and columns)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from driftline.errors import RunError, SaveError
from driftline.models.sequence.network import Network, network_from
from driftline.models.sequence.settings import SequenceSettings
from driftline.models.storage import read_header, settings_from, write_header

FILE = "network.safetensors"
WEIGHTS = "network."
"""What the names of the network's weights begin with."""


def write_sequence(
    folder: Path,
    settings: SequenceSettings,
    facts: Mapping[str, Any],
    network: Network,
    arrays: Mapping[str, NDArray[Any]],
) -> None:
    """Write weights and arrays, then the header, into an existing folder."""
    weights = {WEIGHTS + name: value.numpy() for name, value in network.state_dict().items()}
    columns = {name: np.ascontiguousarray(column) for name, column in arrays.items()}
    # Where a training kept its checkpoints is over with it, and two fits of the same are to be the same files.
    told = {name: value for name, value in asdict(settings).items() if name != "checkpoints"}
    try:
        (folder / FILE).write_bytes(save(weights | columns))
        write_header(folder, settings.name, {"settings": told, "facts": dict(facts)}, [folder / FILE])
    except OSError as error:
        raise SaveError(
            f"could not write model {settings.name}: {error.strerror}; free some space and save again"
        ) from error


def read_sequence(
    folder: Path, kind: type[SequenceSettings]
) -> tuple[SequenceSettings, dict[str, Any], Network, dict[str, NDArray[Any]]]:
    """Settings, facts, network and arrays of a saved model; RunError where anything is missing, altered or odd."""
    header = read_header(folder, kind.name)
    try:
        settings = settings_from(kind, header["settings"], kind.name)
        stored = load_file(folder / FILE)
        weights = {name.removeprefix(WEIGHTS): stored.pop(name) for name in list(stored) if name.startswith(WEIGHTS)}
        return settings, dict(header["facts"]), network_from(settings, weights), stored
    except (OSError, SafetensorError, KeyError, TypeError, RuntimeError) as error:
        raise RunError(f"expected a whole {FILE} of model {kind.name}, got {error!r}; fit again") from error
