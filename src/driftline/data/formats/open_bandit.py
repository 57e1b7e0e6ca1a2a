"""Open Bandit Dataset: what a fashion shop showed where, with what chance, and what was clicked (Saito et al. 2020)."""

from __future__ import annotations

import hashlib
from pathlib import Path

import polars as pl

from driftline.data.formats.columns_of import moment, number
from driftline.data.formats.prepared import FileReport, Prepared
from driftline.data.formats.rows import Rows, read_csv
from driftline.data.formats.source import Source
from driftline.errors import DatasetError

_POLICIES = ("random", "bts")
_CAMPAIGNS = ("all", "men", "women")
_FEATURES = tuple(f"user_feature_{place}" for place in range(4))
_COLUMNS = ("timestamp", "item_id", "position", "click", "propensity_score", *_FEATURES)
_FORM = "%Y-%m-%d %H:%M:%S%.f"


def read(source: Source) -> Prepared:
    """Impressions with position (1-based), propensity and reward (1: clicked); clicks as events; item context as items.

    There is no user id in this dataset. `user_id` is made from the four user features, which are hashed categories:
    whoever shares all four is one user here, a segment rather than a person, and the same in every run. The affinities
    of an impression stay with it; `policy` says who chose. Where a folder holds several campaigns, whose items are
    numbered apart, the campaign goes before the item's number: `men-12`.
    """
    patterns = [name for campaign in _CAMPAIGNS for name in (f"*{campaign}.csv", f"*{campaign}.csv.gz")]
    paths = [path for path in source.find_all(*patterns) if "context" not in path.name]
    if not paths or (source.single and source.single not in paths):
        raise source.lacks("all.csv, men.csv or women.csv", "impressions of a policy")
    several = len({_word(path, _CAMPAIGNS) for path in paths}) > 1
    logs = [_impressions(path, several) for path in dict.fromkeys(paths)]
    shown = pl.concat([rows.frame for rows in logs], how="diagonal").sort("time", maintain_order=True)
    clicks = shown.filter(pl.col("reward") == 1).select("user_id", "item_id", "time", pl.lit("click").alias("event"))
    if not clicks.height:
        raise DatasetError(f"expected at least one click in {source.name}, got none; name more of the dataset")
    users = shown.select("user_id", *_FEATURES).unique("user_id", keep="first", maintain_order=True)
    tables = {"events": clicks, "impressions": shown.drop(_FEATURES), "users": users}
    reports = [FileReport.of(rows) for rows in logs]
    contexts = _contexts(source, several)
    if contexts:
        tables["items"] = pl.concat([rows.frame for rows in contexts]).unique(
            "item_id", keep="first", maintain_order=True
        )
        reports += [FileReport.of(rows) for rows in contexts]
    notes = (f"{users.height} users were made from {len(_FEATURES)} user features: the dataset has no user id",)
    return Prepared(tables, {"name": "open-bandit"}, tuple(reports), notes)


def _impressions(path: Path, several: bool) -> Rows:
    rows = read_csv(path, _COLUMNS).needing("timestamp", "item_id", "propensity_score", "click", *_FEATURES)
    rows = rows.parsed("timestamp", moment("timestamp", _FORM), "unreadable_time")
    for name in ("propensity_score", "position", "click"):
        rows = rows.parsed(name, number(name), f"unreadable_{name}")
    affinities = [name for name in rows.frame.columns if name.startswith("user-item_affinity")]
    first = rows.frame["position"].min()
    frame = rows.frame.select(
        _user_ids(rows.frame),
        (pl.lit(_word(path, _CAMPAIGNS) + "-") if several else pl.lit("")).add(pl.col("item_id")).alias("item_id"),
        pl.col("timestamp").alias("time"),
        (pl.col("position") + (1 if first == 0 else 0)).cast(pl.Int16).alias("position"),
        pl.col("propensity_score").alias("propensity"),
        pl.col("click").alias("reward"),
        pl.lit(_word(path, _POLICIES)).alias("policy"),
        *_FEATURES,
        *(number(name).cast(pl.Float32).alias(name) for name in affinities),
    )
    return Rows(rows.file, frame, rows.rows, rows.left_out)


def _user_ids(frame: pl.DataFrame) -> pl.Series:
    """A short name for each combination of the user features, the same wherever it occurs."""
    joined = frame.select(pl.concat_str(_FEATURES, separator="/").alias("features"))["features"]
    names = {one: hashlib.sha256(one.encode()).hexdigest()[:12] for one in joined.unique()}
    return joined.replace_strict(names, return_dtype=pl.String).alias("user_id")


def _contexts(source: Source, several: bool) -> list[Rows]:
    found = []
    for path in source.find_all("*item_context.csv", "*item_context.csv.gz"):
        if path == source.single:
            continue
        rows = read_csv(path, ("item_id", "item_feature_0")).needing("item_id")
        prefix = _word(path, _CAMPAIGNS) + "-" if several else ""
        found.append(
            rows.with_columns(pl.lit(prefix).add(pl.col("item_id")).alias("item_id"), number("item_feature_0"))
        )
    return found


def _word(path: Path, words: tuple[str, ...]) -> str:
    """The word that a file's name, or else the nearest folder's, has as a part: `random` of random/men/men.csv."""
    for name in (path.name.lower(), *(folder.lower() for folder in reversed(path.parts[:-1]))):
        parts = name.split(".")[0].split("_")
        for word in words:
            if word in parts:
                return word
    return "unknown"
