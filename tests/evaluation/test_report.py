"""The printed report says what was asked, who won, and what the difference is worth."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console

from driftline.evaluation.compare import evaluate
from driftline.evaluation.report import difference, print_evaluation
from driftline.metrics.bootstrap import Estimate


def printed(evaluation, width=160) -> str:
    out = io.StringIO()
    print_evaluation(evaluation, Console(file=out, width=width, highlight=False))
    return out.getvalue()


@pytest.fixture(scope="module")
def found(world):
    models = {"popularity-7d": world.Counting(), "cooccurrence": world.Successor(), "again": world.Successor()}
    return evaluate(world.ring(n_users=120), models)


def test_the_best_stands_first_and_what_is_tied_with_it_is_marked(found):
    rows = [line.strip() for line in printed(found, width=80).splitlines() if "±." in line]
    assert [row.split(" .")[0].strip() for row in rows] == ["again", "≈ cooccurrence", "popularity-7d"]
    assert f"{found.models['again']['ndcg@10'].value:.4f}"[1:] in rows[0]


def test_differences_print_their_interval_or_are_called_ties(found):
    assert difference(found, "again", "cooccurrence") == "+0.0000 [+0.0000, +0.0000], a tie"
    assert "tie" not in difference(found, "again", "popularity-7d")
    text = printed(found)
    assert "again - cooccurrence: ndcg@10 +0.0000" in text
    assert "again - popularity-7d: ndcg@10 +" in text


def test_the_questions_are_said(found):
    text = printed(found)
    assert "world: 120 users, 40 items, 3,000 events" in text
    assert "next-item by global-time from 1970-01-" in text
    assert "repeats: allowed, nothing is masked" in text


def test_misses_by_rule_are_said(world):
    rows = [(u, i, t) for u in range(5) for t, i in enumerate([0, 1, 2, 0])] + [(7, 0, 1), (7, 1, 2)]
    found = evaluate(
        world.dataset(rows, n_items=12, repeats="exclude"), {"counting": world.Counting()}, protocol="last-item"
    )
    text = printed(found)
    assert "masked: 5 targets stand in their own history, a miss for all" in text
    assert "only 5 users were asked: intervals over so few say little" in text
    assert "not asked: 1 users with fewer than 3 events; they train" in text


def test_several_seeds_show_their_spread(world):
    found = evaluate(world.ring(), {"chance": world.Chance()}, seeds=(0, 1, 2))
    text = printed(found, width=80)
    assert "mean of 3 seeds" in text
    assert f"{found.models['chance']['ndcg@10'].spread:.4f}"[1:] in text


def test_an_arm_that_the_blend_goes_without_is_named(world):
    models = {"successor": world.Successor(), "chance": world.Chance()}
    found = evaluate(world.ring(noise=0.0), models, blend_arms=list(models))
    assert set(found.shares) == {"successor"}
    assert set(found.dropped) == set(found.as_json()["dropped"]) >= {"chance"}
    assert f"left out of the blend: chance ({found.dropped['chance']})" in printed(found)


def test_after_a_figure_stands_half_of_its_interval(found):
    """From .40 to .62 is .22, so what is printed is .11; the figure itself need not be in the middle."""
    row = dict.fromkeys(found.models["again"], Estimate(0.5, 0.4, 0.62))
    text = printed(replace(found, models={**found.models, "again": row}))
    assert text.count(".5000 ±.1100") == 4
