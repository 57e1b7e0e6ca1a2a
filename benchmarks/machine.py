"""What a table was measured on: without it a figure of speed says nothing."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS", "POLARS_MAX_THREADS")
"""Every library that would otherwise take all cores, told by the environment before it starts."""

PACKAGES = ("driftline", "numpy", "scipy", "numba", "torch", "polars")


def environment(threads: int) -> dict[str, str]:
    """The environment of a measured process: that many threads, whatever library asks."""
    return os.environ | {name: str(threads) for name in THREADS}


def describe(threads: int) -> dict[str, str]:
    """Processor, memory, versions and load, by name."""
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
    return {
        "processor": processor(),
        "cores": str(os.cpu_count()),
        "threads a process": str(threads),
        "memory": f"{memory_bytes() / 2**30:.1f} GB",
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": platform.python_version(),
        **{name: found for name in PACKAGES if (found := _version(name))},
        "commit": commit(),
        "load at the start": f"{load:.2f}",
    }


def processor() -> str:
    """The processor's name as the system gives it."""
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def memory_bytes() -> int:
    """How much memory the machine has; 0 where the system does not say."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return 0


def commit() -> str:
    """The commit that is measured, with a plus where files differ from it."""
    try:
        found = subprocess.run(
            ["git", "describe", "--always", "--dirty=+"],  # noqa: S607  # git is where PATH says
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError:
        return "unknown"
    return found.stdout.strip() or "unknown"


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def python() -> str:
    """The interpreter that holds Driftline."""
    return sys.executable
