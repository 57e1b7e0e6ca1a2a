"""Public formats: one file per format, each turning what is published into the tables of a dataset folder.

Every module has `read(source) -> Prepared`. Lines that cannot be read are counted and reported, never silently lost:
for each file, rows in = rows kept + rows left out.
"""

from __future__ import annotations

from importlib import import_module
from typing import Protocol, cast

from driftline.data.formats.prepared import Prepared
from driftline.data.formats.source import Source

FORMATS: dict[str, str] = {
    "online-retail": "online_retail",
    "movietweetings": "movietweetings",
    "movielens": "movielens",
    "stackexchange": "stackexchange",
    "open-bandit": "open_bandit",
    "s3rec": "s3rec",
    "mind": "mind",
    "deskdrop": "deskdrop",
    "lastfm-hetrec": "lastfm_hetrec",
    "recbole": "recbole",
}
"""Short names of the formats with a fixed layout, and the module of each. (`csv` takes a mapping: `formats.mapped`.)"""


class Reader(Protocol):
    """Reads one public format."""

    def __call__(self, source: Source) -> Prepared:
        """The tables of the source, and what was left out; DatasetError where it is not this format."""
        ...


def reader(name: str) -> Reader:
    """The reader of a format; its module is imported when it is asked for."""
    return cast("Reader", import_module(f"driftline.data.formats.{FORMATS[name]}").read)
