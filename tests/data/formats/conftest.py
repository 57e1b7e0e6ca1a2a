"""Published layouts in small: files written as their publishers write them, and what is made of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from driftline.data.dataset import Dataset
from driftline.data.formats.prepared import Prepared
from driftline.data.prepare import prepare
from driftline.data.reading import read_dataset


@pytest.fixture
def written(tmp_path: Path) -> Callable[[dict[str, str | bytes]], Path]:
    """Write files, by their path, into a source folder."""

    def write(files: dict[str, str | bytes]) -> Path:
        folder = tmp_path / "source"
        for name, content in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return folder

    return write


@pytest.fixture
def through(tmp_path: Path, written) -> Callable[..., tuple[Prepared, Dataset]]:
    """Prepare files (or the one named by `only`) and read the folder back; rows in are rows kept and rows left out."""

    def go(format_: str, files: dict[str, str | bytes], only: str = "", **options: object) -> tuple[Prepared, Dataset]:
        out = tmp_path / "out"
        prepared = prepare(written(files) / only, format_, out, overwrite=True, **options)  # type: ignore[arg-type]
        for one in prepared.files:
            assert one.rows == one.kept + sum(left.count for left in one.left_out), one
        return prepared, read_dataset(out)

    return go


def left_out(prepared: Prepared) -> dict[str, int]:
    """How many rows were left out, by code."""
    return {left.code: left.count for one in prepared.files for left in one.left_out}


def events(dataset: Dataset) -> list[tuple[str, str, str]]:
    """User, item and kind of each event of the log, in its order."""
    log = dataset.log
    rows = zip(log.user_row, log.item_row, log.kind, strict=True)
    return [(log.users[user], log.items[item], log.kinds[kind].name) for user, item, kind in rows]


def topics(dataset: Dataset, item_id: str) -> set[str]:
    """The topics of an item."""
    row = dataset.catalog.topics[dataset.catalog.items.row(item_id)]
    return {dataset.catalog.topic_names[column] for column in row.indices}


@pytest.fixture
def look() -> tuple[Callable[..., dict[str, int]], Callable[..., list[tuple[str, str, str]]], Callable[..., set[str]]]:
    """`left_out`, `events` and `topics`, for tests."""
    return left_out, events, topics
