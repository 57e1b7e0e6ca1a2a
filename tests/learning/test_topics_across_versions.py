"""A version says what became of the topics of the one before it; a fit into a run keeps what was learned of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from driftline.data.reading import read_dataset
from driftline.learning.fit import fit_run
from driftline.learning.registry import Run, load_run, read_manifest, versions_of
from driftline.learning.settings import FitSettings
from driftline.learning.update import update_run

CHEAP = FitSettings(arms=("popularity",))
TEA = ["cups"] * 4 + ["pots"] * 4 + ["toys"] * 4


def shop(folder: Path, tags: list[str] | None = None, last_day: int = 20) -> Path:
    """Twelve items that ten people take in turn, with topics where tags are given."""
    folder.mkdir(exist_ok=True)
    rows = [f"u{user},i{(user * 5 + day) % 12},2024-03-{day:02d}" for user in range(10) for day in range(1, last_day)]
    (folder / "events.csv").write_text("\n".join(["user_id,item_id,time", *rows]) + "\n", encoding="utf-8")
    if tags:
        items = [f"i{place},{tag}" for place, tag in enumerate(tags)]
        (folder / "items.csv").write_text("\n".join(["item_id,topics", *items]) + "\n", encoding="utf-8")
    return folder


def fitted(data: Path, run: Path, seed: int = 0) -> Run:
    return fit_run(read_dataset(data), run, settings=CHEAP.model_copy(update={"seed": seed}))


def test_a_first_fit_has_nothing_to_tell_and_the_next_tells_merges_that_stay_readable(tmp_path: Path) -> None:
    data, run = tmp_path / "data", tmp_path / "run"
    first = fitted(shop(data, TEA), run)
    assert first.manifest.topic_changes is None
    second = fitted(shop(data, ["tea"] * 8 + ["toys"] * 4), run)
    (file,) = run.glob(f"versions/{second.version}/run.json")
    told = json.loads(file.read_text(encoding="utf-8"))["manifest"]["topic_changes"]
    assert told["since"] == first.version
    assert told["went_on"] == ["toys"]
    assert [[one["name"] for one in merge["from"]] for merge in told["merged"]] == [["cups", "pots"]]
    assert read_manifest(file.parent).topic_changes == told == second.manifest.topic_changes


def test_learned_topics_keep_ids_and_names_when_a_run_is_fitted_again(tmp_path: Path) -> None:
    data, run = tmp_path / "data", tmp_path / "run"
    first = fitted(shop(data), run)
    second = fitted(shop(data, last_day=24), run, seed=7)
    assert second.version != first.version
    assert second.interest.topics.ids == first.interest.topics.ids
    assert second.interest.topics.names == first.interest.topics.names
    assert second.manifest.topic_changes is not None
    assert second.manifest.topic_changes["went_on"] == list(first.interest.topics.ids)


def test_what_is_told_of_topics_is_no_part_of_a_versions_id(tmp_path: Path) -> None:
    """The same data fitted twice is one version, though the second fit came after another."""
    data, run = shop(tmp_path / "data", TEA), tmp_path / "run"
    assert fitted(data, run).version == fitted(data, run).version
    assert len(versions_of(run)) == 1


def test_other_data_in_the_same_run_is_compared_with_nothing(tmp_path: Path) -> None:
    run = tmp_path / "run"
    fitted(shop(tmp_path / "data", TEA), run)
    assert fitted(shop(tmp_path / "elsewhere", ["tea"] * 12), run).manifest.topic_changes is None


@pytest.mark.parametrize("what", ["current.json", "topics.json"])
def test_a_damaged_run_is_healed_by_a_fit_that_takes_nothing_from_it(what: str, tmp_path: Path) -> None:
    data, run = shop(tmp_path / "data"), tmp_path / "run"
    fitted(data, run)
    (file,) = run.rglob(what)
    file.write_text("{", encoding="utf-8")
    assert fitted(shop(data, last_day=22), run).manifest.topic_changes is None
    assert load_run(run).manifest.topic_changes is None


def test_an_update_tells_what_became_of_topics(tmp_path: Path) -> None:
    run, more = tmp_path / "run", tmp_path / "more.csv"
    first = fitted(shop(tmp_path / "data", TEA), run)
    more.write_text("user_id,item_id,time\nu1,i3,2024-03-28\n", encoding="utf-8")
    newer, report = update_run(run, more)
    assert report.topics == newer.manifest.topic_changes
    assert report.topics["since"] == first.version
    assert report.topics["went_on"] == ["cups", "pots", "toys"]
    assert update_run(run, more)[1].topics == {}
