"""Times are read exactly, in one detected unit, and what cannot be trusted is said to be so."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from driftline.data.settings import TimeSettings
from driftline.data.times import read_positions, read_times
from driftline.errors import RequestError
from driftline.types import format_time, parse_duration, parse_time

MOMENT = parse_time("2011-09-01T14:30:05.250Z")


@pytest.mark.parametrize(
    "text",
    [
        "2011-09-01T14:30:05.250Z",
        "2011-09-01 14:30:05.25",
        "2011-09-01T14:30:05,250000000",
        "2011-09-01T16:30:05.250+02:00",
        "2011-09-01 09:00:05.250 -0530",
        "20110901T143005.25Z",
        " 2011-09-01t14:30:05.25z ",
        "2011-09-01 14:30:05.250 UTC",
    ],
)
def test_every_usual_form_of_iso_is_the_same_moment(text: str) -> None:
    reading = read_times(pl.Series([text]))
    assert reading.time_us.tolist() == [MOMENT]
    assert reading.unit == "ISO-8601"
    assert reading.good.all()


def test_a_bare_date_is_midnight_utc_and_a_bare_year_its_first_day() -> None:
    reading = read_times(pl.Series(["2011-09-01", "1999", "2011-09"]))
    assert reading.time_us.tolist() == [parse_time("2011-09-01"), parse_time("1999-01-01"), parse_time("2011-09-01")]


@pytest.mark.parametrize("text", ["2011-02-30", "2011-13-01", "12/1/2010 8:26", "2011-01-01T24:30", "soon", "-"])
def test_what_is_no_time_is_unreadable(text: str) -> None:
    reading = read_times(pl.Series(["2011-01-01", "2011-01-02", text]))
    assert reading.unreadable.tolist() == [False, False, True]


@given(st.lists(st.datetimes(datetime(1970, 1, 1), datetime(2200, 1, 1)), min_size=1, max_size=20))
@settings(max_examples=60, deadline=None)
def test_iso_reading_agrees_with_the_standard_library(moments: list[datetime]) -> None:
    slow = [
        (one.replace(tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1) for one in moments
    ]
    assert read_times(pl.Series([one.isoformat() for one in moments])).time_us.tolist() == slow


@pytest.mark.parametrize(("unit", "factor"), [("s", 1), ("ms", 10**3), ("us", 10**6), ("ns", 10**9)])
@pytest.mark.parametrize("as_text", [True, False])
def test_the_unit_of_epoch_numbers_is_detected_on_the_whole_column(unit: str, factor: int, as_text: bool) -> None:
    seconds = [1_300_000_000, 1_400_000_123]
    numbers = pl.Series([one * factor for one in seconds])
    reading = read_times(numbers.cast(pl.String) if as_text else numbers)
    assert reading.unit == unit
    assert reading.time_us.tolist() == [one * 10**6 for one in seconds]


def test_fractions_of_epoch_seconds_are_kept() -> None:
    assert read_times(pl.Series(["1300000000.25", "1300000001"])).time_us.tolist() == [
        1_300_000_000_250_000,
        1_300_000_001_000_000,
    ]
    assert read_times(pl.Series([1.3e9, float("nan")])).missing.tolist() == [False, True]


def test_a_minority_of_another_magnitude_is_mixed_and_not_converted() -> None:
    reading = read_times(pl.Series([1_300_000_000, 1_300_000_001, 1_300_000_002_000]))
    assert (reading.unit, reading.mixed.tolist()) == ("s", [False, False, True])
    text = read_times(pl.Series(["2011-01-01", "2011-01-02", "1300000000"]))
    assert text.mixed.tolist() == [False, False, True]
    epoch = read_times(pl.Series(["1300000000", "1300000001", "2011-01-02"]))
    assert epoch.mixed.tolist() == [False, False, True]


def test_a_time_before_1970_is_impossible_in_any_form() -> None:
    assert read_times(pl.Series([-5, 1_300_000_000])).impossible.tolist() == [True, False]
    assert read_times(pl.Series(["1969-12-31", "2011-01-01"])).impossible.tolist() == [True, False]
    old = pl.Series([datetime(1960, 1, 1), datetime(2011, 1, 1)])
    assert read_times(old).impossible.tolist() == [True, False]


def test_a_declared_unit_or_format_is_believed() -> None:
    assert read_times(pl.Series([1000, 2000]), TimeSettings(unit="ms")).time_us.tolist() == [10**6, 2 * 10**6]
    american = read_times(pl.Series(["12/1/2010 8:26", "x"]), TimeSettings(format="%m/%d/%Y %H:%M"))
    assert american.time_us[0] == parse_time("2010-12-01T08:26")
    assert american.unreadable.tolist() == [False, True]


def test_dates_in_digits_and_years_are_not_taken_for_seconds_of_1970() -> None:
    assert read_times(pl.Series([20110901, 20120229])).time_us[0] == parse_time("2011-09-01")
    years = read_times(pl.Series(["1995", "2001"]))
    assert (years.unit, years.time_us[0]) == ("year", parse_time("1995-01-01"))


def test_datetimes_and_dates_of_parquet_keep_their_moment() -> None:
    aware = pl.Series([datetime(2011, 9, 1, 14, tzinfo=UTC)]).dt.convert_time_zone("Asia/Tokyo")
    assert read_times(aware).time_us.tolist() == [parse_time("2011-09-01T14:00Z")]
    nanoseconds = pl.Series([MOMENT * 1000]).cast(pl.Datetime("ns"))
    assert read_times(nanoseconds).time_us.tolist() == [MOMENT]
    assert read_times(pl.Series([datetime(2011, 9, 1).date()])).time_us.tolist() == [parse_time("2011-09-01")]


def test_positions_stay_what_they_are() -> None:
    reading = read_positions(pl.Series(["3", "1", "x", None]))
    assert reading.time_us[:2].tolist() == [3, 1]
    assert np.array_equal(reading.good, [True, True, False, False])


def test_a_moment_beyond_the_calendar_is_written_as_its_end() -> None:
    """The moment after the last of year 9999, a position, and an hour that a zone moves out of the calendar."""
    assert format_time(253_402_300_800_000_000) == format_time(2**63 - 1) == "9999-12-31T23:59:59.999999Z"
    assert format_time(-(2**63)) == "0001-01-01T00:00:00Z"
    assert format_time(parse_time("9999-12-31T23:59:59-12:00")).startswith("9999")


@pytest.mark.parametrize("text", ["0d", "1e-9d", "0.0000001m", "999999999d", "٧d", "d", "-1d", "7"])
def test_a_duration_is_a_minute_to_a_hundred_years_in_plain_digits(text: str) -> None:
    with pytest.raises(RequestError, match="a minute to a hundred years"):
        parse_duration(text)


def test_a_duration_is_counted_in_microseconds() -> None:
    assert [parse_duration(text) for text in ("90min", "1.5h", "2w")] == [
        5_400_000_000,
        5_400_000_000,
        1_209_600_000_000,
    ]
