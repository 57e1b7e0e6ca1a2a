"""The data that ships inside the package, each source in a folder of its own; `NOTICE.md` has the licences."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from driftline.errors import RequestError

if TYPE_CHECKING:
    from driftline.data.formats.prepared import Prepared

FOLDER = Path(__file__).parent
"""Where the bundled files lie."""


def bundled_names() -> tuple[str, ...]:
    """The datasets that `prepare_bundled` can write."""
    return tuple(_READERS)


def prepare_bundled(name: str, out: Path, *, overwrite: bool = False) -> Path:
    """Write a bundled dataset as a dataset folder at `out`, with its notice beside it; the folder.

        prepare_bundled("online-retail", Path("shop"))     # also weather and occasions of that year

    RequestError for a name that is not bundled; DatasetError where `out` is taken.
    """
    from driftline.data.prepare import check_free, write_dataset

    check_free(out, overwrite=overwrite)
    write_dataset(read_bundled(name), out, overwrite=overwrite)
    return out


def read_bundled(name: str) -> Prepared:
    """A bundled dataset as tables; RequestError for a name that is not bundled."""
    if name not in _READERS:
        raise RequestError(f"expected a bundled dataset among {', '.join(_READERS)}, got {name!r}; choose one of them")
    folder, make = _READERS[name]
    prepared = make(FOLDER / folder)
    return replace(prepared, settings={**prepared.settings, "name": name}, notices=_notices(FOLDER / folder))


def _notices(folder: Path) -> dict[str, str]:
    """The words that travel with the data of a folder: its own notice, or the common one with the terms it names."""
    own = folder / "NOTICE.md"
    paths = [own] if own.is_file() else [FOLDER / "NOTICE.md", FOLDER / "MIT.txt", *folder.glob("*LICENSE*.txt")]
    return {path.name: path.read_text(encoding="utf-8") for path in paths}


def _as_published(format_: str) -> Callable[[Path], Prepared]:
    def read(folder: Path) -> Prepared:
        from driftline.data.formats import reader
        from driftline.data.formats.source import open_source

        with open_source(folder) as source:
            return reader(format_)(source)

    return read


def _online_retail(folder: Path) -> Prepared:
    """The shop with the day's mean temperature and the occasions of its country."""
    prepared = _as_published("online-retail")(folder)
    return replace(prepared, tables={**prepared.tables, "context": temperature(), "occasions": occasions()})


def temperature() -> Any:
    """Daily mean temperature of central England, 2010-2014, as a context table; a day's mean is known the day after."""
    import polars as pl

    days = pl.read_csv(FOLDER / "weather" / "weather_cet_daily_2010_2014.csv.gz", try_parse_dates=True)
    return days.select(
        pl.col("date").alias("time"), pl.lit("temperature").alias("name"), pl.col("mean_temp_c").alias("value")
    )


def occasions() -> Any:
    """Bank holidays, football days and baking broadcasts, 2010-2014, as an occasions table.

    A bank holiday is of kind `holiday`: known long before. The text of a football day is its results, and the audience
    of a broadcast is counted over seven days: neither may be known before, so both are left out of `text`, and football
    days are known from the day on. `size` is left out for the same reason.
    """
    import polars as pl

    events = pl.read_csv(FOLDER / "uk_events" / "uk_events_2010_2014.csv", try_parse_dates=True)
    kind = pl.col("kind").replace({"bank holiday": "holiday"})
    name = pl.when(pl.col("kind") == "football").then(pl.lit("Premier League matches")).otherwise("title")
    return events.select(
        name.alias("name"), pl.col("date").alias("start"), pl.col("date").alias("end"), kind.alias("kind")
    )


def _stackexchange_beer(folder: Path) -> Prepared:
    """Questions with a link to each, as its licence asks."""
    import polars as pl

    prepared = _as_published("stackexchange")(folder)
    link = pl.lit("https://alcohol.stackexchange.com/questions/").add(pl.col("item_id")).alias("link")
    return replace(prepared, tables={**prepared.tables, "items": prepared.tables["items"].with_columns(link)})


def _idea_news(folder: Path) -> Prepared:
    from driftline.data.formats.idea_news import read_idea_news

    return read_idea_news(folder / "idea_news_events.csv.gz")


_READERS: dict[str, tuple[str, Callable[[Path], Prepared]]] = {
    "online-retail": ("online_retail", _online_retail),
    "movietweetings": ("movietweetings", _as_published("movietweetings")),
    "stackexchange-beer": ("stackexchange_beer", _stackexchange_beer),
    "open-bandit": ("open_bandit", _as_published("open-bandit")),
    "idea-news": ("idea_news", _idea_news),
}
