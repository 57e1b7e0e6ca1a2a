"""Where a training stands after an epoch, so that one that was ended from outside goes on as if nothing had been."""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from scipy import sparse
from torch import Tensor

from driftline.data.files import replace_bytes
from driftline.errors import RunError
from driftline.models.sequence.settings import SequenceSettings
from driftline.models.sequence.steps import Steps

_ASIDE = ("minutes", "log_dir", "checkpoints", "threads", "device")
"""Settings under which a training may go on though they have changed."""


@dataclass(frozen=True)
class Checkpoint:
    """One file under `checkpoints`, named by settings, seed and data: another training never reads it."""

    file: Path

    @classmethod
    def of(
        cls,
        settings: SequenceSettings,
        windows: Steps,
        seed: int,
        *,
        judged: bool,
        attributes: sparse.csr_matrix | None = None,
    ) -> Checkpoint | None:
        """The checkpoint of this training; None where no folder is set."""
        if settings.checkpoints is None:
            return None
        told = {key: value for key, value in asdict(settings).items() if key not in _ASIDE}
        digest = hashlib.sha256(json.dumps([settings.name, told, seed, judged], sort_keys=True).encode())
        shared = () if attributes is None else (attributes.data, attributes.indices, attributes.indptr)
        for part in (windows.item, windows.step, windows.sequence, windows.time_us, *shared):
            digest.update(np.ascontiguousarray(part).tobytes())
        return cls(Path(settings.checkpoints) / f"{settings.name}-{digest.hexdigest()[:16]}.safetensors")

    def save(self, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
        """Write it whole or not at all; SaveError where it cannot be written, and the one before stays."""
        told = json.dumps(facts)
        metadata = {"facts": told, "checksum": _checksum(tensors, told)}
        replace_bytes(self.file, save(dict(tensors), metadata=metadata))

    def load(self) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
        """What was saved; None where nothing was. RunError where the file is damaged."""
        if not self.file.exists():
            return None
        try:
            with safe_open(self.file, framework="pt") as opened:
                metadata = opened.metadata() or {}
                told, checksum = metadata["facts"], metadata["checksum"]
                tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118  # no mapping
        except (OSError, SafetensorError, KeyError) as error:
            raise self.unfit(f"{error!r}") from error
        if _checksum(tensors, told) != checksum:
            raise self.unfit("an altered one")
        return tensors, json.loads(told)

    def unfit(self, what: str) -> RunError:
        """The error where the file is not one that this training can go on from."""
        return RunError(f"expected a checkpoint of this training in {self.file}, got {what}; remove it to start anew")

    def forget(self) -> None:
        """Training is over: what it would go on from is not needed."""
        self.file.unlink(missing_ok=True)


def _checksum(tensors: Mapping[str, Tensor], facts: str) -> str:
    """Of names, shapes and bytes: weights have no grammar that a damaged one would break."""
    crc = zlib.crc32(facts.encode())
    for name in sorted(tensors):
        crc = zlib.crc32(f"{name} {tuple(tensors[name].shape)}".encode(), crc)
        crc = zlib.crc32(tensors[name].contiguous().numpy().data, crc)
    return f"{crc:08x}"


def optimizer_tensors(optimizer: torch.optim.Optimizer, name: str) -> dict[str, Tensor]:
    """The state of an optimizer as plain tensors: `NAME.PARAMETER.KEY`."""
    state = optimizer.state_dict()["state"]
    return {
        f"{name}.{number}.{key}": torch.as_tensor(value).contiguous().clone()
        for number, values in state.items()
        for key, value in values.items()
    }


def restore_optimizer(optimizer: torch.optim.Optimizer, name: str, tensors: Mapping[str, Tensor]) -> None:
    """Put back what `optimizer_tensors` took apart."""
    whole = optimizer.state_dict()
    state: dict[int, dict[str, Any]] = {}
    for key, value in tensors.items():
        if key.startswith(f"{name}."):
            number, what = key.removeprefix(f"{name}.").split(".")
            state.setdefault(int(number), {})[what] = (
                value if what != "step" or value.is_floating_point() else int(value)
            )
    optimizer.load_state_dict({**whole, "state": state})
