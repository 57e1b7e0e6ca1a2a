"""Run a command and know what it cost: CPU-seconds and peak memory of it and of all that it started.

The command is started by a small process of its own, which is this file: the kernel hands a child the peak of the
parent that it was forked from, and a parent that holds a dataset would spoil the figure.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Measured:
    """What a command said and cost; `peak_bytes` is the largest of its processes."""

    stdout: str
    stderr: str
    code: int
    cpu_seconds: float
    wall_seconds: float
    peak_bytes: int

    @property
    def failure(self) -> str | None:
        """Why it failed, in its own last words; None where it did not."""
        if self.code == 0:
            return None
        said = [line.strip() for line in self.stderr.splitlines() if line.strip()]
        return f"exit code {self.code}: {said[-1] if said else 'it said nothing'}"

    def document(self) -> dict[str, Any]:
        """The JSON document on its last line; ValueError where there is none."""
        lines = [line for line in self.stdout.splitlines() if line.strip()]
        if not lines:
            raise ValueError("expected one line of JSON, got nothing")
        try:
            found = json.loads(lines[-1])
        except json.JSONDecodeError:
            raise ValueError(f"expected one line of JSON, got {lines[-1][:120]!r}") from None
        if not isinstance(found, dict):
            raise ValueError(f"expected a JSON object, got {lines[-1][:120]!r}")
        return found


def run(command: Sequence[str], *, environment: Mapping[str, str] | None = None, cwd: Path | None = None) -> Measured:
    """Run a command to its end."""
    with tempfile.TemporaryDirectory() as folder:
        cost = Path(folder) / "cost.json"
        done = subprocess.run(
            [sys.executable, "-I", str(Path(__file__).resolve()), str(cost), *command],
            env=environment,
            cwd=cwd,
            capture_output=True,
            text=True,
            check=False,
        )
        if not cost.exists():
            return Measured(done.stdout, done.stderr, done.returncode or 1, 0.0, 0.0, 0)
        return Measured(done.stdout, done.stderr, **json.loads(cost.read_text(encoding="utf-8")))


def _main(cost: str, command: Sequence[str]) -> None:
    began = time.perf_counter()
    process = subprocess.Popen(command)
    _, status, usage = os.wait4(process.pid, 0)
    found = {
        "code": os.waitstatus_to_exitcode(status),
        "cpu_seconds": usage.ru_utime + usage.ru_stime,
        "wall_seconds": time.perf_counter() - began,
        "peak_bytes": usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024),
    }
    Path(cost).write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    _main(sys.argv[1], sys.argv[2:])
