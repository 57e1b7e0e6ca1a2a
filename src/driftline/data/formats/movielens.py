"""MovieLens 100k, 1M, 10M and latest (Harper and Konstan 2015), each in the layout of its own time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import polars as pl

from driftline.data.formats.columns_of import epoch_seconds
from driftline.data.formats.films import FILM, RATING, films_of, ratings_of
from driftline.data.formats.prepared import FileReport, Prepared
from driftline.data.formats.rows import Rows, read_csv, read_fields
from driftline.data.formats.source import Source

_GENRES = (
    "unknown",
    "Action",
    "Adventure",
    "Animation",
    "Children's",
    "Comedy",
    "Crime",
    "Documentary",
    "Drama",
    "Fantasy",
    "Film-Noir",
    "Horror",
    "Musical",
    "Mystery",
    "Romance",
    "Sci-Fi",
    "Thriller",
    "War",
    "Western",
)
_USERS_100K = ("user_id", "age", "gender", "occupation", "zip_code")
_USERS_1M = ("user_id", "gender", "age", "occupation", "zip_code")


def read(source: Source) -> Prepared:
    """Ratings as events, films as items with genres as topics, users where the set has them.

    100k: `u.data`, `u.item`, `u.user`, `u.genre`; 1M and 10M: `ratings.dat`, `movies.dat`, `users.dat` with `::`;
    latest: `ratings.csv`, `movies.csv`, `tags.csv`, `links.csv`. The year of a film comes from its title. A tag that a
    user gives becomes an event of kind `tag` with weight 0, never a target: it is there, with its time, and moves
    nothing until `dataset.toml` says so. A film is rated once, so repeats are excluded.
    """
    path = source.need("u.data", "ratings.dat", "ratings.csv", "ratings.csv.gz", what="ratings")
    if path.name.lower() == "u.data":
        tables = _read_100k(source, path)
    elif path.name.lower().endswith(".dat"):
        tables = _read_fields(source, path)
    else:
        tables = _read_latest(source, path)
    reports = tuple(FileReport.of(rows) for rows in tables.values())
    frames = {name: rows.frame for name, rows in tables.items()}
    settings: dict[str, object] = {"name": "movielens", "repeats": "exclude"}
    if "tags" in frames:
        frames["events"] = pl.concat([frames["events"], frames.pop("tags")], how="diagonal")
        settings["events"] = {"tag": {"weight": 0.0, "target": False}}
    return Prepared(frames, settings, reports)


def _read_100k(source: Source, path: Path) -> dict[str, Rows]:
    tables = {"events": ratings_of(read_fields(path, RATING, separator="\t"))}
    if (items := source.find("u.item")) is not None:
        tables["items"] = _items_100k(items, _genres(source))
    if (users := source.find("u.user")) is not None:
        tables["users"] = read_fields(users, _USERS_100K, separator="|").needing("user_id")
    return tables


def _genres(source: Source) -> Sequence[str]:
    path = source.find("u.genre")
    if path is None:
        return _GENRES
    rows = read_fields(path, ("genre", "number"), separator="|").frame
    return rows.sort(pl.col("number").cast(pl.Int64))["genre"].to_list()


def _items_100k(path: Path, genres: Sequence[str]) -> Rows:
    """Films whose genres are a column of 0 and 1 each."""
    names = ("item_id", "title", "release_date", "video_release_date", "link", *genres)
    rows = read_fields(path, names, separator="|")
    marked = [pl.when(pl.col(name) == "1").then(pl.lit(name)) for name in genres if name != "unknown"]
    topics = pl.concat_str(marked, separator="|", ignore_nulls=True).alias("topics")
    frame = rows.frame.select("item_id", "title", topics, "release_date", "link")
    return films_of(replace(rows, frame=frame))


def _read_fields(source: Source, path: Path) -> dict[str, Rows]:
    tables = {"events": ratings_of(read_fields(path, RATING, separator="::"))}
    if (items := source.find("movies.dat")) is not None:
        tables["items"] = films_of(read_fields(items, FILM, separator="::"))
    if (users := source.find("users.dat")) is not None:
        tables["users"] = read_fields(users, _USERS_1M, separator="::").needing("user_id")
    return tables


def _read_latest(source: Source, path: Path) -> dict[str, Rows]:
    tables = {
        "events": ratings_of(_renamed(path, userId="user_id", movieId="item_id", rating="value", timestamp="time"))
    }
    if (items := source.find("movies.csv", "movies.csv.gz")) is not None:
        films = films_of(_renamed(items, movieId="item_id", title="title", genres="topics"))
        if (links := source.find("links.csv", "links.csv.gz")) is not None:
            named = _renamed(links, movieId="item_id", imdbId="imdb_id", tmdbId="tmdb_id").frame
            films = replace(
                films, frame=films.frame.join(named.unique("item_id", keep="first"), on="item_id", how="left")
            )
        tables["items"] = films
    if (tags := source.find("tags.csv", "tags.csv.gz")) is not None:
        given = _renamed(tags, userId="user_id", movieId="item_id", tag="tag", timestamp="time")
        given = given.needing("user_id", "item_id", "tag", "time")
        given = given.parsed("time", epoch_seconds("time"), "unreadable_time")
        tables["tags"] = given.with_columns(pl.lit("tag").alias("event"))
    return tables


def _renamed(path: Path, **names: str) -> Rows:
    rows = read_csv(path, tuple(names))
    return replace(rows, frame=rows.frame.rename(names))
