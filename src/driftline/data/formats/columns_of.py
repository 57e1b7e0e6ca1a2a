"""Expressions that format readers share: times, topics, years."""

from __future__ import annotations

import polars as pl

MOMENT = pl.Datetime("us", "UTC")
"""How times stand in the Parquet files that we write."""


def epoch_seconds(name: str) -> pl.Expr:
    """Epoch seconds, whole or with a fraction, as a moment; null where it is no number."""
    seconds = pl.col(name).str.strip_chars().cast(pl.Float64, strict=False)
    sane = pl.when(seconds.abs() < 2e11).then(seconds)
    return (sane * 1_000_000).round().cast(pl.Int64, strict=False).cast(MOMENT)


def moment(name: str, *formats: str) -> pl.Expr:
    """Text in one of several forms (the letters of strftime, without the zone) as a moment of UTC."""
    text = pl.col(name).str.strip_chars().str.replace(r"(Z|\+00:00)$", "")
    read = [text.str.to_datetime(one, time_unit="us", strict=False, exact=True) for one in formats]
    return pl.coalesce(read).dt.replace_time_zone("UTC")


def topics(name: str, separator: str) -> pl.Expr:
    """Names between separators as our topics, between vertical bars; a bar within a name becomes a slash."""
    text = pl.col(name) if separator == "|" else pl.col(name).str.replace_all("|", "/", literal=True)
    return text.str.replace_all(separator, "|", literal=True).str.strip_chars("| ")


def number(name: str) -> pl.Expr:
    """Text as a finite number; null where it is none."""
    value = pl.col(name).str.strip_chars().cast(pl.Float64, strict=False)
    return pl.when(value.is_finite()).then(value)


def year_in(name: str) -> pl.Expr:
    """The year that stands in brackets at the end of a title, as in `Heat (1995)`; null where there is none."""
    return pl.col(name).str.extract(r"\((\d{4})\)\s*$").cast(pl.Int32)
