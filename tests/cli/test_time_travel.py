"""`--at` reads nothing at or after `at`: whatever comes later, three commands print the same bytes."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from driftline.cli import app
from driftline.data.dataset import Dataset
from driftline.data.events import EventLog
from driftline.data.files import file_sha256
from driftline.data.kinds import Kind
from driftline.data.reading import read_dataset
from driftline.data.snapshot import read_snapshot, write_snapshot
from driftline.learning.fit import fit_run
from driftline.learning.registry import versions_of
from driftline.learning.settings import FitSettings
from driftline.learning.update import update_run
from driftline.models.storage import SEAL, sealed
from driftline.types import US_PER_DAY, format_time, parse_time

AT = "2024-03-10"
AT_US = parse_time(AT)
ARMS = ("popularity", "popularity-7d", "cooccurrence", "item-knn", "ease", "als", "content", "gru")
N_USERS, N_ITEMS = 24, 40
THEMES = ("tea", "garden", "desk", "toys")

FROM_NOW_ON = "2024-03-01"
USERS = ("u0", "u3", "hider", "newcomer")
"""Two who were there all along, one who hid items, one of whom nothing is known before `AT`."""

COMMANDS = [
    *(["interests", "--user", user] for user in USERS),
    *(["forecast", "--user", user, "--horizon", horizon] for user in USERS for horizon in ("7d", "next-20", "900d")),
    *(["recommend", "--user", user, "-k", "15"] for user in USERS),
    *(["recommend", "--user", "u0", *more] for more in (["--unseen"], ["--horizon", "7d"], ["--diversity", "0.6"])),
    ["recommend", "--user", "hider", "--where", 'topics has "tea" or price < 9', "--horizon", "next-20", "-k", "30"],
    ["recommend", "--user", "nobody", "--new-user"],
]


def folder_of(tmp: Path) -> Path:
    """A shop of four themes with every table there is; half of its life lies after `AT`. Nobody has an item twice."""
    rng = np.random.default_rng(0)
    tmp.mkdir()
    rows = []
    for user in range(N_USERS):
        for day in range(1, 19):
            theme = (user + day // 9) % 4
            kind = rng.choice(["purchase", "purchase", "view", "rating"])
            item = 4 * ((3 * user + 7 * day) % (N_ITEMS // 4)) + theme
            value = f"{rng.integers(1, 6)}" if kind == "rating" else ""
            rows.append(f"u{user},i{item},2024-03-{day:02d}T{user:02d}:{rng.integers(0, 60):02d}:00Z,{kind},{value}")
    rows += [f"hider,i{item},2024-03-0{1 + item % 8}T12:00:00Z,{kind}," for item in range(12) for kind in ("view",)]
    rows += ["hider,i0,2024-03-05T13:00:00Z,hide,", "hider,i4,2024-03-12T13:00:00Z,hide,"]
    rows += [f"newcomer,i{item},2024-03-{11 + item}T12:00:00Z,purchase," for item in range(5)]
    (tmp / "events.csv").write_text("\n".join(["user_id,item_id,time,event,value", *rows]) + "\n", encoding="utf-8")
    items = ["item_id,title,topics,available_from,price"]
    for item in range(N_ITEMS + 6):
        since = f"2024-03-{12 + item % 6}" if item >= N_ITEMS or item % 10 == 9 else "2024-01-01"
        items.append(f"i{item},{THEMES[item % 4]} thing {item % 7},{THEMES[item % 4]},{since},{item % 17}")
    (tmp / "items.csv").write_text("\n".join(items) + "\n", encoding="utf-8")
    days = [f"2024-03-{day:02d},temperature,{day % 7}" for day in range(1, 19)]
    (tmp / "context.csv").write_text("\n".join(["time,name,value", *days]) + "\n", encoding="utf-8")
    feasts = ["early feast,2024-03-04,2024-03-05,feast", "late feast,2024-03-12,2024-03-13,feast"]
    (tmp / "occasions.csv").write_text("\n".join(["name,start,end,kind", *feasts]) + "\n", encoding="utf-8")
    edges = [f"i{item},goes with,i{(item + 4) % N_ITEMS}" for item in range(N_ITEMS + 6)]
    (tmp / "relations.csv").write_text("\n".join(["head,relation,tail", *edges]) + "\n", encoding="utf-8")
    return tmp


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    tmp = tmp_path_factory.mktemp("travel")
    dataset = read_dataset(folder_of(tmp / "data"))
    fit_run(dataset, tmp / "run", settings=FitSettings(arms=ARMS, size="small", minutes=1.0))
    return tmp / "run"


def with_future(run_folder: Path, where: Path, change: Callable[[Dataset], Dataset]) -> Path:
    """A copy of a run under the same model and version whose data is another from `AT` on."""
    shutil.copytree(run_folder, where)
    (manifest,) = where.glob("versions/*/run.json")
    data = manifest.parent / "data"
    changed = change(read_snapshot(data))
    shutil.rmtree(data)
    write_snapshot(changed, data)
    document = json.loads(manifest.read_text(encoding="utf-8"))
    document.pop(SEAL)
    kept = {name: one for name, one in document["sha256"].items() if not name.startswith("data/")}
    sums = {path.relative_to(manifest.parent).as_posix(): file_sha256(path) for path in sorted(data.rglob("*.*"))}
    document["sha256"] = kept | sums
    manifest.write_text(sealed(document), encoding="utf-8")
    return where


def no_future(dataset: Dataset) -> Dataset:
    """Nothing happens any more, and what was to come never will."""
    return replace(_later_tables(dataset, None), log=dataset.log.before(AT_US))


def another_future(dataset: Dataset) -> Dataset:
    """Other people do other things with other items, of other kinds and values, and three times as often."""
    rng = np.random.default_rng(5)
    past = dataset.log.before(AT_US)
    users, items = past.users.extended(["stranger"]), past.items.extended(["novelty", "novelty 2"])
    kinds = (*past.kinds, Kind("return", weight=-1.0, target=False), Kind("love", weight=9.0, target=True))
    n = 3 * (len(dataset.log) - len(past))
    log = EventLog.from_columns(
        users,
        items,
        np.concatenate([past.user_row, rng.integers(0, len(users), n)]).astype(np.int32),
        np.concatenate([past.item_row, rng.integers(0, len(items), n) ** 2 % len(items)]).astype(np.int32),
        np.concatenate([past.time_us, AT_US + rng.integers(0, 40 * US_PER_DAY, n)]),
        kinds=kinds,
        kind=np.concatenate([past.kind, rng.integers(0, len(kinds), n)]).astype(np.int8),
        value=np.concatenate([past.value, rng.normal(0, 1e6, n)]).astype(np.float32),
        extra=None if past.extra is None else pl.concat([past.extra, past.extra.clear(n)]),
    )
    assert np.array_equal(log.before(AT_US).item_row, past.item_row)
    later = _later_tables(dataset, rng)
    catalog = replace(
        later.catalog,
        items=items,
        title=np.append(later.catalog.title, ["tea novelty", "tea thing 1"]),
        text=np.append(later.catalog.text, ["", "tea"]),
        topics=type(later.catalog.topics)(np.vstack([later.catalog.topics.toarray(), np.eye(2, 4)])),
        listed=np.append(later.catalog.listed, [True, True]),
        available_from_us=np.append(later.catalog.available_from_us, [AT_US + 1, AT_US + US_PER_DAY]),
        attributes=pl.concat([later.catalog.attributes, later.catalog.attributes[:2]]),
    )
    return replace(later, log=log, catalog=catalog)


def _later_tables(dataset: Dataset, rng: np.random.Generator | None) -> Dataset:
    """Context, occasions and relations of the future gone, or others; what comes into the catalog comes otherwise."""
    late = dataset.catalog.available_from_us > AT_US
    assert late.sum() > 6
    assert dataset.context is not None
    assert dataset.occasions is not None
    assert dataset.relations is not None
    context = dataset.context.filter(pl.col("known_at_us") <= AT_US)
    occasions = dataset.occasions.filter(pl.col("known_from_us") <= AT_US)
    assert 0 < context.height < dataset.context.height
    assert 0 < occasions.height < dataset.occasions.height
    coming = [str(one) for one in dataset.catalog.items.ids[late]]
    relations = dataset.relations.filter(~pl.col("head").is_in(coming) & ~pl.col("tail").is_in(coming))
    if rng is not None:
        tomorrow = context[-1:].with_columns(
            pl.lit(AT_US + US_PER_DAY).alias("time_us"), pl.lit(AT_US + 2 * US_PER_DAY).alias("known_at_us"), value=99.0
        )
        context = pl.concat([context, tomorrow.select(context.columns)], how="vertical_relaxed")
        feast = occasions[-1:].with_columns(
            *(pl.lit(AT_US + days * US_PER_DAY).alias(name) for name, days in _FEAST.items()), name=pl.lit("surprise")
        )
        occasions = pl.concat([occasions, feast.select(occasions.columns)], how="vertical_relaxed")
        relations = pl.concat([relations, relations[:5].with_columns(tail=pl.lit(coming[0]))])
    unheard = late & (dataset.log.before(AT_US).item_counts() == 0)
    assert unheard.any()
    title = np.where(unheard, "garden tea desk toys another title", dataset.catalog.title).astype(object)
    since = np.where(late, AT_US + 1 + np.arange(len(late)) * US_PER_DAY, dataset.catalog.available_from_us)
    catalog = replace(dataset.catalog, title=title, available_from_us=since)
    return replace(dataset, catalog=catalog, context=context, occasions=occasions, relations=relations)


_FEAST = {"start_us": 3, "end_us": 4, "known_from_us": 1}


def printed(capsys: pytest.CaptureFixture[str], run: Path, command: list[str], *more: str) -> str:
    name, *rest = command
    app([name, str(run), *rest, "--at", AT, *more], standalone_mode=False)
    return capsys.readouterr().out


@pytest.mark.parametrize("change", [no_future, another_future])
def test_whatever_comes_after_at_three_commands_print_the_same_bytes(
    change: Callable[[Dataset], Dataset], run_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = with_future(run_folder, tmp_path / "run", change)
    for command in COMMANDS:
        for form in (["--json"], []):
            assert printed(capsys, other, command, *form) == printed(capsys, run_folder, command, *form), command


def test_the_test_would_see_a_leak_as_answers_of_later_differ(
    run_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """From a later moment the two futures are told apart by every command."""
    other = with_future(run_folder, tmp_path / "run", another_future)
    for command in (["interests"], ["forecast", "--horizon", "7d"], ["recommend"]):
        answers = []
        for run in (run_folder, other):
            app([command[0], str(run), *command[1:], "--user", "u0", "--at", "2024-03-25"], standalone_mode=False)
            answers.append(capsys.readouterr().out)
        assert answers[0] != answers[1]


def answered(capsys: pytest.CaptureFixture[str], run: Path, *command: str) -> dict:
    app([command[0], str(run), *command[1:], "--json"], standalone_mode=False)
    return json.loads(capsys.readouterr().out)


@pytest.fixture
def two_versions(run_folder: Path, tmp_path: Path) -> Path:
    """The shop, and a week of one user later."""
    folder, more = tmp_path / "run", tmp_path / "more.csv"
    shutil.copytree(run_folder, folder)
    rows = [f"u0,{item},2024-03-{day},purchase,,{day}" for day, item in ((20, "i5"), (22, "brand new"), (25, "i9"))]
    more.write_text("\n".join(["user_id,item_id,time,event,value,page", *rows]) + "\n", encoding="utf-8")
    update_run(folder, more)
    return folder


def test_the_model_of_then_answers_with_everything_that_had_happened_by_then(
    two_versions: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Between the two cutoffs the first version answers, and counts what came after its own."""
    first, second = versions_of(two_versions)
    for at, n_events, version in (
        ("2024-03-19", 18, first),
        ("2024-03-21", 19, first),
        ("2024-03-23", 20, first),
        ("2024-03-26", 21, second),
    ):
        shown = answered(capsys, two_versions, "interests", "--user", "u0", "--at", at)
        assert (shown["n_events"], shown["model_version"], shown["hindsight"]) == (n_events, version.version, False)
        assert shown["model_cutoff"] == format_time(version.cutoff_us)
        ahead = answered(capsys, two_versions, "forecast", "--user", "u0", "--horizon", "7d", "--at", at)
        assert (ahead["n_events"], ahead["model_version"]) == (n_events, version.version)
        slate = answered(capsys, two_versions, "recommend", "--user", "u0", "--at", at, "-k", "60")
        assert slate["model_version"] == version.version
        had = {"i5"} if at == "2024-03-21" else {"i5", "brand new"} if at == "2024-03-23" else set()
        assert not had & {item["item_id"] for item in slate["items"]}, "what was had meanwhile is left out"
    past = answered(capsys, two_versions, "interests", "--user", "u0", "--at", AT)
    assert (past["model_version"], past["hindsight"]) == (second.version, True)


