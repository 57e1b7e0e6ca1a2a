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
def plain(arms, fold):
    """The blend where a network is never tried."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(choosing, "NETWORK_QUERIES", 10**9)
        return stacked(arms, fold.stack)


@pytest.fixture(scope="module")
def asked(fold):
    return fold.test.histories.take(slice(0, 7))


@pytest.fixture(params=["plain", "blend"])
def either(request):
    """The blend by a conditional logit, and by a network."""
    found = request.getfixturevalue(request.param)
    assert (found.listwise is None) == (request.param == "plain")
    return found


def test_it_is_better_than_each_of_its_arms_on_users_it_has_not_seen(arms, either, fold):
    alone = {name: gain(arm, fold.test) for name, arm in arms.items()}
    assert gain(either, fold.test) > max(alone.values()) + 0.02


def test_an_arm_of_noise_is_dropped_and_named_and_the_others_stay(either):
    assert "noise" in either.dropped
    assert "earned nothing" in either.dropped["noise"]
    assert {"step", "repeat"} <= set(either.arms)


def test_shares_are_positive_and_sum_to_one(either):
    assert list(either.shares) == list(either.sources)
    assert all(share >= 0 for share in either.shares.values())
    assert np.isclose(sum(either.shares.values()), 1)


def test_what_an_arm_brings_is_exactly_what_leaving_it_out_takes_away(plain, asked):
    blend = plain
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


def test_under_a_network_too_what_the_sources_bring_sums_to_the_score_and_is_never_negative(blend, asked):
    items = np.arange(blend.popularity.shape[0], dtype=np.int32)
    whole, parts = blend.score(asked), blend.contributions(asked, items)
    ranked = parts.sum(2) > 0
    assert parts.shape == (len(asked), len(items), len(blend.sources))
    assert blend.sources[-2:] == ("near-counts", "popularity") or "popularity" in blend.arms
    assert (parts >= 0).all()
    assert ranked.any()
    assert np.array_equal(ranked, whole > 0)
    assert np.allclose(whole[ranked], parts.sum(2)[ranked], atol=1e-4)


def test_items_that_no_arm_ranks_follow_those_that_one_does_by_popularity(either, asked):
    whole = either.score(asked)
    for query in range(len(asked)):
        rest = np.flatnonzero(whole[query] <= 0)
        order = rest[np.argsort(-whole[query, rest], kind="stable")]
        assert (np.diff(either.popularity[order]) <= 0).all()


def test_somebody_without_a_history_gets_the_order_of_the_arm_that_reads_none(arms, fold, monkeypatch):
    """Of a question without a history the network learned nothing, so it is not asked."""
    monkeypatch.setattr(choosing, "EARNS_IN_NETWORK", -1e9)
    blend = stacked({name: arms[name] for name in ("step", "repeat", "popularity")}, fold.stack)
    assert blend.listwise is not None
    assert "popularity" in blend.arms
    nobody = histories(fold.train, np.array([-1, 0], np.int32), np.full(2, fold.train.last_us + 1))
    scores, counts = blend.score(nobody), arms["popularity"].counts
    assert (np.diff(counts[np.argsort(-scores[0], kind="stable")]) <= 0).all()
    assert scores[0].max() < 1 < scores[1].max()
    shares = blend.item_shares(nobody.take(slice(0, 1)), np.arange(3, dtype=np.int32))
    assert shares["popularity"].tolist() == [1, 1, 1]


def test_shares_of_each_item_sum_to_one_also_where_no_arm_ranks_it(either, asked):
    items = np.arange(either.popularity.shape[0], dtype=np.int32)
    shares = either.item_shares(asked.take(slice(0, 1)), items)
    assert np.allclose(sum(shares.values()), 1)
    assert all((share >= 0).all() for share in shares.values())


def test_a_blend_that_is_worse_than_its_best_arm_becomes_that_arm(world, fold, monkeypatch):
    """Elimination by loss may leave arms that cost gain; then the best arm stands alone, and the others are named."""
    monkeypatch.setattr(choosing, "_eliminated", lambda names, choices: (list(names), {}))
    monkeypatch.setattr(choosing, "gains_of", lambda utility, choices: np.zeros(len(choices.chosen)))
    blend = stacked({"wrong": world.Step(by=7), "step": world.Step()}, fold.stack)
    assert list(blend.arms) == ["step"]
    assert blend.shares == {"step": 1.0}
    assert "step alone was better" in blend.dropped["wrong"]
    assert gain(blend, fold.test) == pytest.approx(gain(world.Step(), fold.test))


def test_scores_of_a_batch_are_those_of_single_questions(either, asked):
    together = either.score(asked)
    for query in range(len(asked)):
        assert np.allclose(together[query], either.score(asked.take(slice(query, query + 1)))[0], atol=1e-5)


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


def test_it_comes_back_from_disk_with_the_same_scores(world, either, asked, tmp_path):
    blend = either
    blend.save(tmp_path)
    loaders = {"step": world.Step.load, "popularity": FittedPopularity.load}
    assert {path.suffix for path in tmp_path.rglob("*") if path.is_file()} == {".json", ".npz"}
    back = FittedBlend.load(tmp_path, lambda name, folder: loaders[name](folder))
    assert isinstance(back.arms["repeat"], FittedRepeat)
    assert np.array_equal(back.score(asked), blend.score(asked))
    assert (back.shares, back.dropped, back.exclude_history) == (blend.shares, blend.dropped, False)


def test_a_damaged_blend_is_refused_in_one_line(fold, tmp_path):
    stacked({"popularity": Popularity().fit(fold.inner)}, fold.stack).save(tmp_path)
    (tmp_path / "arrays.npz").write_bytes(b"nothing")
    with pytest.raises(RunError, match="fit again"):
        FittedBlend.load(tmp_path, lambda name, folder: FittedPopularity.load(folder))


def test_settled_keeps_weights_and_network_and_fits_arms_and_counts_on_more(blend, fold):
    fitted = blend.settled().fit(fold.train)
    assert np.array_equal(fitted.weights, blend.weights)
    assert list(fitted.arms) == list(blend.arms)
    assert fitted.listwise.network is blend.listwise.network
    assert fitted.listwise.evidence.counts.tolist() == fold.train.item_counts().tolist()


def test_the_counts_of_a_network_move_with_an_update_and_with_arms_on_another_log(blend, fold):
    later = fold.train.select(fold.train.time_us >= fold.inner.last_us + 1)
    assert len(later)
    moved, refitted = blend.update(later), blend.with_arms(blend.arms, fold.train)
    counts = fold.train.item_counts().tolist()
    assert blend.listwise.evidence.counts.tolist() == fold.inner.item_counts().tolist()
    assert moved.listwise.evidence.counts.tolist() == refitted.listwise.evidence.counts.tolist() == counts
    assert moved.listwise.network is refitted.listwise.network is blend.listwise.network


def test_one_seed_gives_one_network_and_another_seed_another(arms, fold, blend, asked):
    assert np.array_equal(stacked(arms, fold.stack).score(asked), blend.score(asked))
    assert not np.array_equal(stacked(arms, fold.stack, seed=1).score(asked), blend.score(asked))


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
