"""An evaluation finds the model that is known to be best, and counts what it asks."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy import sparse

from driftline.data.split import global_time_fold
from driftline.errors import NotEnoughDataError, RequestError
from driftline.evaluation.compare import evaluate
from driftline.evaluation.figures import Judged, Tables
from driftline.evaluation.protocols import in_history, make_fold, questions

METRICS = {"hr@10", "hr@20", "ndcg@10", "mrr@20"}
BESIDE = {"coverage@10", "novelty@10", "diversity@10"}


def three(world):
    return {"chance": world.Chance(), "counting": world.Counting(), "successor": world.Successor()}


@pytest.mark.parametrize("protocol", ["global-time", "last-item"])
def test_the_model_that_knows_the_rule_wins_and_the_difference_is_no_tie(world, protocol):
    found = evaluate(world.ring(n_users=150), three(world), protocol=protocol)
    assert found.ranked()[0] == "successor"
    for other in ("chance", "counting"):
        for metric in METRICS:
            assert found.versus["successor"][other][metric].low > 0.1
            assert found.versus[other]["successor"][metric].high < -0.1
    assert found.tied("chance", "counting", "hr@10"), "in a ring no item is popular"


def test_nobody_wins_where_there_is_no_rule(world):
    found = evaluate(world.ring(noise=1.0, n_users=150), three(world))
    assert found.models["successor"]["hr@10"].low < 10 / 40 < found.models["successor"]["hr@10"].high
    assert found.tied("successor", "chance", "ndcg@10")


def test_equal_scores_earn_what_the_middle_rank_earns(world):
    found = evaluate(world.ring(n_items=30), {"equal": world.Fixed()})
    row = {metric: one.value for metric, one in found.models["equal"].items()}
    assert {metric: row[metric] for metric in METRICS} == pytest.approx(
        {"hr@10": 0.0, "ndcg@10": 0.0, "hr@20": 1.0, "mrr@20": 1 / 15.5}
    )


def test_a_user_with_many_targets_counts_like_one_with_few(world):
    rows = [(0, 0, day) for day in range(1, 5)] + [(0, 0, day) for day in range(95, 100)]
    rows += [(1, 1, day) for day in range(1, 28)] + [(1, 2, 99)]
    scores = np.array([3.0, 2, 1, *[1.5] * 20])
    everywhere = [(2, item, 3) for item in range(23)]
    data = world.dataset(rows + everywhere, n_items=23, repeats="allow")
    found = evaluate(data, {"fixed": world.Fixed(scores)})
    assert found.questions.users == 2
    assert found.models["fixed"]["hr@10"].value == pytest.approx((1 + 0) / 2)


def test_what_comes_within_a_moment_in_another_file_order_changes_nothing(world):
    rng = np.random.default_rng(5)
    rows = [(u, int(rng.integers(30)), int(rng.integers(12))) for u in range(40) for _ in range(12)]
    shuffled = [rows[i] for i in rng.permutation(len(rows))]
    found = [
        evaluate(world.dataset(order, n_items=30), {"counting": world.Counting(), "equal": world.Fixed()})
        for order in (rows, shuffled)
    ]
    assert found[0].models["counting"]["ndcg@10"].value == pytest.approx(found[1].models["counting"]["ndcg@10"].value)
    assert found[0].questions == found[1].questions


def test_no_score_depends_on_the_answer(world):
    data = world.ring(n_events=11)
    fold = global_time_fold(data)
    model = world.Successor().fit(fold.train)
    changed = replace(data.log, item_row=np.where(data.log.time_us >= fold.cutoff_us, 7, data.log.item_row))
    other = global_time_fold(replace(data, log=changed))
    firsts = np.unique(fold.test.user_row, return_index=True)[1]
    questions_ = [one.test.histories.take(one.test.query[firsts]) for one in (fold, other)]
    np.testing.assert_array_equal(model.score(questions_[0]), model.score(questions_[1]))
    np.testing.assert_array_equal(model.after, world.Successor().fit(other.train).after)


def test_the_document_has_the_contract_s_shape_and_no_nan(world):
    found = evaluate(world.ring(), three(world), seeds=(0, 1))
    document = json.loads(json.dumps(found.as_json(), allow_nan=False))
    assert {"data", "protocol", "task", "seeds", "seconds", "models", "versus"} <= set(document)
    assert document["data"].keys() >= {"users", "items", "events", "cutoff"}
    assert (document["protocol"], document["task"], document["seeds"]) == ("global-time", "next-item", [0, 1])
    assert document["data"]["cutoff"].endswith("Z")
    for name, row in document["models"].items():
        assert set(row) == METRICS | BESIDE
        assert set(document["versus"]) - {name} == set(document["versus"][name])
        for one in row.values():
            assert one["low"] <= one["value"] <= one["high"]
    for a, others in document["versus"].items():
        for b, row in others.items():
            assert set(row) == (METRICS | BESIDE) - {"coverage@10"}
            assert row["hr@10"]["value"] == pytest.approx(-document["versus"][b][a]["hr@10"]["value"])
    assert document["cold"]["counting"] == {}, "every item of the ring is warm"
    assert document["warm"]["counting"]["hr@10"] == document["models"]["counting"]["hr@10"]


def test_last_item_has_no_cutoff_that_holds_for_all(world):
    assert evaluate(world.ring(), {"equal": world.Fixed()}, protocol="last-item").as_json()["data"]["cutoff"] is None


def test_seeds_are_averaged_and_their_spread_is_the_deviation_of_their_means(world):
    data = world.ring()
    alone = [evaluate(data, {"chance": world.Chance()}, seeds=(s,)).models["chance"]["hr@20"] for s in (0, 1, 2)]
    together = evaluate(data, {"chance": world.Chance()}, seeds=(0, 1, 2)).models["chance"]["hr@20"]
    assert all(one.spread is None for one in alone)
    assert together.value == pytest.approx(np.mean([one.value for one in alone]))
    assert together.spread == pytest.approx(np.std([one.value for one in alone], ddof=1))
    assert evaluate(data, {"counting": world.Counting()}, seeds=(0, 1)).models["counting"]["hr@20"].spread == 0


def test_a_difference_is_over_the_users_for_whom_both_models_have_a_figure():
    key = ("", "diversity@10")
    ours, theirs = np.array([0.9, 0.5, np.nan]), np.array([0.8, np.nan, 0.1])
    tables = Tables([{"a": Judged({key: ours}, 1.0), "b": Judged({key: theirs}, 1.0)}], n_resamples=200)
    assert tables.all()["a"]["diversity@10"].value == pytest.approx(0.7)
    found = tables.versus()["a"]["b"]["diversity@10"]
    assert (found.value, found.low, found.high) == pytest.approx((0.1, 0.1, 0.1))


def test_a_difference_that_no_user_has_is_left_out():
    key = ("", "diversity@10")
    ours, theirs = np.array([0.9, np.nan]), np.array([np.nan, 0.1])
    tables = Tables([{"a": Judged({key: ours}, 1.0), "b": Judged({key: theirs}, 1.0)}], n_resamples=20)
    assert tables.versus() == {"a": {"b": {}}, "b": {"a": {}}}


def test_shares_sum_to_one_over_seeds_that_keep_different_arms(world):
    models = {"chance": world.Chance(), "successor": world.Successor(), "counting": world.Counting()}
    found = evaluate(world.ring(noise=0.5), models, seeds=(0, 1, 2, 3), blend_arms=list(models))
    assert sum(found.shares.values()) == pytest.approx(1)


def test_only_what_is_asked_for_is_shown(world):
    found = evaluate(world.ring(), three(world), show=["counting", "chance"])
    assert set(found.models) == {"counting", "chance"}
    assert set(found.fit_seconds) >= {"counting", "chance"}


def test_questions_are_counted_as_the_protocol_says(world):
    rows = [(0, 0, 1), (0, 1, 2), (1, 2, 1), (1, 0, 3), (3, 1, 4)]
    later = [(0, 0, 50), (0, 2, 51), (1, 3, 50), (2, 1, 52), (2, 3, 53)]
    data = world.dataset(rows + later, n_items=5, repeats="exclude")
    counted = questions(global_time_fold(data, cutoff_us=40 * 86_400_000_000), 4)
    assert (counted.targets, counted.users, counted.unasked_users) == (5, 3, 1)
    assert (counted.warm_targets, counted.cold_targets) == (3, 2)
    assert (counted.warm_users, counted.cold_users) == (2, 1)
    assert counted.outside == 2, "item 3 has no training event and no catalog lists it"
    assert counted.masked == 1, "user 0 had item 0 before"


def test_a_target_in_an_excluded_history_is_a_miss_and_counted(world):
    data = world.dataset(
        [(u, i, t) for u in range(5) for t, i in enumerate([0, 1, 2, 0])], n_items=12, repeats="exclude"
    )
    found = evaluate(data, {"counting": world.Counting()}, protocol="last-item")
    assert found.questions.masked == 5
    assert found.models["counting"]["hr@20"].value == 0
    allowed = evaluate(replace(data, repeats="allow"), {"counting": world.Counting()}, protocol="last-item")
    assert allowed.questions.masked == 0
    assert allowed.models["counting"]["hr@20"].value == 1


def test_in_history_equals_a_slow_twin(world):
    rng = np.random.default_rng(1)
    rows = [(u, int(rng.integers(6)), int(rng.integers(20))) for u in range(15) for _ in range(10)]
    targets = global_time_fold(world.dataset(rows, n_items=6)).test
    slow = [
        item in targets.histories.log.item_row[targets.histories.start[q] : targets.histories.end[q]]
        for q, item in zip(targets.query, targets.item_row, strict=True)
    ]
    assert 0 < sum(slow) < len(slow)
    assert in_history(targets).tolist() == slow


def test_cold_items_are_told_apart_from_warm_ones(world):
    rows = [(u, u % 3, d) for u in range(30) for d in range(13)] + [(u, u % 3, 13) for u in range(15)]
    rows += [(u, 3, 99) for u in range(30)] + [(u, u % 3, 98) for u in range(15)]
    found = evaluate(world.dataset(rows, n_items=4, repeats="allow"), {"counting": world.Counting()})
    assert found.warm["counting"]["hr@10"].value == 1
    assert found.cold["counting"]["hr@10"].value == 0
    assert found.models["counting"]["hr@10"].value == pytest.approx((15 * 0.5 + 15 * 0) / 30)


def test_too_little_data_is_said_in_one_line(world):
    with pytest.raises(NotEnoughDataError, match="users with 3 events"):
        make_fold(world.dataset([(0, 0, 1), (0, 1, 2)], n_items=3), "last-item")
    with pytest.raises(NotEnoughDataError, match="before and after the cutoff"):
        make_fold(world.dataset([(0, 0, 1), (0, 1, 1)], n_items=3), "global-time")
    with pytest.raises(RequestError, match="at least one model"):
        evaluate(world.ring(), {})
    with pytest.raises(RequestError, match="last-item or global-time"):
        make_fold(world.ring(), "random")


def listed(data, *, from_day):
    """The dataset with every item in its catalog; item i can be had from day `from_day[i]`."""
    available = np.array(from_day, np.int64) * 86_400_000_000
    return replace(
        data, catalog=replace(data.catalog, listed=np.ones(len(available), bool), available_from_us=available)
    )


def test_coverage_is_a_share_of_all_that_could_be_shown_by_the_last_question(world):
    """Days 90 to 99 are asked; item 2 is there from day 95 and is shown from then on, item 3 is never there."""
    data = world.dataset([(0, day % 2, day) for day in range(100)], n_items=4, repeats="allow")
    found = evaluate(listed(data, from_day=[0, 0, 95, 1000]), {"equal": world.Fixed()})
    assert found.models["equal"]["coverage@10"].value == 1


def test_a_target_that_comes_at_the_moment_asked_is_a_candidate(world):
    data = world.dataset([(0, 0, 1), (0, 1, 50), (0, 2, 60)], n_items=3, repeats="exclude")
    fold = global_time_fold(listed(data, from_day=[0, 50, 61]), cutoff_us=40 * 86_400_000_000)
    assert questions(fold, 1).outside == 1, "item 1 comes on the day that it is taken, item 2 the day after"


def test_seconds_of_a_fit_are_the_mean_over_seeds(world):
    seconds = []
    found = evaluate(
        world.ring(), {"chance": world.Chance()}, seeds=(0, 1, 2), watch=lambda one: seconds.append(dict(one.seconds))
    )
    assert found.fit_seconds["chance"] == pytest.approx(sum(one["chance"] for one in seconds) / 3)


TWO = [(0, 1, 1), (1, 0, 1), *[(0, 0, day) for day in range(2, 101)]]
"""User 0 had items 0 and 1, user 1 had item 0: as sets of users the items are (1, 1) and (1, 0)."""


def test_without_topics_items_are_as_unlike_as_the_sets_of_users_who_had_them(world):
    found = evaluate(world.dataset(TWO, n_items=2, repeats="allow"), {"equal": world.Fixed()})
    assert found.distance == "users"
    assert found.models["equal"]["diversity@10"].value == pytest.approx(1 - 1 / np.sqrt(2))


@pytest.mark.parametrize(("topics", "unlike"), [([[1, 0], [1, 0]], 0), ([[1, 0], [0, 1]], 1)])
def test_with_topics_items_are_as_unlike_as_their_topics(world, topics, unlike):
    data = world.dataset(TWO, n_items=2, repeats="allow")
    catalog = replace(data.catalog, topic_names=("x", "y"), topics=sparse.csr_matrix(np.array(topics, np.float32)))
    found = evaluate(replace(data, catalog=catalog), {"equal": world.Fixed()})
    assert found.distance == "topics"
    assert found.models["equal"]["diversity@10"].value == pytest.approx(unlike)
