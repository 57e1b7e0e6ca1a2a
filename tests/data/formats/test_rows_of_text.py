"""Whatever stands in a file, every row is kept or counted as left out."""

from __future__ import annotations

import gzip

import polars as pl
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from driftline.data.formats.rows import read_csv, read_fields
from driftline.errors import DatasetError


def test_records_with_too_many_fields_are_left_out_and_those_with_too_few_have_nulls(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text('a,b\n1,"x, y"\n2,y,z\n3\n4,w\n')
    rows = read_csv(path, ("a", "b"))
    assert rows.frame.rows() == [("1", "x, y"), ("3", None), ("4", "w")]
    assert (rows.rows, rows.left_out[0].code, rows.left_out[0].example) == (4, "too_many_fields", "2, y, z")
    kept = rows.needing("b")
    assert kept.rows == kept.frame.height + sum(one.count for one in kept.left_out) == 4


def test_text_that_is_not_utf8_is_read_as_latin1_and_a_byte_order_mark_goes(tmp_path):
    (tmp_path / "a.csv").write_bytes("a,b\n1,café\x85x\n".encode("latin-1"))
    assert read_csv(tmp_path / "a.csv", ("a",)).frame["b"].to_list() == ["café\x85x"]
    (tmp_path / "b.csv.gz").write_bytes(gzip.compress(b"\xef\xbb\xbfa,b\n1,2\n"))
    assert read_csv(tmp_path / "b.csv.gz", ("a",)).frame.columns == ["a", "b"]


def test_fields_between_separators_are_split_at_line_ends_alone(tmp_path):
    (tmp_path / "a.dat").write_bytes("1::A\u2028B::x\r\n2::C\n3::D::y::z\n\n".encode())
    rows = read_fields(tmp_path / "a.dat", ("id", "title", "more"), separator="::", n_needed=2)
    assert rows.frame.rows() == [("1", "A\u2028B", "x"), ("2", "C", None)]
    assert (rows.rows, [(one.code, one.count) for one in rows.left_out]) == (3, [("wrong_number_of_fields", 1)])


def test_a_file_of_another_kind_is_refused_with_its_first_line(tmp_path):
    (tmp_path / "a.dat").write_text("nothing of the sort\n")
    with pytest.raises(DatasetError, match="nothing of the sort"):
        read_fields(tmp_path / "a.dat", ("a", "b"), separator="::")
    (tmp_path / "b.csv").write_text("x,y\n1,2\n")
    with pytest.raises(DatasetError, match=r"expected columns a in b\.csv, got x, y"):
        read_csv(tmp_path / "b.csv", ("a",))
    (tmp_path / "c.csv").write_text("\n")
    with pytest.raises(DatasetError, match="empty file"):
        read_csv(tmp_path / "c.csv", ("a",))


WHITE_SPACE = "".join(chr(code) for code in range(0x3001) if chr(code).isspace() and code not in range(0x1C, 0x20))
"""White space as Unicode has it; str.strip() takes four control characters for blank that are none."""


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example(lines=["\x1f"])
@given(lines=st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\r\n"), max_size=12), max_size=8))
def test_every_line_is_kept_or_counted(tmp_path, lines):
    path = tmp_path / "lines.dat"
    path.write_bytes("\n".join(["1\t2", *lines]).encode())
    rows = read_fields(path, ("a", "b"), separator="\t").needing("a", "b")
    rows = rows.parsed("a", pl.col("a").cast(pl.Int64, strict=False), "unreadable_a")
    assert rows.rows == 1 + sum(bool(line.strip(WHITE_SPACE)) for line in lines)
    assert rows.rows == rows.frame.height + sum(one.count for one in rows.left_out)
