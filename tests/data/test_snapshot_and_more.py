"""A snapshot gives back the same dataset; more events extend it, and the same events twice add nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from driftline.data.dataset import Dataset
from driftline.data.more import appended, read_more_events, with_events
from driftline.data.reading import read_dataset
from driftline.data.snapshot import HEADER, read_snapshot, write_snapshot
from driftline.errors import DatasetError, RunError, SaveError
from driftline.types import US_PER_DAY, parse_time

DAY = parse_time("2011-01-01")

EVENTS = """user_id,item_id,time,event,value,session_id,colour,score
u 1,a,2011-01-02,buy,2.5,s1,red,1
u 1,"b, c",2011-01-01,view,,s1,blue,2
😀,a,2011-01-03T10:00:00.000001,return,-1,,,3.5
"""
ITEMS = 'item_id,title,topics,available_from,price,code\na,"A ""title""",x|y|z,2010-05-01,3,007\nz,,y,,,1\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "data"
    place.mkdir()
    (place / "events.csv").write_text(EVENTS, encoding="utf-8")
    (place / "items.csv").write_text(ITEMS)
    (place / "users.csv").write_text("user_id,age\nu 1,30\n")
    (place / "context.csv").write_text("time,name,value\n2011-01-01,heat,0.1\n")
    (place / "occasions.csv").write_text("name,start,kind\nnew year,2011-01-01,holiday\n")
    (place / "dataset.toml").write_text('name = "täst"\nrepeats = "allow"\n[events.view]\nweight = 0.1\n')
    return place


def assert_same(left: Dataset, right: Dataset) -> None:
    for name in ("users", "items", "kinds"):
        assert getattr(left.log, name) == getattr(right.log, name)
    for name in ("user_row", "item_row", "time_us", "kind", "value"):
        one, other = getattr(left.log, name), getattr(right.log, name)
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)
    for one, other in [(left.log.extra, right.log.extra), (left.catalog.attributes, right.catalog.attributes)]:
        assert (one is None) == (other is None)
        if one is not None and other is not None:
            assert_frame_equal(one, other, check_exact=True)
    for name in ("title", "text", "listed", "available_from_us"):
        np.testing.assert_array_equal(getattr(left.catalog, name), getattr(right.catalog, name))
    for name in ("data", "indices", "indptr", "shape"):
        np.testing.assert_array_equal(getattr(left.catalog.topics, name), getattr(right.catalog.topics, name))
    for name in ("name", "repeats", "order_only", "report", "settings"):
        assert getattr(left, name) == getattr(right, name)
    assert left.catalog.topic_names == right.catalog.topic_names
    for name in ("users", "relations", "friends", "context", "occasions", "impressions"):
        one, other = getattr(left, name), getattr(right, name)
        assert (one is None) == (other is None)
        if one is not None:
            assert_frame_equal(one, other, check_exact=True)


def test_a_snapshot_gives_back_the_same_dataset_bit_for_bit(folder: Path, tmp_path: Path) -> None:
    dataset = read_dataset(folder)
    write_snapshot(dataset, tmp_path / "run")
    again = read_snapshot(tmp_path / "run")
    assert_same(dataset, again)
    write_snapshot(again, tmp_path / "second")
    for path in (tmp_path / "run").iterdir():
        assert path.read_bytes() == (tmp_path / "second" / path.name).read_bytes()


def test_a_snapshot_without_any_side_table_round_trips(tmp_path: Path) -> None:
    (tmp_path / "events.csv").write_text("user_id,item_id,time\nu,a,2011-01-01\n")
    dataset = read_dataset(tmp_path)
    write_snapshot(dataset, tmp_path / "run")
    assert_same(dataset, read_snapshot(tmp_path / "run"))


@pytest.mark.parametrize("name", [HEADER, "log.parquet", "user_ids.parquet", "topics.parquet", "table_users.parquet"])
def test_a_damaged_snapshot_is_refused_in_one_line(folder: Path, tmp_path: Path, name: str) -> None:
    write_snapshot(read_dataset(folder), tmp_path / "run")
    (tmp_path / "run" / name).write_bytes(b"{")
    with pytest.raises(RunError) as caught:
        read_snapshot(tmp_path / "run")
    assert "\n" not in str(caught.value)
    (tmp_path / "run" / name).unlink()
    with pytest.raises(RunError):
        read_snapshot(tmp_path / "run")


