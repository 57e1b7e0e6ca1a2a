"""MovieTweetings: ratings of films from public posts (Dooms, De Pessemier and Martens 2013)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from driftline.data.formats.films import FILM, RATING, films_of, ratings_of
from driftline.data.formats.prepared import FileReport, Prepared
from driftline.data.formats.rows import Rows, read_csv, read_fields
from driftline.data.formats.source import Source


def read(source: Source) -> Prepared:
    """Ratings of 0 to 10 as events, films as items with genres as topics; ids keep their leading zeros.

    `ratings.dat` and `movies.dat` with `::` between fields, or the same as CSV. `users.dat` names accounts of real
    people, which no model needs: it is not read. A film is rated once, so repeats are excluded.
    """
    path = source.need("ratings.dat", "*ratings*.csv*", what="ratings")
    ratings = ratings_of(_table(path, RATING, ("user_id", "movie_id", "rating", "timestamp")))
    tables, reports = {"events": ratings.frame}, [FileReport.of(ratings)]
    if (table := source.find("movies.dat", "*movies*.csv*")) is not None:
        films = films_of(_table(table, FILM, ("movie_id", "title", "genres")))
        tables["items"] = films.frame
        reports.append(FileReport.of(films))
    return Prepared(tables, {"name": "movietweetings", "repeats": "exclude"}, tuple(reports))


def _table(path: Path, ours: tuple[str, ...], theirs: tuple[str, ...]) -> Rows:
    if path.name.endswith(".dat"):
        return read_fields(path, ours, separator="::", n_needed=len(ours))
    rows = read_csv(path, theirs)
    return replace(rows, frame=rows.frame.rename(dict(zip(theirs, ours, strict=True))))
