"""A dataset folder is written whole or not at all, and never over what is not one."""

from __future__ import annotations

import errno
import os
import tomllib

import polars as pl
import pytest

from driftline.data.formats.prepared import Prepared
from driftline.data.prepare import prepare, to_toml, write_dataset
from driftline.errors import DatasetError, RequestError, SaveError

ONE = Prepared({"events": pl.DataFrame({"user_id": ["1"], "item_id": ["2"], "time": ["2024-01-01"]})}, {"name": "one"})


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_tables_and_settings_are_written(tmp_path):
    write_dataset(ONE, tmp_path / "deep" / "out")
    assert names(tmp_path / "deep") == ["out"]
    assert names(tmp_path / "deep" / "out") == ["dataset.toml", "events.parquet"]
    assert (tmp_path / "deep" / "out").stat().st_mode & 0o777 == 0o755


def test_what_is_there_is_kept_unless_it_may_be_overwritten(tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    write_dataset(ONE, out)
    with pytest.raises(DatasetError, match="--overwrite"):
        write_dataset(ONE, out)
    two = Prepared({**ONE.tables, "users": pl.DataFrame({"user_id": ["1"]})}, {"name": "two"})
    write_dataset(two, out, overwrite=True)
    assert names(out) == ["dataset.toml", "events.parquet", "users.parquet"]
    assert names(tmp_path) == ["out"]


def test_a_folder_of_something_else_is_never_overwritten(tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(DatasetError, match=r"thesis\.txt"):
        write_dataset(ONE, tmp_path, overwrite=True)
    with pytest.raises(DatasetError, match="expected a new folder, got the file"):
        write_dataset(ONE, tmp_path / "thesis.txt", overwrite=True)
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_a_source_within_the_folder_to_write_is_refused(tmp_path):
    (tmp_path / "events.csv").write_text("user_id,item_id,time\n1,2,2024-01-01\n")
    with pytest.raises(DatasetError, match="would be overwritten"):
        prepare(tmp_path / "events.csv", "csv", tmp_path, overwrite=True)
    assert names(tmp_path) == ["events.csv"]


@pytest.mark.parametrize("failing", ["write_parquet", "replace"])
def test_a_full_disk_leaves_what_was_there(tmp_path, monkeypatch, failing):
    out = tmp_path / "out"
    write_dataset(ONE, out)
    before = (out / "events.parquet").read_bytes()

    def full(self, *_, **__):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    if failing == "write_parquet":
        monkeypatch.setattr(pl.DataFrame, "write_parquet", full)
    else:
        path_type, replace = type(out), type(out).replace
        monkeypatch.setattr(
            path_type, "replace", lambda self, to: full(self) if ".partial" in self.name else replace(self, to)
        )
    with pytest.raises(SaveError, match="No space left on device"):
        write_dataset(ONE, out, overwrite=True)
    assert (out / "events.parquet").read_bytes() == before
    assert names(tmp_path) == ["out"]


def test_nothing_readable_is_an_error_and_writes_nothing(tmp_path):
    (tmp_path / "users_interactions.csv").write_text(
        "timestamp,eventType,contentId,personId,sessionId\nsoon,VIEW,1,2,3\n"
    )
    with pytest.raises(DatasetError, match="1 unreadable_time such as soon, VIEW, 1, 2, 3"):
        prepare(tmp_path, "deskdrop", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_formats_and_options_that_do_not_go_together_are_refused(tmp_path):
    with pytest.raises(RequestError, match=r"expected a format among online-retail, .* got 'parquet'"):
        prepare(tmp_path, "parquet", tmp_path / "out")
    with pytest.raises(RequestError, match="--as csv"):
        prepare(tmp_path, "mind", tmp_path / "out", event="view")


def test_settings_survive_toml():
    document = {
        "name": 'a "quoted" näme\n',
        "order_only": True,
        "events": {"comment created": {"weight": 0.5, "target": False}, "view": {"weight": 2}},
        "columns": {"events": {"user_id": "Kunde"}},
    }
    assert tomllib.loads(to_toml(document)) == document
