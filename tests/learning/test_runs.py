"""Runs: what is saved answers the same after loading, damage is seen, and a failed save loses nothing."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import driftline.learning.registry as registry
import driftline.learning.update as update
from driftline.data.dataset import Dataset
from driftline.data.more import MoreEvents
from driftline.data.reading import read_dataset
from driftline.errors import NotEnoughDataError, RequestError, RunError, SaveError, SettingsError, UnknownModelError
from driftline.interest.model import InterestModel, fit_interest_model
from driftline.learning.fit import fit_run
from driftline.learning.names import available, choose_arms, floor, make_model, make_models
from driftline.learning.registry import load_run, versions_of
from driftline.learning.settings import FitSettings, read_settings
from driftline.learning.update import update_run
from driftline.types import parse_time

CHEAP = FitSettings(arms=("popularity-7d", "cooccurrence"))


def write_events(folder: Path, n_users: int = 30, first_day: int = 1, last_day: int = 24) -> Path:
    """A shop in which user u takes items that move round a ring, so that what follows is known."""
    folder.mkdir(exist_ok=True)
    lines = ["user_id,item_id,time"]
    lines += [
        f"u{user},i{(user + day) % 12},2024-03-{day:02d}T{user % 24:02d}:00:00Z"
        for user in range(n_users)
        for day in range(first_day, last_day)
    ]
    (folder / "events.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return read_dataset(write_events(tmp_path_factory.mktemp("ring") / "data"))


@pytest.fixture(scope="module")
def run_folder(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "run"
    fit_run(dataset, folder, settings=CHEAP)
    return folder


def test_a_loaded_run_recommends_what_the_fitted_one_did(dataset: Dataset, tmp_path: Path) -> None:
    """The slate is equal before and after the disk."""
    fitted = fit_run(dataset, tmp_path / "run", settings=CHEAP)
    loaded = load_run(tmp_path / "run")
    at = fitted.cutoff_us
    ours = fitted.recommender(at).recommend("u3", at_us=at).as_json()
    assert loaded.recommender(at).recommend("u3", at_us=at).as_json() == ours
    assert ours["items"][0]["item_id"] == "i3", "u3 had i2 last: the ring goes on at i3"


def test_every_arm_that_was_asked_for_has_a_share_or_a_reason(dataset: Dataset, tmp_path: Path) -> None:
    arms = ("popularity", "popularity-7d", "cooccurrence", "content")
    manifest = fit_run(dataset, tmp_path / "run", settings=CHEAP.model_copy(update={"arms": arms})).manifest
    assert sum(manifest.shares.values()) == pytest.approx(1)
    named = set(manifest.shares) | set(manifest.skipped)
    assert set(arms) <= named
    assert not set(manifest.shares) & set(manifest.skipped)


def test_the_same_fit_twice_is_one_version(dataset: Dataset, tmp_path: Path) -> None:
    """Versions are named by their content."""
    first = fit_run(dataset, tmp_path / "run", settings=CHEAP)
    second = fit_run(dataset, tmp_path / "run", settings=CHEAP)
    assert first.version == second.version
    assert len(versions_of(tmp_path / "run")) == 1


def test_a_flipped_byte_anywhere_is_refused(run_folder: Path, tmp_path: Path) -> None:
    """Every file of a version is checked against its sum."""
    files = sorted(path.relative_to(run_folder) for path in run_folder.rglob("*") if path.is_file())
    assert len(files) > 8
    for name in files:
        damaged = tmp_path / "damaged"
        shutil.copytree(run_folder, damaged)
        content = bytearray((damaged / name).read_bytes())
        content[len(content) // 2] ^= 0x15
        (damaged / name).write_bytes(bytes(content))
        with pytest.raises((RunError, RequestError)):  # noqa: PT012  # the name says which file slipped through
            load_run(damaged)
            raise AssertionError(f"{name} was read although a byte had changed")
        shutil.rmtree(damaged)


def test_a_disk_that_fills_while_saving_leaves_the_old_version_answering(
    dataset: Dataset, run_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The draft goes, the error says so, the old run still loads."""
    folder = tmp_path / "run"
    shutil.copytree(run_folder, folder)
    before = load_run(folder).version

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(registry, "sync", full)
    with pytest.raises(SaveError, match="No space left"):
        fit_run(dataset, folder, settings=CHEAP.model_copy(update={"seed": 5}))
    assert load_run(folder).version == before
    assert [path.name for path in (folder / "versions").iterdir()] == [before]


