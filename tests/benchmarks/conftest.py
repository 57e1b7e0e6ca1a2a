"""The benchmarks are a folder of the repository and no installed package: they are found from its root."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

N_USERS, N_ITEMS = 40, 30


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset folder: 40 people who walk around a circle of 30 items, 8 steps each, an order without times."""
    path = tmp_path_factory.mktemp("circle") / "circle"
    path.mkdir()
    start = np.random.default_rng(0).integers(0, N_ITEMS, N_USERS)
    item = (start[:, None] + np.arange(8)) % N_ITEMS
    events = {
        "user_id": np.repeat(np.arange(N_USERS), 8).astype(str),
        "item_id": item.ravel().astype(str),
        "time": np.tile(np.arange(8), N_USERS),
    }
    pl.DataFrame(events).write_parquet(path / "events.parquet")
    (path / "dataset.toml").write_text('name = "circle"\nrepeats = "exclude"\norder_only = true\n', encoding="utf-8")
    return path
