"""Online Retail: invoice lines of a UK gift shop, 2010-12 to 2011-12 (Chen, Sain and Guo 2012)."""

from __future__ import annotations

from dataclasses import replace

import polars as pl

from driftline.data.formats.columns_of import moment, number
from driftline.data.formats.prepared import FileReport, Prepared
from driftline.data.formats.rows import Rows, read_csv, require
from driftline.data.formats.source import Source

CHARGES = ("POST", "DOT", "C2", "M", "m", "D", "S", "B", "BANK CHARGES", "CRUK", "AMAZONFEE", "ADJUST", "ADJUST2")
"""Stock codes that are no goods: postage, carriage, manual entries, discounts, samples, bank, charity and fees."""

_COLUMNS = ("InvoiceNo", "StockCode", "Quantity", "InvoiceDate", "UnitPrice", "CustomerID", "Country")
_SECOND_VERSION = {"Invoice": "InvoiceNo", "Price": "UnitPrice", "Customer ID": "CustomerID"}
_FORMS = ("%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%m/%d/%Y %H:%M", "%m/%d/%y %H:%M", "%Y-%m-%dT%H:%M:%S")


def read(source: Source) -> Prepared:
    """Invoice lines as events: `purchase`, or `cancellation` for invoices that begin with C and negative quantities.

    `value` is the quantity; price and country stay; the invoice is the session and a basket. Lines without a customer
    are left out: nobody's interest moves by them. Lines of charges (postage, carriage, discounts) are kept, as in the
    published counts: they are one line in two hundred, and a copy without them could not be compared with the papers;
    `charge` is 1 for them in the items table, so that a filter can keep them off a slate. The times are local ones
    of the shop, read as UTC.
    """
    path = source.need(
        "online_retail*lines*.csv*", "*online*retail*.csv*", "data.csv*", "*.csv", "*.csv.gz", what="lines"
    )
    rows = _lines(read_csv(path, ()))
    events = rows.frame.select(
        pl.col("CustomerID").alias("user_id"),
        pl.col("StockCode").alias("item_id"),
        pl.col("InvoiceDate").alias("time"),
        pl.when(pl.col("InvoiceNo").str.to_uppercase().str.starts_with("C") | (pl.col("Quantity") < 0))
        .then(pl.lit("cancellation"))
        .otherwise(pl.lit("purchase"))
        .alias("event"),
        pl.col("Quantity").alias("value"),
        pl.col("InvoiceNo").alias("session_id"),
        pl.col("UnitPrice").alias("price"),
        pl.col("Country").alias("country"),
    )
    items, reports = _items(source, rows.frame)
    settings = {"name": "online-retail", "repeats": "allow", "basket": "session_id"}
    return Prepared({"events": events, "items": items}, settings, (FileReport.of(rows), *reports))


def _lines(rows: Rows) -> Rows:
    """Readable lines with a customer; both published spellings of the header are known."""
    names = {old: new for old, new in _SECOND_VERSION.items() if old in rows.frame.columns}
    rows = replace(rows, frame=rows.frame.rename(names))
    require(rows.file, _COLUMNS, rows.frame.columns)
    rows = rows.with_columns(pl.col("CustomerID").str.strip_chars().str.strip_suffix(".0"))
    rows = rows.needing("CustomerID", "StockCode", "InvoiceNo", "InvoiceDate", "Quantity")
    rows = rows.parsed("InvoiceDate", moment("InvoiceDate", *_FORMS), "unreadable_time")
    rows = rows.parsed("Quantity", number("Quantity"), "unreadable_quantity")
    return rows.with_columns(number("UnitPrice"))


def _items(source: Source, lines: pl.DataFrame) -> tuple[pl.DataFrame, tuple[FileReport, ...]]:
    """Stock codes with their description: the table beside the lines, or else the one that a code's lines have most."""
    table = source.find("*products*.csv*")
    reports: tuple[FileReport, ...] = ()
    if table is not None:
        products = read_csv(table, ("StockCode", "description")).needing("StockCode")
        items, reports = products.frame, (FileReport.of(products),)
    elif "Description" in lines.columns:
        said = lines.with_columns(pl.col("Description").str.strip_chars().alias("description"))
        counts = said.group_by("StockCode", "description", maintain_order=True).agg(pl.len())
        items = counts.sort("len", descending=True, maintain_order=True).unique(
            "StockCode", keep="first", maintain_order=True
        )
    else:
        items = lines.select("StockCode", pl.lit(None, pl.String).alias("description")).unique(maintain_order=True)
    charge = pl.col("StockCode").is_in(CHARGES).cast(pl.Int8).alias("charge")
    items = items.select(pl.col("StockCode").alias("item_id"), pl.col("description").alias("title"), charge)
    return items.sort("item_id"), reports
