"""Forecasts in a file, written before the time that they speak of: one row per user and topic, sealed by a hash.

The hash is over everything in the file, so that a file that was altered is told from one that was not; it is no
signature. Who wants to show later that a forecast was made in time leaves the hash with somebody else.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from polars.exceptions import PolarsError

from driftline.data.events import EventLog, histories
from driftline.data.files import replace_bytes
from driftline.errors import DatasetError, NotEnoughDataError, RequestError
from driftline.interest.horizons import Horizon
from driftline.interest.model import InterestModel
from driftline.interest.reading import require_user
from driftline.interest.state import Counts
from driftline.interest.topics import Topics
from driftline.types import format_time

FORMAT = 1
KEY = "driftline.forecasts"
"""The key of the header among the Parquet file's own facts."""

BATCH = 20_000
"""Users are forecast so many at a time."""

COLUMNS = ("user_id", "topic", "share", "at", "horizon", "model_version", "concentration", "expected_events")


@dataclass(frozen=True, eq=False)
class WrittenForecasts:
    """Forecasts of n users over all topics, from one moment and for one horizon.

    `shares` [n, n_topics] sum to 1; `concentration` [n, n_topics] is around each share, `expected_events` [n] as in
    `interest.forecast.Forecast`.
    `members` holds the items of each topic where topics were learned, and None where they are the catalog's, which
    knows its items itself. `model` says which model forecast: version, cutoff, hindsight.
    """

    users: tuple[str, ...]
    topics: tuple[str, ...]
    shares: Counts
    concentration: Counts
    expected_events: NDArray[np.int64]
    at_us: int
    horizon: Horizon
    model: Mapping[str, Any]
    members: Mapping[str, Sequence[str]] | None = field(default=None)

    @cached_property
    def sha256(self) -> str:
        """The hash of all of it, in hex."""
        text = json.dumps({"header": self._header(), "users": self.users, "topics": self.topics}, sort_keys=True)
        digest = hashlib.sha256(text.encode())
        for column in (self.shares, self.concentration):
            digest.update(np.ascontiguousarray(column, "<f8").tobytes())
        digest.update(np.ascontiguousarray(self.expected_events, "<i8").tobytes())
        return digest.hexdigest()

    def header(self) -> dict[str, Any]:
        """What the file says of itself beside its rows."""
        return {**self._header(), "sha256": self.sha256}

    def _header(self) -> dict[str, Any]:
        members = None if self.members is None else {topic: list(items) for topic, items in self.members.items()}
        return {
            "format": FORMAT,
            "at_us": self.at_us,
            "horizon": str(self.horizon),
            "model": dict(self.model),
            "members": members,
        }

    def as_json(self) -> dict[str, Any]:
        """What the forecasts are, without the rows."""
        return {
            "at": format_time(self.at_us),
            "horizon": str(self.horizon),
            "users": len(self.users),
            "topics": len(self.topics),
            "rows": self.shares.size,
            "sha256": self.sha256,
            **self.model,
        }


def forecast_users(
    interest: InterestModel,
    log: EventLog,
    at_us: int,
    horizon: Horizon,
    *,
    model: Mapping[str, Any],
    user_id: str | None = None,
) -> WrittenForecasts:
    """Forecast one user, or everybody who had done anything by then; nothing at or after the moment is read.

    UnknownUserError for a user whom the log does not know, NotEnoughDataError where nobody had done anything.
    """
    rows = _users(log, at_us, user_id)
    events = log.positive
    parts = [
        interest.distributions(events, histories(events, some, np.full(len(some), at_us, np.int64)), horizon)
        for some in (rows[first : first + BATCH] for first in range(0, len(rows), BATCH))
    ]
    return WrittenForecasts(
        tuple(str(one) for one in log.users.ids[rows]),
        tuple(interest.topics.ids),
        np.concatenate([one.shares for one in parts]),
        np.concatenate([one.concentration for one in parts]),
        np.concatenate([one.n_events for one in parts]).astype(np.int64),
        at_us,
        horizon,
        model,
        _members(interest.topics) if interest.topics.learned else None,
    )