def test_a_full_disk_is_a_save_error(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_args: object, **_keywords: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pl.DataFrame, "write_parquet", full)
    with pytest.raises(SaveError, match="No space left"):
        write_snapshot(read_dataset(folder), tmp_path / "run")


def test_the_same_file_twice_adds_nothing(folder: Path, tmp_path: Path) -> None:
    write_snapshot(read_dataset(folder), tmp_path / "run")
    dataset = read_snapshot(tmp_path / "run")
    more = read_more_events(folder / "events.csv", dataset)
    assert (len(more.log), more.rows) == (0, 3)
    assert {one.code: one.count for one in more.problems} == {"known_events": 3}


def test_new_events_take_new_rows_and_the_old_rows_stay(folder: Path, tmp_path: Path) -> None:
    dataset = read_dataset(folder)
    file = tmp_path / "new.jsonl"
    file.write_text(
        '{"user_id": "new", "item_id": "fresh", "time": 1300000000, "event": "gift", "mood": "good"}\n'
        '{"user_id": "u 1", "item_id": "a", "time": 1293926400, "event": "buy", "value": 9}\n'
    )
    more = read_more_events(file, dataset)
    grown = with_events(dataset, more.log)
    assert list(grown.log.items)[: dataset.log.n_items] == list(dataset.log.items)
    assert list(grown.log.users) == [*dataset.log.users, "new"]
    assert [kind.name for kind in grown.log.kinds] == ["buy", "view", "return", "gift"]
    assert grown.log.user_row.tolist() == sorted(grown.log.user_row)
    assert len(grown.catalog.items) == grown.log.n_items == grown.catalog.topics.shape[0]
    assert grown.catalog.listed.tolist() == [True, True, False, False]
    assert grown.log.extra is not None
    assert grown.log.extra["mood"].to_list()[-1] == "good"
    assert grown.log.extra["colour"].to_list()[-1] is None
    own = grown.log.user_row == grown.log.users.row("u 1")
    assert grown.log.time_us[own].tolist() == [DAY, DAY + US_PER_DAY, DAY + US_PER_DAY]
    assert np.isnan(grown.log.value[own][0])
    again = read_more_events(file, grown)
    assert len(again.log) == 0


def test_appending_in_parts_equals_reading_at_once(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    frame = pl.DataFrame(
        {
            "user_id": rng.integers(0, 9, 300),
            "item_id": rng.integers(0, 20, 300),
            "time": 1_300_000_000 + np.arange(300),
        }
    )
    places = [tmp_path / "whole", tmp_path / "half"]
    for place, part in zip(places, (frame, frame[:150]), strict=True):
        place.mkdir()
        part.write_parquet(place / "events.parquet")
    frame[100:].write_parquet(tmp_path / "rest.parquet")
    whole, half = (read_dataset(place) for place in places)
    more = read_more_events(tmp_path / "rest.parquet", half)
    assert len(more.log) == 150
    log = appended(half.log, more.log)
    assert (log.users, log.items) == (whole.log.users, whole.log.items)
    for name in ("user_row", "item_row", "time_us", "kind"):
        np.testing.assert_array_equal(getattr(log, name), getattr(whole.log, name))


def test_a_file_that_is_not_there_or_of_another_form_is_said_so(folder: Path, tmp_path: Path) -> None:
    dataset = read_dataset(folder)
    with pytest.raises(DatasetError, match="expected a file of events"):
        read_more_events(tmp_path / "no.csv", dataset)
    (tmp_path / "events.xlsx").write_text("x")
    with pytest.raises(DatasetError, match=r"expected a file that ends in"):
        read_more_events(tmp_path / "events.xlsx", dataset)


def test_new_events_without_the_context_columns_of_the_old_ones_get_nulls(tmp_path: Path) -> None:
    """A log with a column of its own takes a file that lacks it, and the other way round."""
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "events.csv").write_text("user_id,item_id,time,shop\nu,i,2024-01-01,north\n", encoding="utf-8")
    (tmp_path / "b.csv").write_text("user_id,item_id,time\nu,j,2024-01-02\n", encoding="utf-8")
    dataset = read_dataset(tmp_path / "a")
    both = appended(dataset.log, read_more_events(tmp_path / "b.csv", dataset).log)
    assert both.extra is not None
    assert both.extra["shop"].to_list() == ["north", None]
