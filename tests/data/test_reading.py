"""A dataset folder is read by the contract: ids as text, times exact, nothing dropped in silence."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from driftline.data.dataset import Dataset
from driftline.data.reading import read_dataset
from driftline.errors import DatasetError
from driftline.types import ALWAYS, US_PER_DAY, format_time, parse_time

DAY = parse_time("2011-01-01")


def folder_of(tmp_path: Path, **files: str) -> Path:
    """A dataset folder; `events__csv` is the file events.csv."""
    for name, text in files.items():
        (tmp_path / name.replace("__", ".")).write_text(text, encoding="utf-8")
    return tmp_path


def codes(dataset: Dataset) -> dict[str, int]:
    return {one.code: one.count for one in dataset.report.problems}


def events_of(dataset: Dataset) -> list[tuple[str, str, int]]:
    log = dataset.log
    rows = zip(log.user_row, log.item_row, log.time_us, strict=True)
    return [(log.users[user], log.items[item], int(time)) for user, item, time in rows]


def test_a_folder_with_three_columns_is_enough(tmp_path: Path) -> None:
    dataset = read_dataset(folder_of(tmp_path, events__csv="user_id,item_id,time\nu,a,2011-01-02\nu,b,2011-01-01\n"))
    assert events_of(dataset) == [("u", "b", DAY), ("u", "a", DAY + US_PER_DAY)]
    assert list(dataset.log.items) == ["a", "b"]
    assert dataset.name == tmp_path.name
    assert (dataset.log.extra, dataset.catalog.has_topics, dataset.repeats) == (None, False, None)


IDS = st.text(st.characters(codec="utf-8", exclude_characters="\x00\r\n"), min_size=1, max_size=6).filter(
    lambda text: text.strip() and text.lower() not in ("nan", "null")
)
EVENTS = st.lists(st.tuples(IDS, IDS, st.integers(0, 4 * 10**15)), min_size=1, max_size=15, unique=True)


def write_events(folder: Path, form: str, rows: list[tuple[str, str, int]]) -> None:
    frame = pl.DataFrame(
        {"user_id": [r[0] for r in rows], "item_id": [r[1] for r in rows], "time": [format_time(r[2]) for r in rows]}
    )
    if form == "parquet":
        times = pl.Series("time", [row[2] for row in rows]).cast(pl.Datetime("us", "UTC"))
        frame.with_columns(times).write_parquet(folder / "events.parquet")
    elif form == "csv":
        frame.write_csv(folder / "events.csv")
    elif form == "csv.gz":
        (folder / "events.csv.gz").write_bytes(gzip.compress(frame.write_csv().encode()))
    else:
        frame.write_ndjson(folder / "events.jsonl")


@given(rows=EVENTS)
@settings(max_examples=25, deadline=None)
def test_every_file_form_gives_the_same_log(rows: list[tuple[str, str, int]], tmp_path_factory) -> None:
    logs = []
    for form in ("parquet", "csv", "csv.gz", "jsonl"):
        folder = tmp_path_factory.mktemp("form")
        write_events(folder, form, rows)
        logs.append(read_dataset(folder))
    for dataset in logs:
        assert sorted(events_of(dataset)) == sorted(rows)
        assert events_of(dataset) == events_of(logs[0])
        assert dataset.log.users == logs[0].log.users
        assert dataset.log.items == logs[0].log.items


def test_ids_are_text_and_never_inferred(tmp_path: Path) -> None:
    pl.DataFrame({"user_id": [7, 8], "item_id": [1.0, 2.0], "time": [1_300_000_000, 1_300_000_001]}).write_parquet(
        tmp_path / "events.parquet"
    )
    dataset = read_dataset(tmp_path)
    assert (list(dataset.log.users), list(dataset.log.items)) == (["7", "8"], ["1", "2"])
    other = tmp_path / "other"
    other.mkdir()
    text = 'user_id,item_id,time\n007,0444778,2011-01-01\n7,444778,2011-01-01\n"o\'b ""q"", 😀",1e5,2011-01-01\n'
    dataset = read_dataset(folder_of(other, events__csv=text))
    assert list(dataset.log.users) == ["007", "7", 'o\'b "q", 😀']
    assert list(dataset.log.items) == ["0444778", "444778", "1e5"]


def test_json_lines_with_numbers_and_damaged_lines(tmp_path: Path) -> None:
    lines = [
        json.dumps({"user_id": 1, "item_id": "01", "time": 1_300_000_000, "tags": ["x", "y"]}),
        "{damaged",
        json.dumps({"user_id": "2", "item_id": 3, "time": "1300000001"}),
    ]
    dataset = read_dataset(folder_of(tmp_path, events__jsonl="\n".join(lines)))
    assert (list(dataset.log.users), list(dataset.log.items)) == (["1", "2"], ["01", "3"])
    assert codes(dataset)["damaged_lines"] == 1
    assert dataset.log.extra is not None
    assert dataset.log.extra["tags"].to_list() == ["x|y", None]


def test_unreadable_rows_are_counted_by_reason_and_dropped(tmp_path: Path) -> None:
    rows = ["u,a,2011-01-01,1", ",a,2011-01-01,1", "u,,2011-01-01,1", "u,a,,1", "u,a,soon,1", "NaN,a,2011-01-01,1"]
    rows += ["u,a,1950-01-01,1", "u,a,1300000000,1", "u,b,2011-01-02,inf", "u,c,2011-01-03,nan", "u,d,2011-01-04,many"]
    dataset = read_dataset(folder_of(tmp_path, events__csv="user_id,item_id,time,value\n" + "\n".join(rows)))
    found = codes(dataset)
    assert dataset.report.rows == 11
    assert len(dataset.log) == dataset.report.kept == 4
    assert {code: found[code] for code in list(found) if not code.endswith("one_event")} == {
        "missing_user_id": 2,
        "missing_item_id": 1,
        "missing_time": 1,
        "unreadable_time": 1,
        "mixed_time_units": 1,
        "impossible_time": 1,
        "infinite_value": 1,
        "unreadable_value": 1,
    }
    assert np.isnan(dataset.log.value[1:]).all()


def test_exact_duplicates_go_by_event_id_else_by_all_columns(tmp_path: Path) -> None:
    text = "user_id,item_id,time,event_id\nu,a,2011-01-01,1\nu,b,2011-01-02,1\nu,c,2011-01-01,\nu,c,2011-01-01,\n"
    dataset = read_dataset(folder_of(tmp_path, events__csv=text + "u,a,2011-01-01,2\n"))
    assert [item for _, item, _ in events_of(dataset)] == ["a", "c", "a"]
    assert codes(dataset)["exact_duplicates"] == 2


@given(rows=EVENTS)
@settings(max_examples=15, deadline=None)
def test_duplicating_a_file_changes_nothing(rows: list[tuple[str, str, int]], tmp_path_factory) -> None:
    once, twice = tmp_path_factory.mktemp("once"), tmp_path_factory.mktemp("twice")
    write_events(once, "csv", rows)
    write_events(twice, "csv", rows + rows)
    assert events_of(read_dataset(once)) == events_of(read_dataset(twice))


def test_settings_name_columns_kinds_and_units(tmp_path: Path) -> None:
    toml = (
        'name = "shop"\nrepeats = "allow"\n[columns.events]\nuser_id = "Customer"\n[time.events]\nunit = "ms"\n'
        "[events.view]\nweight = 0.25\ntarget = false\n"
    )
    text = "Customer,item_id,time,event\nu,a,1000,view\nu,b,2000,buy\nu,b,3000,return\nu,b,4000,\n"
    dataset = read_dataset(folder_of(tmp_path, dataset__toml=toml, events__csv=text))
    kinds = {kind.name: (kind.weight, kind.target) for kind in dataset.log.kinds}
    assert kinds == {"view": (0.25, False), "buy": (1, True), "return": (0, False), "interaction": (1, True)}
    assert dataset.log.time_us.tolist() == [10**6, 2 * 10**6, 3 * 10**6, 4 * 10**6]
    assert (dataset.name, dataset.repeats) == ("shop", "allow")


def test_a_basket_counts_from_the_moment_it_is_complete(tmp_path: Path) -> None:
    text = (
        "user_id,item_id,time,session_id\nu,a,2011-01-01T10:00,1\nu,b,2011-01-01T10:02,2\nu,c,2011-01-01T10:05,1\n"
        "v,a,2011-01-01T11:00,1\nu,d,2011-01-01T09:00,\n"
    )
    folder = folder_of(tmp_path, events__csv=text, dataset__toml='basket = "session_id"')
    minutes = [(user, item, (time - DAY) // 60_000_000) for user, item, time in events_of(read_dataset(folder))]
    assert minutes == [("u", "d", 540), ("u", "b", 602), ("u", "a", 605), ("u", "c", 605), ("v", "a", 660)]


def test_sessions_are_cut_by_gap_where_events_have_none(tmp_path: Path) -> None:
    text = (
        "user_id,item_id,time\nu,a,2011-01-01T10:00\nu,b,2011-01-01T10:20\nu,c,2011-01-01T11:00\nv,a,2011-01-01T11:00\n"
    )
    dataset = read_dataset(folder_of(tmp_path, events__csv=text, dataset__toml="session_gap_minutes = 30"))
    assert dataset.log.extra is not None
    first, second, third, _ = dataset.log.extra["session_id"].to_list()
    assert first == second != third


def test_an_order_only_dataset_needs_no_times(tmp_path: Path) -> None:
    text = "user_id,item_id\nu,a\nv,b\nu,a\nu,c\n"
    dataset = read_dataset(folder_of(tmp_path, events__csv=text, dataset__toml="order_only = true"))
    assert events_of(dataset) == [("u", "a", 0), ("u", "a", 2), ("u", "c", 3), ("v", "b", 1)]
    assert dataset.order_only
    assert dataset.report.time_unit == "file order"


def test_the_catalog_comes_first_and_grows_by_what_events_name(tmp_path: Path) -> None:
    items = (
        "item_id,title,topics,available_from,price,code\nz,Zed,news| sport |news,1953,1.5,01\ny,,,2011-01-01,2,02\n"
        "z,Again,,,,\n,nobody,,,,\n"
    )
    events = "user_id,item_id,time\nu,new,2011-01-01\nu,y,2011-01-02\n"
    dataset = read_dataset(folder_of(tmp_path, items__csv=items, events__csv=events))
    catalog = dataset.catalog
    assert list(dataset.log.items) == list(catalog.items) == ["z", "y", "new"]
    assert catalog.title.tolist() == ["Zed", "", ""]
    assert catalog.topic_names == ("news", "sport")
    assert catalog.topics.toarray().tolist() == [[0.5, 0.5], [0, 0], [0, 0]]
    assert catalog.listed.tolist() == [True, True, False]
    assert catalog.available(DAY - 1).tolist() == [True, False, False]
    assert catalog.attributes is not None
    assert catalog.attributes.to_dict(as_series=False) == {"price": [1.5, 2.0, None], "code": ["01", "02", None]}
    found = codes(dataset)
    assert (found["items_twice"], found["items_without_id"], found["items_not_in_catalog"]) == (1, 1, 1)


def test_side_tables_have_the_times_of_the_contract(tmp_path: Path) -> None:
    folder = folder_of(
        tmp_path,
        events__csv="user_id,item_id,time\nu,a,2011-01-01\n",
        context__csv="time,name,value\n2011-01-02,heat,2\n2011-01-01,heat,1\n2011-01-03,heat,x\n2011-01-05,lone,1\n",
        occasions__csv="name,start,end,kind\nfair,2011-01-03,2011-01-04,market\neaster,2011-04-24,,bank holiday\n",
        friends__csv="user_id,friend_id,time\nu,v,2011-01-01\nu,w,\n",
        relations__csv="head,relation,tail\na,made_by,m\na,,m\n",
        users__csv="user_id,age,zip\nu,30,01234\n",
    )
    dataset = read_dataset(folder)
    assert dataset.context is not None
    assert dataset.context.filter(pl.col("name") == "heat")["known_at_us"].to_list() == [
        DAY + US_PER_DAY,
        DAY + 2 * US_PER_DAY,
    ]
    assert dataset.occasions is not None
    assert dataset.occasions["start_us"].to_list()[0] == dataset.occasions["known_from_us"][0] == DAY + 2 * US_PER_DAY
    assert dataset.occasions["end_us"][0] == DAY + 4 * US_PER_DAY
    assert dataset.occasions["known_from_us"][1] == ALWAYS
    assert dataset.friends is not None
    assert dataset.friends["time_us"].to_list() == [DAY, ALWAYS]
    assert dataset.relations is not None
    assert dataset.relations.height == 1
    assert dataset.users is not None
    assert dataset.users.schema["age"] == pl.Int64
    assert dataset.users["zip"].to_list() == ["01234"]
    assert (codes(dataset)["unreadable_context"], codes(dataset)["unreadable_relations"]) == (1, 1)


def test_undecodable_bytes_are_counted_and_replaced(tmp_path: Path) -> None:
    (tmp_path / "events.csv").write_bytes(b"user_id,item_id,time\nu\xff,a,2011-01-01\nv,a,2011-01-01\n")
    dataset = read_dataset(tmp_path)
    assert codes(dataset)["undecodable_text"] == 1
    assert list(dataset.log.users) == ["u\ufffd", "v"]


def test_a_million_events_of_one_user_are_read(tmp_path: Path) -> None:
    n = 1_000_000
    pl.DataFrame(
        {"user_id": ["u"] * n, "item_id": np.arange(n) % 1000, "time": 1_300_000_000 + np.arange(n)[::-1]}
    ).write_parquet(tmp_path / "events.parquet")
    dataset = read_dataset(tmp_path)
    assert len(dataset.log) == n
    assert (np.diff(dataset.log.time_us) > 0).all()
    assert codes(dataset)["robots_rate"] == 1


GOOD = "user_id,item_id,time\nu,a,2011-01-01\n"


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({}, "expected events.parquet"),
        ({"events__csv": ""}, "empty file"),
        ({"events__csv": "user_id,item_id,time\n"}, "without rows"),
        ({"events__csv": "user_id,time\nu,2011-01-01\n"}, "add item_id"),
        ({"events__csv": "user_id,item_id\nu,a\n"}, "order_only = true"),
        ({"events__csv": "user_id,item_id,time\nu,a,12/1/2010 8:26\n"}, "unreadable_time"),
        ({"events__csv": GOOD, "events__jsonl": "{}"}, "keep the right one"),
        ({"events__csv": GOOD, "dataset__toml": "[events.view]\nweight = 1e30"}, "less than or equal to 1000000"),
        ({"events__csv": "user_id,item_id,time\nu,a,2011-01-01,x\n"}, "more fields"),
        ({"events__csv": 'user_id,item_id,time\nu,a,"2011-01-01\n'}, "expected a readable table"),
        ({"events__csv": "user_id,item_id,time,time\nu,a,1,2\n"}, "'time' twice"),
        ({"events__parquet": "nothing"}, "expected a readable table"),
        ({"events__jsonl": "{bad\n"}, "no line that is a JSON object"),
        ({"events__jsonl": ""}, "empty file"),
        ({"events__csv": GOOD, "dataset__toml": "colour = 1"}, "colour"),
        ({"events__csv": GOOD, "dataset__toml": "name ="}, "readable TOML"),
        ({"events__csv": GOOD, "dataset__toml": '[columns.events]\nuser_id = "Nobody"'}, "'Nobody' (for user_id)"),
        ({"events__csv": GOOD, "dataset__toml": 'basket = "invoice"'}, "'invoice'"),
        ({"events__csv": GOOD, "items__csv": "id,title\na,b\n"}, "add item_id"),
    ],
)
def test_bad_input_is_one_line_that_says_what_to_do(tmp_path: Path, files: dict[str, str], words: str) -> None:
    with pytest.raises(DatasetError) as caught:
        read_dataset(folder_of(tmp_path, **files))
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_folder_that_is_not_there_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="expected a dataset folder"):
        read_dataset(tmp_path / "nowhere")


def test_bytes_in_parquet_that_are_not_utf8_are_counted_and_replaced(tmp_path: Path) -> None:
    users = pa.array([b"u\xff", b"v"], pa.binary())
    for number, column in enumerate((users, users.view(pa.string()))):
        folder = tmp_path / str(number)
        folder.mkdir()
        table = pa.table({"user_id": column, "item_id": ["a", "b"], "time": [1_300_000_000, 1_300_000_001]})
        pq.write_table(table, folder / "events.parquet")
        dataset = read_dataset(folder)
        assert list(dataset.log.users) == ["u\ufffd", "v"]
        assert codes(dataset)["undecodable_text"] == 1


def test_a_time_column_of_another_type_is_refused(tmp_path: Path) -> None:
    frame = pl.DataFrame({"user_id": ["u"], "item_id": ["a"], "time": [True]})
    frame.write_parquet(tmp_path / "events.parquet")
    with pytest.raises(DatasetError, match="expected times as text, numbers or datetimes"):
        read_dataset(tmp_path)


def test_a_damaged_gzip_stream_is_one_line(tmp_path: Path) -> None:
    packed = bytearray(gzip.compress((GOOD + "".join(f"u,i{n},2011-01-02\n" for n in range(999))).encode()))
    packed[40:80] = bytes(byte ^ 0x5A for byte in packed[40:80])
    (tmp_path / "events.csv.gz").write_bytes(packed)
    with pytest.raises(DatasetError, match="expected a readable table"):
        read_dataset(tmp_path)


def test_a_line_of_json_nested_beyond_reason_is_damaged(tmp_path: Path) -> None:
    deep = '{"user_id": ' + "[" * 100_000 + "]" * 100_000 + "}"
    dataset = read_dataset(
        folder_of(tmp_path, events__jsonl=f'{{"user_id":"u","item_id":"a","time":"2011"}}\n{deep}\n')
    )
    assert codes(dataset)["damaged_lines"] == 1
    assert len(dataset.log) == 1


def test_a_byte_order_mark_costs_no_line_of_json(tmp_path: Path) -> None:
    line = '{"user_id":"u","item_id":"a","time":"2011-01-01"}\n'
    dataset = read_dataset(folder_of(tmp_path, events__jsonl=f"\ufeff{line}"))
    assert events_of(dataset) == [("u", "a", DAY)]
    assert "damaged_lines" not in codes(dataset)


def test_a_panic_of_the_engine_is_one_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def panic(*_: object, **__: object) -> None:
        raise pl.exceptions.PanicException("offset + length <= self.length")

    monkeypatch.setattr(pl, "read_parquet", panic)
    with pytest.raises(DatasetError, match="expected a readable table"):
        read_dataset(folder_of(tmp_path, events__parquet="anything"))
