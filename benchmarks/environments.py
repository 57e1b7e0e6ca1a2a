"""Environments of the peers: made at benchmark time from the requirement files in `peers/`, kept in the cache."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

PEERS = Path(__file__).resolve().parent / "peers"


class EnvironmentFailedError(Exception):
    """A peer's environment could not be made; the message is what the installer said last."""


def ensure(name: str, cache: Path) -> Path:
    """The interpreter of a peer's environment, made if it is not there; EnvironmentFailedError where that fails.

    The folder's name holds a digest of the requirement file and of our Python, so another version is another folder.
    """
    requirements = PEERS / f"{name}.txt"
    digest = hashlib.sha256(requirements.read_bytes() + sys.version.encode()).hexdigest()[:10]
    folder = cache / "environments" / f"{name}-{digest}"
    python, ready = folder / "bin" / "python", folder / ".ready"
    if not ready.exists():
        shutil.rmtree(folder, ignore_errors=True)
        _say([sys.executable, "-m", "venv", str(folder)])
        install(python, requirements)
        ready.touch()
    return python


def install(python: Path, requirements: Path) -> None:
    """Install the requirements with the CPU build of torch: from pip where it offers one, else through uv.

    The GPU build would be several gigabytes that nothing here uses.
    """
    pip = [str(python), "-m", "pip", "--disable-pip-version-check"]
    torch = next(line for line in requirements.read_text(encoding="utf-8").splitlines() if line.startswith("torch=="))
    offered = subprocess.run(
        [*pip, "install", "--dry-run", "--no-deps", torch], capture_output=True, text=True, check=False
    )
    if "+cpu" not in offered.stdout:
        _say([*pip, "install", "-q", "uv"])
        _say([str(python.parent / "uv"), "pip", "install", "-q", "--python", str(python), "--torch-backend=cpu", torch])
    _say([*pip, "install", "-q", "-r", str(requirements)])


def _say(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        said = [line for line in (done.stderr + done.stdout).splitlines() if line.startswith("ERROR")]
        raise EnvironmentFailedError(said[-1] if said else f"exit code {done.returncode} of {command[-1]}")
