"""`fit` and `update` list topics with what stands above them, and tell what became of those of the version before."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from driftline.cli import app


def write(folder: Path, tags: list[str]) -> Path:
    folder.mkdir(exist_ok=True)
    rows = [f"u{user},i{(user * 5 + day) % 12},2024-03-{day:02d}" for user in range(10) for day in range(1, 20)]
    (folder / "events.csv").write_text("\n".join(["user_id,item_id,time", *rows]) + "\n", encoding="utf-8")
    items = [f"i{place},{tag}" for place, tag in enumerate(tags)]
    (folder / "items.csv").write_text("\n".join(["item_id,topics", *items]) + "\n", encoding="utf-8")
    return folder


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]):
    def run(*arguments: str | Path) -> str:
        app([str(one) for one in arguments], standalone_mode=False)
        return capsys.readouterr().out

    return run


def fit(said: Any, data: Path, run: Path, *more: str) -> str:
    return said("fit", data, "--out", run, "--arms", "popularity", *more)


def test_a_fit_lists_topics_with_parents_and_groups(tmp_path: Path, said) -> None:
    data = write(tmp_path / "data", ["Home > Cups"] * 6 + ["Home > Pots"] * 3 + ["Toys"] * 3)
    document = json.loads(fit(said, data, tmp_path / "run", "--json"))
    assert document["topics"] == ["Home > Cups", "Home > Pots", "Toys"]
    assert [one["parent"] for one in document["topic_list"]] == ["Home", "Home", None]
    assert (document["hierarchy"], document["topic_changes"]) == ("paths", None)
    assert [(one["group"], one["below"]) for one in document["groups"]] == [("Home", ["Home > Cups", "Home > Pots"])]
    shown = json.loads(said("interests", tmp_path / "run", "--user", "u1", "--json"))
    assert {one["topic"]: one["group"] for one in shown["topics"]}["Home > Cups"] == "Home"
    assert "group" in shown["short_term"][0]


def test_people_are_told_of_the_hierarchy_of_merges_and_of_splits(tmp_path: Path, said) -> None:
    run = tmp_path / "run"
    first = fit(said, write(tmp_path / "data", ["cups"] * 4 + ["pots"] * 4 + ["toys"] * 4), run)
    assert "interests: 3 topics, flat" in first
    assert "went on" not in first
    second = fit(said, write(tmp_path / "data", ["tea"] * 8 + ["dolls"] * 2 + ["toys"] * 2), run)
    assert "topics: 1 went on, 2 new, 2 ended" in second
    assert "merged: cups + pots → tea" in second
    assert "split: toys → dolls + toys" in second
    more = tmp_path / "more.csv"
    more.write_text("user_id,item_id,time\nu1,i3,2024-03-28\n", encoding="utf-8")
    assert "topics: 3 went on, 0 new, 0 ended" in said("update", run, "--events", more)


def test_an_update_tells_them_as_json_and_null_where_nothing_was_new(tmp_path: Path, said) -> None:
    run, more = tmp_path / "run", tmp_path / "more.csv"
    version = json.loads(fit(said, write(tmp_path / "data", ["cups"] * 8 + ["toys"] * 4), run, "--json"))["version"]
    more.write_text("user_id,item_id,time\nu1,i3,2024-03-28\n", encoding="utf-8")
    told = json.loads(said("update", run, "--events", more, "--json"))["topic_changes"]
    assert (told["since"], told["went_on"], told["merged"]) == (version, ["cups", "toys"], [])
    assert json.loads(said("update", run, "--events", more, "--json"))["topic_changes"] is None


def test_a_wide_screen_shows_the_group_of_each_interest(tmp_path: Path, said, monkeypatch) -> None:
    data = write(tmp_path / "data", ["Home > Cups"] * 6 + ["Home > Pots"] * 3 + ["Toys"] * 3)
    fit(said, data, tmp_path / "run")
    monkeypatch.setattr("driftline.cli.output.console.width", 160)
    header = next(
        line for line in said("interests", tmp_path / "run", "--user", "u1").splitlines() if "strength" in line
    )
    assert header.split()[-3:] == ["group", "because", "of"]