def test_an_update_learns_new_events_once(run_folder: Path, tmp_path: Path) -> None:
    """New users and items enter, names of topics stay, the same file again is nothing new."""
    folder = tmp_path / "run"
    shutil.copytree(run_folder, folder)
    old = load_run(folder)
    more = tmp_path / "more.csv"
    more.write_text(
        "user_id,item_id,time\nu3,i3,2024-03-24T03:00:00Z\nnobody yet,🎁 new,2024-03-24T04:00:00Z\n", encoding="utf-8"
    )
    run, report = update_run(folder, more)
    assert (report.new, report.parent) == (2, old.version)
    assert run.dataset.log.users.row("nobody yet") == old.dataset.log.n_users
    assert run.dataset.log.items.row("🎁 new") == old.dataset.log.n_items
    topics, before = run.interest.topics, old.interest.topics
    assert (
        dict(zip(before.ids, before.names, strict=True)).items()
        <= dict(zip(topics.ids, topics.names, strict=True)).items()
    )
    there = topics.weights[: len(before.items)].toarray()[:, [topics.column(one) for one in before.ids]]
    np.testing.assert_array_equal(there, before.weights.toarray(), "every item stays in its topic")
    slate = load_run(folder).recommender(run.cutoff_us).recommend("u3", at_us=run.cutoff_us)
    assert slate.items[0].item_id == "i4", "u3 has moved on to i3, so the ring goes on at i4"
    again, second = update_run(folder, more)
    assert (second.new, again.version) == (0, run.version)


def test_an_update_groups_interests_under_the_seed_of_the_fit(
    run_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, more, seeds = tmp_path / "run", tmp_path / "more.csv", []
    dataset = load_run(run_folder).dataset
    fit_run(dataset, folder, settings=CHEAP.model_copy(update={"seed": 5}))

    def watched(*args: Any, **named: Any) -> InterestModel:
        seeds.append(named["seed"])
        return fit_interest_model(*args, **named)

    monkeypatch.setattr(update, "fit_interest_model", watched)
    more.write_text("user_id,item_id,time\nu3,i3,2024-03-24T03:00:00Z\n", encoding="utf-8")
    update_run(folder, more)
    assert seeds == [5]


def test_the_version_that_had_not_seen_the_future_answers_the_past(run_folder: Path, tmp_path: Path) -> None:
    """With several versions the newest whose cutoff is not after `at` answers; hindsight is said."""
    folder = tmp_path / "run"
    shutil.copytree(run_folder, folder)
    old = load_run(folder)
    more = tmp_path / "more.csv"
    more.write_text("user_id,item_id,time\nu3,i2,2024-03-28\n", encoding="utf-8")
    new, _ = update_run(folder, more)
    assert load_run(folder).version == new.version
    assert load_run(folder, old.cutoff_us).version == old.version
    assert not load_run(folder, old.cutoff_us).provenance(old.cutoff_us)["hindsight"]
    assert new.provenance(old.cutoff_us)["hindsight"]


def test_a_version_that_was_fitted_on_other_data_answers_no_moment(run_folder: Path, tmp_path: Path) -> None:
    """A shop fitted into the run folder of another one: the past is told from the shop that answers now."""
    folder = tmp_path / "run"
    shutil.copytree(run_folder, folder)
    other = load_run(folder)
    later = fit_run(read_dataset(write_events(tmp_path / "elsewhere", last_day=28)), folder, settings=CHEAP)
    assert later.version != other.version
    assert load_run(folder, other.cutoff_us).version == later.version


def test_a_folder_with_other_things_in_it_is_not_written_to(dataset: Dataset, tmp_path: Path) -> None:
    """A run never mixes with what is there."""
    (tmp_path / "letter.txt").write_text("dear all", encoding="utf-8")
    with pytest.raises(RequestError, match="other things"):
        fit_run(dataset, tmp_path, settings=CHEAP)
    assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]