def write_forecasts(path: Path, forecasts: WrittenForecasts) -> None:
    """Write a Parquet file of `COLUMNS`, users in order and all topics of each; SaveError where that fails."""
    n, n_topics = forecasts.shares.shape
    frame = pl.DataFrame(
        {
            "user_id": pl.Series(forecasts.users, dtype=pl.String).gather(np.repeat(np.arange(n), n_topics)),
            "topic": pl.Series(forecasts.topics, dtype=pl.String).gather(np.tile(np.arange(n_topics), n)),
            "share": forecasts.shares.ravel(),
            "at": pl.Series(np.full(n * n_topics, forecasts.at_us)).cast(pl.Datetime("us", "UTC")),
            "horizon": pl.Series([str(forecasts.horizon)], dtype=pl.String).new_from_index(0, n * n_topics),
            "model_version": pl.Series([forecasts.model["model_version"]]).new_from_index(0, n * n_topics),
            "concentration": forecasts.concentration.ravel(),
            "expected_events": np.repeat(forecasts.expected_events, n_topics),
        }
    )
    file = io.BytesIO()
    frame.write_parquet(file, metadata={KEY: json.dumps(forecasts.header())})
    replace_bytes(path, file.getvalue())


def read_forecasts(path: Path) -> WrittenForecasts:
    """What `write_forecasts` wrote; DatasetError where it is no such file, or where anything in it was altered."""
    if not path.is_file():
        raise DatasetError(
            f"expected a file of forecasts, got {path}; write one with driftline forecast RUN --out FILE"
        )
    try:
        content = path.read_bytes()
        header = json.loads(pl.read_parquet_metadata(io.BytesIO(content))[KEY])
        if header["format"] != FORMAT:
            raise DatasetError(
                f"expected forecasts in format {FORMAT}, got {header['format']} in {path}; write it again"
            )
        found = _from_table(pl.read_parquet(io.BytesIO(content)), header)
    except (PolarsError, OSError, ValueError, KeyError, TypeError, IndexError, RequestError) as error:
        if isinstance(error, DatasetError):
            raise
        why = next(iter(str(error).splitlines()), "") or type(error).__name__
        raise DatasetError(f"expected forecasts as driftline forecast --out wrote them in {path}, got {why}") from error
    if found is None or found.sha256 != header["sha256"]:
        raise DatasetError(f"expected {path} as it was written, got an altered file; only what is sealed is scored")
    return found


def _from_table(table: pl.DataFrame, header: Mapping[str, Any]) -> WrittenForecasts | None:
    """The forecasts in a table; None where rows are not each user's topics in order, or say other than the header."""
    if tuple(table.columns) != COLUMNS:
        return None
    users, topics = table["user_id"].unique(maintain_order=True), table["topic"].unique(maintain_order=True)
    shape = (len(users), len(topics))
    if table.height != shape[0] * shape[1] or not table.height:
        return None
    users_again, topics_again = np.repeat(np.arange(shape[0]), shape[1]), np.tile(np.arange(shape[1]), shape[0])
    concentration, expected = (table[name].to_numpy().reshape(shape) for name in COLUMNS[-2:])
    model = dict(header["model"])
    same = (
        table["user_id"].equals(users.gather(users_again))
        and table["topic"].equals(topics.gather(topics_again))
        and (table["at"].to_physical() == header["at_us"]).all()
        and (table["horizon"] == header["horizon"]).all()
        and (table["model_version"] == model["model_version"]).all()
        and (expected == expected[:, :1]).all()
    )
    if not same:
        return None
    return WrittenForecasts(
        tuple(users),
        tuple(topics),
        table["share"].to_numpy().reshape(shape),
        concentration.copy(),
        expected[:, 0].astype(np.int64),
        int(header["at_us"]),
        Horizon.parse(header["horizon"]),
        model,
        header["members"],
    )


def _users(log: EventLog, at_us: int, user_id: str | None) -> NDArray[np.int32]:
    if user_id is not None:
        require_user(log, user_id)
        return np.array([log.users.row(user_id)], np.int32)
    everybody = np.arange(log.n_users, dtype=np.int32)
    there = everybody[histories(log, everybody, np.full(log.n_users, at_us, np.int64)).lengths > 0]
    if not len(there):
        raise NotEnoughDataError(f"expected users with events before {format_time(at_us)}, got none; take a later --at")
    return there


def _members(topics: Topics) -> dict[str, list[str]]:
    """The items of each topic that was learned; an item has one at most."""
    columns = topics.weights.tocsc()
    return {
        id_: [topics.items[int(row)] for row in columns.indices[columns.indptr[place] : columns.indptr[place + 1]]]
        for place, id_ in enumerate(topics.ids)
    }
