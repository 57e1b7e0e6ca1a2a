"""The co-occurrence kernel: against a slow twin, by hand on baskets, updated exactly, and on the published cuts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from driftline.data.catalog import Catalog
from driftline.data.dataset import Dataset, Repeats
from driftline.data.events import EventLog
from driftline.data.split import global_time_fold, last_item_fold
from driftline.data.synthetic import markov
from driftline.data.vocabulary import Vocabulary
from driftline.errors import SettingsError
from driftline.metrics.ranking import hit, ndcg
from driftline.metrics.ranks import target_ranks
from driftline.models.choosing import gain
from driftline.models.cooccurrence import Cooccurrence, FittedCooccurrence

SINGLE = st.lists(st.lists(st.integers(0, 7), max_size=9), min_size=1, max_size=6)


def slow_scores(walks: list[list[int]], n_items: int, model: Cooccurrence) -> np.ndarray:
    """The formula as it is written, one pair at a time; event n of a walk is on day n."""
    own = model.with_defaults()
    assert own.window is not None
    backward_decay = own.gap_decay if own.backward_decay is None else own.backward_decay
    backward = own.backward if own.symmetric else 0.0
    now = max(len(walk) for walk in walks) - 1
    pairs = np.zeros((n_items, n_items))
    for walk in walks:
        for second in range(len(walk)):
            for first in range(max(0, second - own.window), second):
                gap = second - first
                left = halved(gap, own.gap_half_life_days) * halved(now - second, own.half_life_days)
                pairs[walk[first], walk[second]] += own.gap_decay ** (gap - 1) * left
                pairs[walk[second], walk[first]] += backward * backward_decay ** (gap - 1) * left
    rows, columns = pairs.sum(1), pairs.sum(0)
    kernel = np.zeros_like(pairs)
    for i, j in zip(*np.nonzero(pairs), strict=True):
        kernel[i, j] = (pairs[i, j] / (rows[i] ** own.row_power * columns[j] ** own.column_power)) ** own.power
    apart = kernel * (1 - np.eye(n_items))
    nearest = apart.max(1)[apart.max(1) > 0]
    again = own.repeat_weight * (nearest.mean() if len(nearest) else 1.0)
    scores = np.zeros((len(walks), n_items))
    for user, walk in enumerate(walks):
        for age, item in enumerate(walk[::-1][: own.last]):
            left = own.age_decay**age * halved(age, own.age_half_life_days)
            scores[user] += left * kernel[item]
            scores[user, item] += left * again
    return scores


def halved(days: float, half_life_days: float | None) -> float:
    return 1.0 if half_life_days is None else 0.5 ** (days / half_life_days)


MODELS = st.builds(
    Cooccurrence,
    window=st.integers(1, 5),
    gap_decay=st.sampled_from([0.0, 0.5, 1.0]),
    last=st.integers(1, 4),
    age_decay=st.sampled_from([0.0, 0.7, 1.0]),
    symmetric=st.sampled_from([True, True, False]),
    backward=st.sampled_from([None, 0.0, 0.3, 2.0]),
    backward_decay=st.sampled_from([None, 0.0, 0.6, 1.0]),
    row_power=st.sampled_from([None, 0.0, 0.3, 1.0]),
    column_power=st.sampled_from([None, 0.0, 0.2, 0.9]),
    power=st.sampled_from([None, 0.5, 2.0]),
    half_life_days=st.sampled_from([None, 2.0]),
    gap_half_life_days=st.sampled_from([None, 3.0]),
    age_half_life_days=st.sampled_from([None, 1.5]),
    repeat_weight=st.sampled_from([None, 0.0, 0.5]),
)


@settings(max_examples=150, deadline=None)
@given(SINGLE, MODELS)
def test_single_events_are_scored_as_the_formula_says(
    events: Any, everybody: Any, walks: list[list[int]], model: Cooccurrence
) -> None:
    lines = [(user, day, item) for user, walk in enumerate(walks) for day, item in enumerate(walk)]
    if not lines:
        return
    log = events(lines, n_users=len(walks))
    scores = model.fit(log).score(everybody(log))
    expected = slow_scores(walks, 8, model)
    assert np.where(expected > 0, scores, 0) == pytest.approx(expected, rel=1e-4, abs=1e-6)
    assert (scores[expected == 0] <= 1e-9).all()


def test_a_basket_is_a_set_of_unit_length_whose_pairs_count_half_in_each_order(events: Any) -> None:
    """Visits {0, 1} then {2}: 0 and 1 are paired half in each order at 1/2; each goes before 2 with 1/√2.

    Backwards, at a weight of .4, what is in one moment counts .4 more and 2 leads to the others at .4.
    """
    log = events([(0, 1, 0), (0, 1, 1), (0, 1, 1), (0, 2, 2)], n_items=3)
    pairs = Cooccurrence(5, 0.9, 10, 0.7, symmetric=False).fit(log).kernel.pairs.toarray()
    root = 1 / np.sqrt(2)
    forward = np.array([[0, 0.25, root], [0.25, 0, root], [0, 0, 0]])
    assert pairs == pytest.approx(forward)
    both = Cooccurrence(5, 0.9, 10, 0.7, backward=0.4).fit(log).kernel.pairs.toarray()
    assert both == pytest.approx(forward + 0.4 * forward.T)


def test_the_order_of_rows_within_a_basket_means_nothing(events: Any, everybody: Any) -> None:
    lines = [(0, 1, 0), (0, 1, 1), (0, 2, 2), (0, 2, 3), (1, 1, 3), (1, 1, 0)]
    turned = [lines[n] for n in (1, 0, 3, 2, 5, 4)]
    first, second = (Cooccurrence().fit(log).score(everybody(log)) for log in (events(lines), events(turned)))
    assert first == pytest.approx(second)


BASKETS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 6), st.integers(0, 7)), min_size=2, max_size=40)


@settings(max_examples=60, deadline=None)
@given(BASKETS, MODELS, st.data())
def test_update_equals_a_fit_on_everything(
    events: Any, everybody: Any, lines: list[Any], model: Cooccurrence, data: st.DataObject
) -> None:
    """Also where new events fall into the last basket that was known, and where users and items are new."""
    lines = sorted(lines, key=lambda line: line[1])
    cut = data.draw(st.integers(1, len(lines) - 1))
    seen_users, seen_items = 1 + max(u for u, _, _ in lines[:cut]), 1 + max(i for _, _, i in lines[:cut])
    old, new, whole = events(lines[:cut], seen_users, seen_items), events(lines[cut:]), events(lines)
    updated, expected = model.fit(old).update(new), model.fit(whole)
    assert updated.kernel.pairs.toarray() == pytest.approx(expected.kernel.pairs.toarray(), abs=1e-12)
    assert updated.counts == pytest.approx(expected.counts)
    assert updated.score(everybody(whole)) == pytest.approx(expected.score(everybody(whole)), abs=1e-5)


def test_two_updates_equal_one(events: Any) -> None:
    rng = np.random.default_rng(0)
    lines = [
        (int(u), int(t), int(i))
        for t in range(30)
        for u, i in zip(rng.integers(0, 3, 2), rng.integers(0, 8, 2), strict=True)
    ]
    parts = [events(lines[first : first + 20]) for first in (0, 20, 40)]
    fitted = Cooccurrence(4, 0.8, 3, 0.7).fit(parts[0]).update(parts[1]).update(parts[2])
    expected = Cooccurrence(4, 0.8, 3, 0.7).fit(events(lines))
    assert fitted.kernel.pairs.toarray() == pytest.approx(expected.kernel.pairs.toarray(), abs=1e-12)


def test_validation_chooses_the_reading_that_finds_a_walk() -> None:
    """Where only the last item tells, the choice falls on the shorter memory; what was given stays."""
    fold = last_item_fold(markov(n_users=150, n_items=30, n_events=12, noise=0.05).dataset)
    chosen = Cooccurrence(gap_decay=0.5).fit(fold.train, validation=fold.stop).settled()
    assert chosen.gap_decay == 0.5
    assert chosen.age_decay is not None
    assert chosen.age_decay <= 0.5
    walk = Cooccurrence(window=1, last=1).fit(fold.train).score
    assert hit(target_ranks(walk, fold.test), 1).mean() > 0.8


def test_the_way_back_is_chosen_small_where_all_ways_lead_forward(events: Any) -> None:
    """Everybody walks up a line of items, by one or two at a time: what was before never comes again."""
    rng = np.random.default_rng(0)
    lines = [
        (user, day, item)
        for user in range(300)
        for day, item in enumerate(rng.integers(0, 40) + np.cumsum(rng.integers(1, 3, 6)))
    ]
    fold = last_item_fold(unrepeated(events(lines, n_users=300, n_items=60)))
    given = Cooccurrence(window=3, last=3, attributes=False)
    chosen = given.fit(fold.train, validation=fold.stop).settled()
    assert chosen.backward == 0
    assert (chosen.window, chosen.last) == (3, 3)
    forward = given.fit(fold.train, validation=fold.stop)
    assert gain(forward, fold.stack) > gain(Cooccurrence(window=3, last=3).fit(fold.train), fold.stack)


def unrepeated(log: EventLog) -> Dataset:
    return Dataset(log, Catalog.empty(log.items), repeats="exclude")


def test_fashions_pass_where_time_is_real(events: Any) -> None:
    """What follows an item is another thing each fortnight: a kernel that forgets is chosen, and finds more."""
    rng = np.random.default_rng(1)
    lines = []
    for user in range(400):
        day = int(rng.integers(0, 60))
        first = int(rng.integers(0, 12))
        lines += [(user, day, first), (user, day + 1, 12 + (first + day // 14) % 12), (user, day + 2, 24)]
    fold = global_time_fold(unrepeated(events(lines, n_users=400, n_items=25)))
    chosen = Cooccurrence().fit(fold.inner, validation=fold.stop)
    assert chosen.settled().half_life_days is not None
    assert gain(chosen, fold.stack) > gain(Cooccurrence().fit(fold.inner), fold.stack)


def test_no_half_life_is_tried_where_there_is_an_order_and_no_time() -> None:
    fold = last_item_fold(markov(n_users=60, n_items=20, n_events=8, noise=0.05).dataset)
    log = replace(fold.train, time_us=np.arange(len(fold.train), dtype=np.int64))
    settled = Cooccurrence().fit(log, validation=fold.stop).settled()
    assert (settled.half_life_days, settled.gap_half_life_days, settled.age_half_life_days) == (None, None, None)


@pytest.mark.parametrize("repeats", ["allow", "exclude"])
def test_an_item_speaks_for_itself_where_people_take_the_same_again(events: Any, repeats: Repeats) -> None:
    """Everybody takes one of their own three items each day; where nobody is shown what was had, it is not asked."""
    rng = np.random.default_rng(1)
    lines = [(user, day, 3 * (user % 10) + int(rng.integers(3))) for user in range(60) for day in range(12)]
    lines += [(user, day, 30 + int(rng.integers(20))) for user in range(60) for day in range(0, 12, 2)]
    log = events(lines, n_users=60, n_items=50)
    fold = global_time_fold(Dataset(log, Catalog.empty(log.items), repeats=repeats))
    chosen = Cooccurrence().fit(fold.inner, validation=fold.stop)
    weight = chosen.settled().repeat_weight
    assert weight is not None
    assert (weight > 0) == (repeats == "allow")


def test_attributes_are_taken_where_they_tell_and_left_where_they_do_not(events: Any) -> None:
    """Everybody has items of one colour, too few to count pairs of so many: colours find more, shuffled ones do not."""
    rng = np.random.default_rng(0)
    colour = np.repeat(np.arange(50), 8)
    lines = [
        (user, day, int(item))
        for user in range(120)
        for day, item in enumerate(rng.permutation(np.flatnonzero(colour == rng.integers(50)))[:5])
    ]
    log = events(lines, n_users=120, n_items=400)
    fold = last_item_fold(unrepeated(log))

    def chosen(colours: np.ndarray, *, attributes: bool = True) -> FittedCooccurrence:
        catalog = replace(Catalog.empty(log.items), attributes=pl.DataFrame({"colour": [f"c{n}" for n in colours]}))
        return Cooccurrence(attributes=attributes).fit(fold.train, catalog=catalog, validation=fold.stop)

    true, shuffled, without = chosen(colour), chosen(rng.permutation(colour)), chosen(colour, attributes=False)
    assert (true.settings.attribute_weight or 0) > 0
    assert gain(true, fold.stack) > gain(without, fold.stack) + 0.1
    assert gain(true, fold.stack) > gain(shuffled, fold.stack) + 0.1
    assert without.vectors is None
    assert without.settings.attribute_weight == 0


def test_attributes_find_an_item_that_nobody_had_and_are_saved(events: Any, everybody: Any, tmp_path: Path) -> None:
    """Items 0 and 7 are red; 7 has no event. By hand: K + weight · strength · cosine."""
    log = events([(0, 1, 0), (0, 2, 1), (1, 1, 1), (1, 2, 2)], n_users=3)
    colours = pl.DataFrame({"colour": ["red", "blue", "blue", "green", None, "green", None, "red"]})
    catalog = replace(Catalog.empty(log.items), attributes=colours)
    fitted = Cooccurrence(attribute_weight=0.5).fit(log, catalog=catalog)
    plain = Cooccurrence().fit(log, catalog=catalog)
    added = fitted.score(everybody(log)) - plain.score(everybody(log))
    assert added[0, 7] == pytest.approx(0.5 * fitted.kernel.strength * 0.7, rel=1e-5)
    assert fitted.score(everybody(log))[2].argmax() == 1
    fitted.save(tmp_path)
    assert np.array_equal(FittedCooccurrence.load(tmp_path).score(everybody(log)), fitted.score(everybody(log)))
    later = fitted.update(events([(2, 5, 8), (0, 6, 7)], n_users=3, n_items=9))
    grown = replace(catalog, attributes=pl.concat([colours, pl.DataFrame({"colour": [None]}, schema=colours.schema)]))
    whole = events([(0, 1, 0), (0, 2, 1), (1, 1, 1), (1, 2, 2), (2, 5, 8), (0, 6, 7)], n_users=3, n_items=9)
    refit = Cooccurrence(attribute_weight=0.5).fit(whole, catalog=replace(grown, items=whole.items))
    assert later.kernel.strength == pytest.approx(refit.kernel.strength)
    assert later.score(everybody(whole)) == pytest.approx(refit.score(everybody(whole)), abs=1e-5)


def test_users_without_history_get_the_order_of_popularity(events: Any, everybody: Any) -> None:
    log = events([(0, 1, 3), (0, 2, 3), (0, 3, 1), (1, 1, 3)], n_users=3)
    scores = Cooccurrence().fit(log).score(everybody(log))[2]
    assert scores.argsort()[::-1][:2].tolist() == [3, 1]


def test_a_moment_of_thousands_of_rows_is_no_basket(events: Any) -> None:
    lines = [(0, 1, item) for item in range(5_000)] + [(0, 2, 1)]
    fitted = Cooccurrence().fit(events(lines, n_users=1, n_items=5_000))
    assert fitted.kernel.pairs.nnz < 1.1e6


WRONG = [
    {"window": 0},
    {"gap_decay": 1.5},
    {"last": -1},
    {"age_decay": float("nan")},
    {"backward": -0.1},
    {"backward_decay": 2},
    {"row_power": -1},
    {"power": 0},
    {"half_life_days": 0},
    {"attribute_weight": -1},
    {"repeat_weight": -1},
]


@pytest.mark.parametrize("wrong", WRONG)
def test_settings_out_of_range_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(SettingsError, match=next(iter(wrong))):
        Cooccurrence(**wrong)


@pytest.mark.soak
@pytest.mark.parametrize(
    ("archive", "file", "model", "hr", "gain"),
    [
        ("amazon_beauty_s3rec_time", "Beauty.txt", Cooccurrence(20, 0.9, 10, 0.7), 0.0809, 0.0496),
        ("amazon_toys_s3rec", "Toys_and_Games.txt", Cooccurrence(10, 0.8, 10, 0.7), 0.0929, 0.0594),
    ],
    ids=["beauty", "toys"],
)
def test_the_published_cuts_give_the_figures_of_the_count_kernel(
    unpacked: Callable[[str], Path], archive: str, file: str, model: Cooccurrence, hr: float, gain: float
) -> None:
    """Last item, all items ranked, the history masked, counts from train alone: HR@10 and NDCG@10 within .002."""
    fold = last_item_fold(sequences(unpacked(archive) / "s3rec" / "data" / file))
    ranks = target_ranks(model.fit(fold.train).score, fold.test)
    assert hit(ranks, 10).mean() == pytest.approx(hr, abs=0.002)
    assert ndcg(ranks, 10).mean() == pytest.approx(gain, abs=0.002)


def sequences(path: Path) -> Dataset:
    """Lines of a user and the items in order, as an order-only dataset in which nothing repeats."""
    walks = [line.split() for line in path.read_text(encoding="utf-8").splitlines()]
    items = Vocabulary(dict.fromkeys(item for _, *walk in walks for item in walk))
    lengths = np.array([len(walk) - 1 for walk in walks])
    user_row = np.repeat(np.arange(len(walks), dtype=np.int32), lengths)
    order = np.arange(len(user_row)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    item_row = items.rows([item for _, *walk in walks for item in walk])
    log = EventLog.from_columns(Vocabulary(walk[0] for walk in walks), items, user_row, item_row, order)
    return Dataset(log, Catalog.empty(items), repeats="exclude", order_only=True)
