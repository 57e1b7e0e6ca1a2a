"""Training fits every model once to choose and once on everything, and shares the fits with the blend."""

from __future__ import annotations

import pytest

from driftline.data.split import global_time_fold, last_item_fold, production_fold
from driftline.errors import NotEnoughDataError
from driftline.models.choosing import gain
from driftline.models.popularity import Popularity
from driftline.ranking.training import train


def test_each_model_chooses_on_the_inner_part_and_is_refitted_on_the_whole(world):
    data = world.ring()
    fold, watched = global_time_fold(data), world.Watched()
    train({"watched": watched}, fold, catalog=data.catalog)
    assert watched.calls == [(len(fold.inner), len(fold.stop), False), (len(fold.train), None, True)]


def test_under_last_item_nothing_is_refitted(world):
    data = world.ring()
    fold, watched = last_item_fold(data), world.Watched()
    train({"watched": watched}, fold, catalog=data.catalog, blend_arms=["watched"])
    assert watched.calls == [(len(fold.train), len(fold.stop), False)]


def test_the_blend_holds_the_same_fits_as_the_table(world):
    data = world.ring(again=0.3)
    models = {"step": world.Step(), "popularity": Popularity(), "noise": world.Noise()}
    fold = global_time_fold(data)
    trained = train(models, fold, catalog=data.catalog, blend_arms=["step", "popularity"])
    blend = trained.blend
    assert blend is trained.fitted["blend"]
    assert blend.arms["step"] is trained.fitted["step"]
    assert "noise" not in {**blend.arms, **blend.dropped}
    assert "repeat" in blend.arms
    assert set(trained.fitted) == {"step", "popularity", "noise", "blend"}
    assert set(trained.seconds) == {"step", "popularity", "noise", "repeat", "blend"}
    assert gain(blend, fold.test) > gain(trained.fitted["popularity"], fold.test)


@pytest.mark.parametrize("fold_of", [global_time_fold, last_item_fold, production_fold])
def test_what_no_arm_ranks_follows_in_the_popularity_of_the_whole_training_part(world, fold_of):
    data = world.ring()
    fold = fold_of(data)
    blend = train({"step": world.Step()}, fold, catalog=data.catalog, blend_arms=["step"]).blend
    assert blend.popularity.tolist() == fold.train.item_counts().tolist()


def test_a_model_with_too_little_data_is_left_out_with_its_reason(world):
    data = world.ring()
    models = {"poor": world.Watched(refuses=True), "step": world.Step()}
    trained = train(models, global_time_fold(data), catalog=data.catalog, blend_arms=list(models))
    assert trained.skipped == {"poor": "expected ten events, got one"}
    assert "poor" not in trained.fitted


def test_where_no_model_can_be_fitted_the_first_reason_is_raised(world):
    data = world.ring()
    with pytest.raises(NotEnoughDataError, match="ten events"):
        train({"poor": world.Watched(refuses=True)}, global_time_fold(data), catalog=data.catalog, blend_arms=["poor"])


@pytest.mark.parametrize("rows", [[(0, 0, 0)], [(0, 0, 0), (0, 1, 1)], [(0, 0, 0), (1, 1, 0)]])
def test_one_event_or_two_are_enough_for_a_blend_of_equals(world, rows):
    data = world.dataset(rows, n_items=2)
    trained = train(
        {"popularity": Popularity()}, production_fold(data), catalog=data.catalog, blend_arms=["popularity"]
    )
    assert trained.blend is not None
    assert sum(trained.blend.shares.values()) == pytest.approx(1)


def test_progress_ends_at_its_total(world):
    data, calls = world.ring(), []
    models = {"step": world.Step(), "poor": world.Watched(refuses=True)}
    train(
        models, global_time_fold(data), catalog=data.catalog, blend_arms=["step"], progress=lambda *c: calls.append(c)
    )
    done, total, _ = calls[-1]
    assert done == total
