"""Checks of saving: equal after loading, here and in another process; damage is seen; data, never code."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

from driftline.errors import RunError
from driftline.testing.case import Case, check, require
from driftline.testing.elsewhere import UNSEEN

PERMITTED = frozenset({".json", ".npz", ".safetensors", ".parquet"})
"""Endings of the files that a model may write: data that cannot carry code."""


@check
def a_saved_model_scores_alike(case: Case, folder: Path) -> None:
    """What is loaded scores like what was saved, bit for bit, and has the same settings."""
    before = case.scores
    case.fitted.save(folder)
    loaded = case.read(folder)
    require(type(loaded) is type(case.fitted), "load must return the class that was saved")
    require(np.array_equal(loaded.score(case.asked), before), "a loaded model must score as it did before")
    require(loaded.settled() == case.fitted.settled(), "a loaded model must have the settings of the saved one")


@check
def another_process_loads_it(case: Case, folder: Path) -> None:
    """A fresh interpreter loads the model and scores alike; passed over for a class that only this one can see."""
    kind = type(case.fitted)
    if case.load is not None or kind.__module__ == "__main__":
        return
    case.fitted.save(folder)
    answer = folder / "answer.npy"
    command = [sys.executable, "-m", "driftline.testing.elsewhere", kind.__module__, kind.__qualname__, str(folder)]
    done = subprocess.run([*command, str(answer)], capture_output=True, text=True, check=False)  # noqa: S603  # our own
    if done.returncode == UNSEEN:
        return
    require(done.returncode == 0, f"another process must be able to load the model, got: {done.stderr.strip()}")
    scores = np.load(answer, allow_pickle=False)
    scale = max(float(np.abs(case.scores).max()), 1e-30)
    alike = np.allclose(scores, case.scores, rtol=1e-4, atol=1e-5 * scale)
    require(alike, "a model must score the same in another process")


@check
def only_data_is_written(case: Case, folder: Path) -> None:
    """JSON, NPZ, safetensors, Parquet: nothing else is written."""
    case.fitted.save(folder)
    written = [path for path in folder.rglob("*") if path.is_file()]
    strange = sorted(path.name for path in written if path.suffix not in PERMITTED)
    require(bool(written), "save must write something")
    require(not strange, f"only {', '.join(sorted(PERMITTED))} may be written, got {', '.join(strange)}")


@check
def damage_is_refused(case: Case, folder: Path) -> None:
    """A flipped byte, a shortened or missing file, another version, another model or no file at all: RunError."""
    whole, broken = folder / "whole", folder / "broken"
    whole.mkdir()
    case.fitted.save(whole)
    for path in sorted(path.relative_to(whole) for path in whole.rglob("*") if path.is_file()):
        for what, damage in DAMAGES.items():
            shutil.copytree(whole, broken)
            damage(broken / path)
            _require_refused(case, broken, f"{path} {what}")
            shutil.rmtree(broken)
    _require_refused(case, folder / "nowhere", "a folder that is not there")


def _require_refused(case: Case, folder: Path, what: str) -> None:
    try:
        case.read(folder)
    except RunError as error:
        require("\n" not in str(error), f"the error about {what} must be one line")
        return
    raise AssertionError(f"expected RunError for {what}, but it was loaded")


def _flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))


def _shorten(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _another_version(path: Path) -> None:
    if path.suffix != ".json":
        return _flip(path)
    document = json.loads(path.read_text(encoding="utf-8"))
    document["format"] = 0
    path.write_text(json.dumps(document, indent=2), encoding="utf-8")
    return None


DAMAGES: dict[str, Callable[[Path], None]] = {
    "with a flipped bit": _flip,
    "cut in half": _shorten,
    "missing": Path.unlink,
    "of another version": _another_version,
}
"""What is done to each file in turn."""