@pytest.mark.parametrize("n_events", [1, 2, 5])
def test_a_handful_of_events_is_enough_for_a_run(n_events: int, tmp_path: Path) -> None:
    """One user and one event fit, save, load and answer."""
    data = tmp_path / "data"
    data.mkdir()
    rows = "".join(f"only,i{i},2024-01-0{i + 1}\n" for i in range(n_events))
    (data / "events.csv").write_text("user_id,item_id,time\n" + rows, encoding="utf-8")
    fit_run(read_dataset(data), tmp_path / "run", settings=CHEAP)
    run = load_run(tmp_path / "run")
    slate = run.recommender(run.cutoff_us).recommend("only", at_us=run.cutoff_us)
    assert all(np.isfinite(item.score) for item in slate.items)


def test_only_signs_of_interest_can_be_learned_from(tmp_path: Path) -> None:
    """A log of impressions alone is too little."""
    data = tmp_path / "data"
    data.mkdir()
    (data / "events.csv").write_text("user_id,item_id,time,event\na,b,2024-01-01,impression\n", encoding="utf-8")
    with pytest.raises(NotEnoughDataError, match="sign of interest"):
        fit_run(read_dataset(data), tmp_path / "run", settings=CHEAP)


def test_settings_are_read_once_and_unknown_ones_refused(tmp_path: Path) -> None:
    """A file, then what is given over it; a wrong key or value names what is known."""
    file = tmp_path / "fit.toml"
    file.write_text('size = "small"\nseed = 3\n[models.cooccurrence]\nlast = 7\n', encoding="utf-8")
    settings = read_settings(file, seed=9)
    assert (settings.size, settings.seed, settings.models["cooccurrence"]) == ("small", 9, {"last": 7})
    file.write_text("colour = 1\n", encoding="utf-8")
    with pytest.raises(SettingsError, match=r"colour.*the settings are size"):
        read_settings(file)
    with pytest.raises(SettingsError, match="size"):
        read_settings(None, size="huge")
    with pytest.raises(SettingsError, match="TOML"):
        read_settings(tmp_path / "nothing.toml")


def test_where_only_an_order_is_known_popularity_stands_in_for_that_of_a_week(dataset: Dataset) -> None:
    ordered = replace(dataset, order_only=True)
    assert "popularity-7d" not in available(ordered)
    assert floor(ordered) == ("popularity", "cooccurrence")
    assert choose_arms(ordered)[0] == "popularity"
    assert floor(dataset) == ("popularity-7d", "cooccurrence")
    assert choose_arms(dataset)[0] == "popularity-7d"


def test_names_construct_models_and_unknown_ones_are_refused(dataset: Dataset) -> None:
    """The one dial scales the width; a keyword that a model lacks names those that it has."""
    assert make_model("cooccurrence", given={"last": 7}).last == 7  # type: ignore[attr-defined]
    with pytest.raises(SettingsError, match="no setting 'lasts'"):
        make_model("cooccurrence", given={"lasts": 7})
    with pytest.raises(UnknownModelError, match="expected a model out of popularity"):
        choose_arms(dataset, ("populariti",))
    with pytest.raises(SettingsError, match="models that are fitted"):
        make_models(["popularity"], FitSettings(models={"cooccurrence": {"last": 7}}))
    small, large = make_model("gru", size="small"), make_model("gru", size="large")
    assert large.for_steps(0).dim == 4 * small.for_steps(0).dim  # type: ignore[attr-defined]


