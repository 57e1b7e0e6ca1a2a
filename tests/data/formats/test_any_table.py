"""Any CSV, TSV, JSON lines or Parquet file becomes a dataset through a mapping."""

from __future__ import annotations

import io

import polars as pl
import pytest

from driftline.errors import DatasetError, RequestError
from driftline.types import format_time

MAPPING = {"user_id": "Customer", "item_id": "SKU", "time": "when", "value": "price"}
SEMICOLONS = (
    "Customer;SKU;when;price;shop\n1;007;2024-01-01 10:00;2.5;north\n1;8;2024-01-02;;south\n"
    ";8;2024-01-02;1;x\n2;8;never;1;x\n"
)


def as_parquet(frame: pl.DataFrame) -> bytes:
    file = io.BytesIO()
    frame.write_parquet(file)
    return file.getvalue()


def test_a_mapping_names_the_columns_and_the_others_stay(through, look):
    left_out, events, _ = look
    prepared, dataset = through("csv", {"sales.csv": SEMICOLONS}, mapping=MAPPING, event="purchase", separator=";")
    assert left_out(prepared) == {"missing_user_id": 1, "unreadable_time": 1}
    assert events(dataset) == [("1", "007", "purchase"), ("1", "8", "purchase")]
    assert format_time(dataset.log.time_us[0]) == "2024-01-01T10:00:00Z"
    assert dataset.log.extra["shop"].to_list() == ["north", "south"]
    assert (dataset.name, dataset.order_only) == ("sales", False)
    assert prepared.notes == ("times were read as ISO-8601",)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.tsv", "Customer\tSKU\twhen\tprice\n1\t7\t1704103200\t2.5\n"),
        ("a.jsonl", '{"Customer": "1", "SKU": "7", "when": 1704103200, "price": 2.5}\n'),
        ("a.parquet", as_parquet(pl.DataFrame({"Customer": [1], "SKU": ["7"], "when": [1704103200], "price": [2.5]}))),
    ],
)
def test_other_kinds_of_tables(through, look, name, content):
    _, events, _ = look
    prepared, dataset = through("csv", {name: content}, mapping=MAPPING)
    assert events(dataset) == [("1", "7", "interaction")]
    assert format_time(dataset.log.time_us[0]) == "2024-01-01T10:00:00Z"
    assert dataset.log.value.tolist() == [2.5]
    assert prepared.notes == ("times were read as epoch seconds",)


def test_without_a_time_the_order_of_the_file_counts(through, look):
    _, events, _ = look
    _, dataset = through("csv", {"a.csv": "u,i\n1,b\n1,a\n"}, mapping={"user_id": "u", "item_id": "i"})
    assert dataset.order_only
    assert [one[1] for one in events(dataset)] == ["b", "a"]


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"mapping": {"user_id": "nobody"}}, DatasetError, "expected columns nobody in a.csv, got u, i, event"),
        ({"mapping": {"user_id": "u"}}, DatasetError, "expected columns user_id, item_id in a.csv"),
        ({"mapping": {"user_id": "u", "item_id": "u"}}, RequestError, "mapped once"),
        ({"mapping": {"user_id": "u", "item_id": "i"}, "event": "view"}, RequestError, "or one kind with --event"),
        ({"mapping": {"user_id": "u", "item_id": "i"}, "separator": "::"}, RequestError, "one character"),
    ],
)
def test_mappings_that_do_not_fit_are_refused(through, options, error, words):
    with pytest.raises(error, match=words):
        through("csv", {"a.csv": "u,i,event\n1,b,buy\n"}, **options)


def test_a_table_in_which_no_time_can_be_read_is_refused(through):
    with pytest.raises(DatasetError, match="expected times as ISO-8601 or epoch numbers"):
        through("csv", {"a.csv": "user_id,item_id,time\n1,2,Tuesday\n"})
