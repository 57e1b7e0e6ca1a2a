"""Slates: what may be shown, as of the moment, with reasons that are true."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from scipy import sparse

from driftline.data.events import histories
from driftline.data.kinds import Kind
from driftline.data.split import production_fold
from driftline.errors import RequestError, UnknownItemError, UnknownUserError
from driftline.interest.model import fit_interest_model
from driftline.interest.topics import catalog_topics
from driftline.models.cooccurrence import Cooccurrence
from driftline.models.popularity import RecentPopularity
from driftline.ranking.blend import Blend
from driftline.ranking.popular import Popular
from driftline.ranking.reasons import Cause, causes, reason
from driftline.ranking.recommender import Recommender
from driftline.ranking.rules import showable
from driftline.ranking.training import train

TITLES = [
    f"{colour} {thing}" for thing in ("lamp", "cup", "jar", "vase", "clock") for colour in ("red", "blue", "green")
]


@pytest.fixture(scope="module")
def shop(world):
    """Everybody steps on by one or goes back to the first; 15 titled items."""
    data = world.ring(n_users=80, n_items=15, n_events=20, noise=0.1, again=0.3, titles=TITLES)
    models = {"cooccurrence": Cooccurrence(), "popularity-7d": RecentPopularity(), "step": world.Step()}
    trained = train(models, production_fold(data), catalog=data.catalog, blend_arms=list(models))
    return Recommender(data.log, data.catalog, trained.blend, "allow")


@pytest.fixture(scope="module")
def end(shop):
    return shop.log.last_us + 1


def rows_of(slate, recommender):
    return recommender.catalog.items.rows([item.item_id for item in slate.items])


def past_of(recommender, user_id, at_us):
    user = np.array([recommender.log.users.row(user_id)], np.int32)
    return histories(recommender.log.positive, user, np.array([at_us]))


def test_a_slate_has_k_items_in_the_order_of_their_scores(shop, end):
    slate = shop.recommend("u3", at_us=end, k=4)
    scores = [item.score for item in slate.items]
    assert len(scores) == 4
    assert scores == sorted(scores, reverse=True)
    assert [item.position for item in slate.items] == [1, 2, 3, 4]
    assert slate.fallback is None


def test_the_same_question_gets_the_same_slate(shop, end):
    assert shop.recommend("u5", at_us=end) == shop.recommend("u5", at_us=end)


def test_shares_of_arms_sum_to_one(shop, end):
    for item in shop.recommend("u5", at_us=end).items:
        assert sum(item.arms.values()) == pytest.approx(1, abs=1e-9)
        assert all(share > 0 for share in item.arms.values())


def test_what_comes_later_changes_nothing(shop, end):
    at = end // 2
    earlier = replace(shop, log=shop.log.before(at))
    assert shop.recommend("u7", at_us=at).as_json() == earlier.recommend("u7", at_us=at).as_json()


def test_without_the_item_that_a_reason_names_the_score_falls(shop, end):
    """Removed from the log itself, the named item takes score from the recommended one."""
    checked = 0
    for user in ("u1", "u2", "u3", "u4", "u8", "u9"):
        past = past_of(shop, user, end)
        items = rows_of(shop.recommend(user, at_us=end), shop)
        before = shop.blend.score(past, items)[0]
        for place, cause in enumerate(causes(shop.blend, past, items)):
            if cause.item_row < 0:
                continue
            checked += 1
            assert cause.drop > 0
            kept = ~((shop.log.user_row == past.user_row[0]) & (shop.log.item_row == cause.item_row))
            without = replace(shop, log=shop.log.select(kept))
            after = shop.blend.score(past_of(without, user, end), items)[0, place]
            assert after < before[place]
            assert before[place] - after == pytest.approx(cause.drop, abs=1e-4)
    assert checked > 20


def test_the_reason_of_what_was_had_counts_how_often_and_says_when_last(world):
    rows = [(0, 0, 0), (0, 0, 3), (0, 1, 4), (1, 2, 0), (1, 3, 2), (2, 2, 0), (2, 2, 3), (2, 3, 5)]
    data = world.dataset(rows, n_items=4, repeats="allow", titles=["tea", "jam", "bun", "pie"])
    fold = production_fold(data)
    trained = train({"flat": world.Fixed()}, fold, catalog=data.catalog, blend_arms=["flat"])
    first = Recommender(data.log, data.catalog, trained.blend, "allow").recommend("u0", at_us=10 * world.DAY).items[0]
    assert (first.item_id, first.reason) == ("i0", "you bought this 2 times, last on 1970-01-04")
    assert first.arms == {"repeat": 1.0}


@pytest.mark.parametrize(
    ("kind", "again", "other"),
    [
        ("interaction", "you chose this on", "often chosen with or after jam (chosen"),
        ("purchase", "you bought this on", "often bought with or after jam (bought"),
        ("comment", "you commented on this on", "often commented on with or after jam (commented on"),
    ],
)
def test_a_reason_says_what_was_done_in_the_form_that_the_sentence_needs(world, kind, again, other):
    """A kind without a verb of its own, as in a log of user, item and time alone, is a choice."""
    data = world.dataset([(0, 0, 0), (0, 1, 4)], n_items=3, kinds=[kind], titles=["tea", "jam", "bun"])
    past = histories(data.log, np.zeros(1, np.int32), np.array([data.log.last_us + 1]))
    popular = Popular.before(data.log, data.log.last_us + 1)
    cause = Cause("cooccurrence", 1, 1.0, personal=True)
    assert reason(1, cause, past, data.catalog, popular) == f"{again} 1970-01-05"
    assert reason(2, cause, past, data.catalog, popular) == f"{other} 1970-01-05)"


def test_the_reason_of_what_everybody_takes_is_a_count(world):
    data = world.dataset([(0, 0, 8), (1, 1, 8), (2, 1, 9), (3, 2, 1)], n_items=3, repeats="exclude")
    blend = train(
        {"popularity-7d": RecentPopularity()}, production_fold(data), catalog=data.catalog, blend_arms=["popularity-7d"]
    ).blend
    first = Recommender(data.log, data.catalog, blend, "exclude").recommend("u0", at_us=10 * world.DAY).items[0]
    assert (first.item_id, first.reason) == ("i1", "popular: taken 2 times in the 10 days before 1970-01-11")


def test_an_unknown_user_is_refused_and_served_on_request(shop, end):
    with pytest.raises(UnknownUserError, match="--new-user"):
        shop.recommend("nobody 🌹", at_us=end)
    slate = shop.recommend("nobody 🌹", at_us=end, new_user=True, k=3)
    assert slate.fallback == "unknown_user"
    assert [item.arms for item in slate.items] == [{"popularity": 1.0}] * 3
    assert all(item.reason.startswith("popular: taken") for item in slate.items)


def test_a_user_without_events_before_the_moment_gets_what_was_popular_then(world):
    data = world.dataset([(0, 0, 1), (1, 0, 2), (1, 1, 2), (2, 2, 9)], n_items=4, repeats="allow")
    blend = train(
        {"popularity-7d": RecentPopularity()}, production_fold(data), catalog=data.catalog, blend_arms=["popularity-7d"]
    ).blend
    slate = Recommender(data.log, data.catalog, blend, "allow").recommend("u2", at_us=5 * world.DAY)
    assert slate.fallback == "no_history"
    assert [item.item_id for item in slate.items] == ["i0", "i1"]


def test_what_was_had_is_left_out_where_repeats_are_the_exception_or_on_request(shop, end):
    mine = set(np.unique(past_of(shop, "u3", end).log.item_row[shop.log.user_row == 3]))
    for slate in (
        replace(shop, repeats="exclude").recommend("u3", at_us=end),
        shop.recommend("u3", at_us=end, unseen=True),
    ):
        assert not mine & set(rows_of(slate, shop).tolist())
    assert mine & set(rows_of(shop.recommend("u3", at_us=end), shop).tolist())


def test_what_was_hidden_or_disliked_stays_away_and_what_is_not_there_yet_too(world):
    kinds = [Kind("purchase"), Kind("dislike", weight=-1.0, target=False), Kind("impression", weight=0.0, target=False)]
    data = world.dataset([(0, 0, 0, 0), (0, 1, 1, 1), (0, 2, 1, 2), (1, 3, 8, 0)], n_items=5, kinds=kinds)
    listed = np.array([False, True, True, False, True])
    catalog = replace(data.catalog, listed=listed, available_from_us=np.array([0, 0, 0, 0, 7 * world.DAY], np.int64))
    ask = lambda day, repeats: showable(data.log, catalog, 0, day * world.DAY, repeats).tolist()  # noqa: E731
    assert ask(5, "allow") == [True, False, True, False, False]
    assert ask(5, "exclude") == [False, False, True, False, False]
    assert ask(9, "exclude") == [False, False, True, True, True]


def test_excluded_items_stay_away_and_unknown_ones_are_named(shop, end):
    first = shop.recommend("u3", at_us=end, k=2)
    second = shop.recommend("u3", at_us=end, k=2, exclude=[item.item_id for item in first.items])
    assert not {item.item_id for item in first.items} & {item.item_id for item in second.items}
    with pytest.raises(UnknownItemError, match="no such"):
        shop.recommend("u3", at_us=end, exclude=["no such"])


def test_a_filter_leaves_only_what_satisfies_it_and_still_fills_the_slate(shop, end):
    slate = shop.recommend("u3", at_us=end, k=5, where='title contains "red"')
    assert len(slate.items) == 5
    assert all("red" in item.title for item in slate.items)
    assert shop.recommend("u3", at_us=end, where='title contains "nothing"').items == ()


@pytest.mark.parametrize("k", [0, -1, 1_001])
def test_k_out_of_range_is_refused(shop, end, k):
    with pytest.raises(RequestError, match="k between 1 and 1000"):
        shop.recommend("u3", at_us=end, k=k)


def test_k_beyond_the_catalog_gives_what_there_is(shop, end):
    assert len(shop.recommend("u3", at_us=end, k=900).items) == 15


def test_diversity_keeps_the_best_item_first(shop, end):
    plain, unlike = (shop.recommend("u3", at_us=end, k=5, diversity=d) for d in (0.0, 0.8))
    assert plain.items[0].item_id == unlike.items[0].item_id
    assert plain != unlike


def test_json_has_the_keys_of_the_contract(shop, end):
    told = replace(shop, provenance={"model_version": "v", "model_cutoff": "t", "hindsight": False})
    document = told.recommend("u3", at_us=end, k=1).as_json()
    assert set(document) >= {"user_id", "at", "model_version", "model_cutoff", "hindsight", "fallback", "items"}
    assert set(document["items"][0]) >= {"item_id", "position", "score", "reason", "arms"}


def told(catalog, log, shares):
    """Interests whose forecast is given."""
    found = SimpleNamespace(shares=np.array(shares))
    return SimpleNamespace(
        topics=catalog_topics(catalog, log),
        dynamics=SimpleNamespace(order_only=False),
        distribution=lambda log, past, horizon: (found, str(horizon)),
    )


@pytest.mark.parametrize("cups", [0.9, 0.5, 0.1])
def test_a_horizon_moves_each_topic_toward_its_forecast_by_a_factor_of_two_at_most(world, cups):
    rows = [(user, (user + day) % 10, day) for user in range(40) for day in range(20)]
    data = world.dataset(rows, n_items=10, repeats="exclude")
    topics = np.repeat(np.eye(2, dtype=np.float32), 5, axis=0)
    catalog = replace(data.catalog, topic_names=("lamps", "cups"), topics=sparse.csr_matrix(topics))
    flat = world.Fixed(np.array([0, 2, 4, 6, 8, 1, 3, 5, 7, 9.0]))
    log = data.log.before(4 * world.DAY)
    plain = Recommender(log, catalog, Blend({"flat": flat}).fit(log), "allow")
    with pytest.raises(RequestError, match="interests"):
        plain.recommend("u0", at_us=log.last_us + 1, horizon="7d")
    interested = replace(plain, interest=told(catalog, log, [1 - cups, cups]))
    one, other = (
        plain.recommend("u0", at_us=log.last_us + 1),
        interested.recommend("u0", at_us=log.last_us + 1, horizon="7d"),
    )
    before, after = ({item.item_id: item.score for item in slate.items} for slate in (one, other))
    ranked = [item_id for item_id in before if before[item_id] > 0]
    odds = np.exp([before[item_id] for item_id in ranked])
    is_cup = np.array([int(item_id[1:]) >= 5 for item_id in ranked])
    mass = odds[is_cup].sum() / odds.sum()
    lifts = np.array([after[item_id] - before[item_id] for item_id in ranked])
    assert np.allclose(lifts[is_cup], np.log(2 * cups / (cups + mass)), atol=1e-5)
    assert np.allclose(lifts[~is_cup], np.log(2 * (1 - cups) / (2 - cups - mass)), atol=1e-5)
    for item in other.items:
        assert sum(item.arms.values()) == pytest.approx(1)
        assert ("forecast" in item.arms) == (after[item.item_id] > before[item.item_id])


def test_fitted_interests_answer_for_a_horizon(shop, end):
    catalog = replace(
        shop.catalog,
        topic_names=("red", "blue", "green"),
        topics=sparse.csr_matrix(np.tile(np.eye(3, dtype=np.float32), (5, 1))),
    )
    recommender = replace(shop, catalog=catalog, interest=fit_interest_model(shop.log, catalog))
    for horizon in ("7d", "next-20"):
        slate = recommender.recommend("u3", at_us=end, horizon=horizon)
        assert len(slate.items) == 10
        assert [item.score for item in slate.items] == sorted((item.score for item in slate.items), reverse=True)