def test_of_two_updates_at_once_the_later_says_that_it_is_late(
    run_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It loses nothing: the same update again learns its events upon those of the other."""
    folder = tmp_path / "run"
    shutil.copytree(run_folder, folder)
    first, second = tmp_path / "first.csv", tmp_path / "second.csv"
    first.write_text("user_id,item_id,time\nu3,i3,2024-03-28\n", encoding="utf-8")
    second.write_text("user_id,item_id,time\nu4,i4,2024-03-29\n", encoding="utf-8")
    read = update.read_more_events

    def slowly(file: Path, dataset: Dataset) -> MoreEvents:
        monkeypatch.setattr(update, "read_more_events", read)
        update_run(folder, first)
        return read(file, dataset)

    monkeypatch.setattr(update, "read_more_events", slowly)
    with pytest.raises(SaveError, match="another process; update again"):
        update_run(folder, second)
    run, report = update_run(folder, second)
    assert report.new == 1
    assert run.dataset.log.last_us == parse_time("2024-03-29")
    assert parse_time("2024-03-28") in run.dataset.log.time_us


def test_what_a_killed_process_left_half_written_goes_with_the_next_save(
    dataset: Dataset, run_folder: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    shutil.copytree(run_folder, folder)
    (folder / "versions" / ".draft-killed" / "data").mkdir(parents=True)
    run = fit_run(dataset, folder, settings=CHEAP)
    assert [path.name for path in (folder / "versions").iterdir()] == [run.version]


@pytest.mark.parametrize(
    ("said", "instead"),
    [
        ('"cutoff_us": 17', '"cutoff_us": 18'),
        ('"sha256": {', '"sha256": null, "was": {'),
        ('"seed": 0', '"seed": 1'),
        ('"format": 2', '"format": 99'),
    ],
)
def test_what_a_version_says_of_itself_cannot_change_unnoticed(
    run_folder: Path, tmp_path: Path, said: str, instead: str
) -> None:
    """A cutoff of another day would say hindsight where there is none; no altered manifest is believed."""
    folder = tmp_path / "run"
    shutil.copytree(run_folder, folder)
    (file,) = folder.glob("versions/*/run.json")
    text = file.read_text(encoding="utf-8")
    assert said in text
    file.write_text(text.replace(said, instead, 1), encoding="utf-8")
    with pytest.raises(RunError, match="fit again"):
        load_run(folder)


def test_a_run_of_another_format_is_refused_by_the_file_that_names_its_version(
    run_folder: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    shutil.copytree(run_folder, folder)
    current = folder / "current.json"
    current.write_text(current.read_text(encoding="utf-8").replace('"format": 2', '"format": 99'), encoding="utf-8")
    with pytest.raises(RunError, match="in format 2, got 99"):
        load_run(folder)


@pytest.mark.slow
def test_a_fit_that_was_killed_ends_as_if_it_had_not_been(tmp_path: Path) -> None:
    """By a signal, in the middle of training: the same command again gives what an undisturbed one gives."""
    data = write_events(tmp_path / "data", n_users=200)
    config = tmp_path / "fit.toml"
    config.write_text("[models.gru]\nepochs = 60\nbatch = 64\ndim = 16\n", encoding="utf-8")
    command = [
        str(Path(sys.executable).with_name("driftline")),
        "fit",
        str(data),
        "--config",
        str(config),
        "--arms",
        "gru",
        "--out",
    ]
    process = subprocess.Popen([*command, str(tmp_path / "killed")])
    unfinished = tmp_path / "killed" / registry.UNFINISHED
    try:
        while process.poll() is None and not list(unfinished.glob("*.safetensors")):
            time.sleep(0.02)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == -signal.SIGKILL, "it was killed while it trained"
    assert versions_of(tmp_path / "killed") == []
    for name in ("killed", "undisturbed"):
        subprocess.run([*command, str(tmp_path / name)], check=True)
    killed, undisturbed = (load_run(tmp_path / name) for name in ("killed", "undisturbed"))
    assert killed.version == undisturbed.version
    assert not unfinished.exists()