def test_a_run_that_was_fitted_again_on_a_file_in_another_order_answers_the_past_alike(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Users and items have other numbers then; the old version still reads the new log by their ids."""
    data, run = folder_of(tmp_path / "data"), tmp_path / "run"
    settings = FitSettings(arms=("popularity", "cooccurrence"))
    lines = (data / "events.csv").read_text(encoding="utf-8").splitlines()
    first = fit_run(read_dataset(data), run, settings=settings)
    before = [answered(capsys, run, *command, "--at", "2024-03-21") for command in COMMANDS[:20]]
    turned = [lines[0], "u3,i1,2024-03-25,purchase,", *reversed(lines[1:])]
    (data / "events.csv").write_text("\n".join(turned) + "\n", encoding="utf-8")
    (data / "items.csv").write_text(
        (data / "items.csv").read_text(encoding="utf-8").replace("\ni0,", "\nfresh,tea,tea,2024-01-01,1\ni0,"),
        encoding="utf-8",
    )
    fit_run(read_dataset(data), run, settings=settings)
    for command, was in zip(COMMANDS[:20], before, strict=True):
        now = answered(capsys, run, *command, "--at", "2024-03-21")
        assert now["model_version"] == first.version
        if command[0] != "recommend":
            assert now == was, command
    slate = answered(capsys, run, "recommend", "--user", "u3", "--at", "2024-03-21", "-k", "60")
    assert "fresh" in {item["item_id"] for item in slate["items"]}, "an item of the new catalog may be shown"
