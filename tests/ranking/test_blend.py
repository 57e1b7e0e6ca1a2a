"""The blend learns which arms to trust, says what each brought, and comes back from disk as it was."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from driftline.data.events import histories
from driftline.data.split import global_time_fold
from driftline.errors import NotEnoughDataError, RunError
from driftline.models.choosing import gain
from driftline.models.cooccurrence import Cooccurrence
from driftline.models.popularity import FittedPopularity, Popularity
from driftline.ranking import choosing
from driftline.ranking.blend import Blend, FittedBlend, stacked
from driftline.ranking.repeat import FittedRepeat, Repeat


@pytest.fixture(scope="module")
def fold(world):
    return global_time_fold(world.ring(n_users=150, noise=0.2, again=0.3))


@pytest.fixture(scope="module")
def arms(world, fold):
    models = {"step": world.Step(), "repeat": Repeat(), "noise": world.Noise(), "popularity": Popularity()}
    return {name: model.fit(fold.inner, validation=fold.stop) for name, model in models.items()}


@pytest.fixture(scope="module")
def blend(arms, fold):
    return stacked(arms, fold.stack)


@pytest.fixture(scope="module")
def asked(fold):
    return fold.test.histories.take(slice(0, 7))


def test_it_is_better_than_each_of_its_arms_on_users_it_has_not_seen(arms, blend, fold):
    alone = {name: gain(arm, fold.test) for name, arm in arms.items()}
    assert gain(blend, fold.test) > max(alone.values()) + 0.02


def test_an_arm_of_noise_is_dropped_and_named_and_the_others_stay(blend):
    assert "noise" in blend.dropped
    assert "earned nothing" in blend.dropped["noise"]
    assert {"step", "repeat"} <= set(blend.arms)


def test_shares_are_positive_and_sum_to_one(blend):
    assert set(blend.shares) == set(blend.arms)
    assert all(share >= 0 for share in blend.shares.values())
    assert np.isclose(sum(blend.shares.values()), 1)


def test_what_an_arm_brings_is_exactly_what_leaving_it_out_takes_away(blend, asked):
    items = np.arange(blend.popularity.shape[0], dtype=np.int32)
    whole, parts = blend.score(asked), blend.contributions(asked, items)
    for number, name in enumerate(blend.arms):
        rest = [one for one in blend.arms if one != name]
        without = replace(
            blend, arms={one: blend.arms[one] for one in rest}, weights=np.delete(blend.weights, number, axis=0)
        ).score(asked)
        ranked = parts.sum(2) > 0
        others = parts.sum(2) - parts[:, :, number]
        assert np.allclose((whole - parts[:, :, number])[ranked], others[ranked], atol=1e-5)
        assert np.allclose(without[others > 0], others[others > 0], atol=1e-5)


def test_shares_of_each_item_sum_to_one_also_where_no_arm_ranks_it(blend, asked):
    items = np.arange(blend.popularity.shape[0], dtype=np.int32)
    shares = blend.item_shares(asked.take(slice(0, 1)), items)
    assert np.allclose(sum(shares.values()), 1)
    assert all((share >= 0).all() for share in shares.values())


def test_a_blend_that_is_worse_than_its_best_arm_becomes_that_arm(world, fold, monkeypatch):
    """Elimination by loss may leave arms that cost gain; then the best arm stands alone, and the others are named."""
    monkeypatch.setattr(choosing, "_eliminated", lambda names, choices: (list(names), {}, 0.0))
    blend = stacked({"wrong": world.Step(by=7), "step": world.Step()}, fold.stack)
    assert list(blend.arms) == ["step"]
    assert blend.shares == {"step": 1.0}
    assert "step alone was better" in blend.dropped["wrong"]
    assert gain(blend, fold.test) == pytest.approx(gain(world.Step(), fold.test))


def test_scores_of_a_batch_are_those_of_single_questions(blend, asked):
    together = blend.score(asked)
    for query in range(len(asked)):
        assert np.allclose(together[query], blend.score(asked.take(slice(query, query + 1)))[0], atol=1e-5)


def test_scores_of_some_items_are_columns_of_all(blend, asked):
    items = np.array([5, 2, 9], np.int32)
    assert np.array_equal(blend.score(asked, items), blend.score(asked)[:, items])


def test_arms_that_all_tie_leave_the_order_of_popularity_and_no_nan(world, fold, asked):
    counts = fold.train.item_counts()
    tied = stacked({"a": world.Fixed(np.zeros(len(counts))), "b": world.Fixed(np.ones(len(counts)))}, fold.stack)
    scores = tied.score(asked)
    assert np.isfinite(scores).all()
    assert np.isclose(sum(tied.shares.values()), 1)
    order = np.argsort(-scores[0], kind="stable")
    assert (np.diff(fold.stack.train.item_counts()[order]) <= 0).all()


def test_it_comes_back_from_disk_with_the_same_scores(world, blend, asked, tmp_path):
    blend.save(tmp_path)
    loaders = {"step": world.Step.load, "popularity": FittedPopularity.load}
    back = FittedBlend.load(tmp_path, lambda name, folder: loaders[name](folder))
    assert isinstance(back.arms["repeat"], FittedRepeat)
    assert np.array_equal(back.score(asked), blend.score(asked))
    assert (back.shares, back.dropped, back.exclude_history) == (blend.shares, blend.dropped, False)


def test_a_damaged_blend_is_refused_in_one_line(fold, tmp_path):
    stacked({"popularity": Popularity().fit(fold.inner)}, fold.stack).save(tmp_path)
    (tmp_path / "arrays.npz").write_bytes(b"nothing")
    with pytest.raises(RunError, match="fit again"):
        FittedBlend.load(tmp_path, lambda name, folder: FittedPopularity.load(folder))


def test_settled_keeps_the_weights_and_fits_the_arms_on_more(blend, fold, world):
    fitted = blend.settled().fit(fold.train)
    assert np.array_equal(fitted.weights, blend.weights)
    assert list(fitted.arms) == list(blend.arms)


def test_an_update_moves_the_arms_that_can_learn_and_the_order_of_the_rest(world):
    first = world.dataset([(0, 0, 0), (0, 1, 1), (1, 1, 2)], n_items=3).log
    more = world.dataset([(0, 2, 5), (1, 2, 6), (1, 2, 7)], n_items=4).log
    blend = (
        Blend({}, None).__class__(arms={"popularity": Popularity(), "fixed": world.Fixed(np.arange(3.0))}).fit(first)
    )
    moved = blend.update(more)
    assert blend.popularity.tolist() == [1, 2, 0]
    assert moved.popularity.tolist() == [1, 2, 3, 0]
    assert moved.arms["popularity"].counts.tolist() == [1, 2, 3, 0]
    assert moved.arms["fixed"] is blend.arms["fixed"]
    asked = histories(more, np.array([0], np.int32), np.array([more.last_us + 1]))
    assert np.isfinite(moved.score(asked)).all()
    assert blend.arms["popularity"].counts.tolist() == [1, 2, 0]


def test_as_a_model_it_learns_from_validation_and_does_without(world, fold):
    arms = {"step": world.Step(), "noise": world.Noise()}
    learned = Blend(arms).fit(fold.inner, validation=fold.stack)
    plain = Blend(arms).fit(fold.inner)
    assert gain(learned, fold.test) > gain(plain, fold.test)
    assert plain.shares == {"step": 0.5, "noise": 0.5}
    with pytest.raises(NotEnoughDataError):
        Blend({}).fit(fold.inner)


def test_under_exclude_what_was_had_takes_no_places(world):
    fold = global_time_fold(world.ring(n_users=80, repeats="exclude"))
    blend = stacked({"cooccurrence": Cooccurrence().fit(fold.inner), "step": world.Step()}, fold.stack)
    one = fold.test.histories.take(slice(0, 1))
    mine = np.unique(one.log.item_row[int(one.start[0]) : int(one.end[0])])
    assert blend.exclude_history
    assert (blend.contributions(one, mine.astype(np.int32)) == 0).all()


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 1_000), st.integers(2, 30))
def test_any_world_gives_finite_scores_and_shares_that_sum_to_one(world, seed, n_items):
    fold = global_time_fold(world.ring(n_users=6, n_items=n_items, n_events=8, noise=1.0, seed=seed))
    arms = {"step": world.Step(), "noise": world.Noise(), "popularity": Popularity().fit(fold.inner)}
    blend = stacked(arms, fold.stack)
    if len(fold.test.histories):
        assert np.isfinite(blend.score(fold.test.histories)).all()
    assert np.isclose(sum(blend.shares.values()), 1)
