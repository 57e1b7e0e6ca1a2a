"""What several rooms of tests share: the development data, which is not part of the repository."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings

# What a property needs of time is a matter of the machine and of what else it does.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")


@pytest.fixture(scope="session")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Unpacks an archive of the development data by name; skips where there is none, or nothing that unpacks it."""
    data = os.environ.get("DRIFTLINE_DEV_DATA")
    if not data:
        pytest.skip("DRIFTLINE_DEV_DATA is unset: the folder with archives of published sets")
    tar = shutil.which("tar")
    if tar is None or shutil.which("zstd") is None:
        pytest.skip("tar and zstd are needed to unpack the archives of DRIFTLINE_DEV_DATA")

    def unpack(name: str) -> Path:
        folder = tmp_path_factory.mktemp(name)
        subprocess.run([tar, "--zstd", "-xf", str(Path(data) / f"{name}.tar.zst"), "-C", str(folder)], check=True)
        return folder

    return unpack
