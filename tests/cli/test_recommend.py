"""`driftline recommend`: the document of the contract, the table, and one line for every wrong request."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest

from driftline.cli import main
from driftline.cli.recommend import _bar
from driftline.data.reading import read_dataset
from driftline.learning.fit import fit_run
from driftline.learning.settings import FitSettings

ODD = 'ann "🌹" o\'hara'


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run over 30 shoppers who mostly go from item i to i + 1, with titles and prices; one has an odd id."""
    folder = tmp_path_factory.mktemp("shop")
    rng = np.random.default_rng(0)
    lines = ["user_id,item_id,time"]
    for user in range(30):
        item, name = int(rng.integers(15)), f"u{user}" if user else '"' + ODD.replace('"', '""') + '"'
        for day in range(1, 16):
            lines.append(f"{name},i{item},2024-01-{day:02d}")
            item = int(rng.integers(15)) if rng.random() < 0.2 else (item + 1) % 15
    lines.append("late,i3,2024-01-16")
    (folder / "events.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    items = ["item_id,title,price,topics"]
    items += [f"i{i},{'red' if i % 2 else 'blue'} thing {i},{i}.5,{'warm' if i % 2 else 'cold'}" for i in range(15)]
    (folder / "items.csv").write_text("\n".join(items) + "\n", encoding="utf-8")
    place = tmp_path_factory.mktemp("runs") / "run"
    fit_run(read_dataset(folder), place, settings=FitSettings(arms=("popularity-7d", "cooccurrence")))
    return place


@pytest.fixture
def driftline(monkeypatch, capsys):
    """Run the command line: (exit code, standard output, standard error)."""

    def start(*arguments):
        monkeypatch.setattr(sys, "argv", ["driftline", *map(str, arguments)])
        with pytest.raises(SystemExit) as stop:
            main()
        said = capsys.readouterr()
        return stop.value.code, said.out, said.err

    return start


def asked(driftline, run, *arguments):
    code, out, err = driftline("recommend", run, *arguments, "--json")
    assert (code, err) == (0, "")
    return json.loads(out)


def test_json_is_the_contract_and_stands_just_after_the_last_event(driftline, run):
    document = asked(driftline, run, "--user", "u3", "-k", "4")
    assert document["user_id"] == "u3"
    assert document["at"] == document["model_cutoff"] == "2024-01-16T00:00:00.000001Z"
    assert (document["hindsight"], document["fallback"]) == (False, None)
    assert len(document["model_version"]) == 12
    assert [item["position"] for item in document["items"]] == [1, 2, 3, 4]
    for item in document["items"]:
        assert sum(item["arms"].values()) == pytest.approx(1)
        assert item["title"]
        assert item["reason"]


def test_at_an_earlier_moment_it_says_that_the_model_has_hindsight(driftline, run):
    document = asked(driftline, run, "--user", "u3", "--at", "2024-01-05")
    assert (document["at"], document["hindsight"]) == ("2024-01-05T00:00:00Z", True)


def test_the_table_names_items_reasons_and_arms(driftline, run, monkeypatch):
    monkeypatch.setenv("COLUMNS", "140")
    code, out, _ = driftline("recommend", run, "--user", ODD, "-k", "3")
    assert code == 0
    assert ODD in out
    assert "thing" in out
    assert "%" in out


def test_filters_exclusions_and_unseen_hold_together(driftline, run):
    first = asked(driftline, run, "--user", "u3", "--where", 'topics has "warm" and price < 10')["items"]
    assert {item["item_id"] for item in first} <= {f"i{i}" for i in range(1, 10, 2)}
    rest = asked(driftline, run, "--user", "u3", "--exclude", first[0]["item_id"], "--unseen", "--diversity", "0.3")
    assert first[0]["item_id"] not in {item["item_id"] for item in rest["items"]}


def test_a_horizon_is_answered(driftline, run):
    assert len(asked(driftline, run, "--user", "u3", "--horizon", "next-20", "-k", "3")["items"]) == 3


def test_nobody_known_falls_back_and_says_so(driftline, run):
    assert asked(driftline, run, "--user", "nobody", "--new-user")["fallback"] == "unknown_user"
    assert asked(driftline, run, "--user", "late", "--at", "2024-01-10")["fallback"] == "no_history"


WRONG = {
    ("--user", "nobody"): (2, "--new-user"),
    ("--user", "u3", "--exclude", "i99"): (2, "i99"),
    ("--user", "u3", "--where", "colour = 'red'"): (2, "item_id, title, text, topics, price"),
    ("--user", "u3", "--at", "soon"): (2, "ISO-8601"),
    ("--user", "u3", "--at", ""): (2, "ISO-8601"),
    ("--user", "u3", "--where", ""): (2, "expected more"),
    ("--user", "u3", "-k", "0"): (2, "k between"),
    ("--user", "u3", "--diversity", "2"): (2, "between 0 and 1"),
    ("--user", "u3", "--horizon", "later"): (2, "later"),
    (): (2, "--user"),
}


@pytest.mark.parametrize("arguments", WRONG)
def test_a_wrong_request_gets_one_line_and_code_2(driftline, run, arguments):
    code, out, err = driftline("recommend", run, *arguments)
    expected, words = WRONG[arguments]
    assert (code, out) == (expected, "")
    assert words in err
    assert err.count("\n") == 1


def test_a_folder_that_is_no_run_is_refused(driftline, tmp_path):
    code, _, err = driftline("recommend", tmp_path, "--user", "u3")
    assert code == 2
    assert "driftline fit" in err


def test_an_empty_slate_says_everything_that_may_have_emptied_it(driftline, run):
    code, out, _ = driftline("recommend", run, "--user", "u3", "--where", "price > 99")
    words = " ".join(out.split())
    assert code == 0
    assert "No item may be shown at this moment" in words
    assert all(option in words for option in ("--where", "--exclude", "--unseen", "a later --at"))


@pytest.mark.parametrize(("share", "bar"), [(0, "      "), (0.5, "███   "), (1, "██████"), (0.01, "▏     ")])
def test_bars_are_as_long_as_the_share(share, bar):
    assert _bar(share) == bar
