"""Items ahead are learned in time that the blend does not know, and right for users who taught nothing."""

from __future__ import annotations

import numpy as np
import pytest

from driftline.data.split import production_fold, user_halves
from driftline.interest.horizons import Horizon
from driftline.ranking.blend import with_weights
from driftline.ranking.candidates import FROM_RANKS
from driftline.ranking.expected import chance_of, smoothed
from driftline.ranking.expected_fitting import fit_expected, windows_of

DAY = Horizon(days=1.0)


@pytest.fixture(scope="module")
def taught(world):
    """A ring in which the next item follows at once with a chance of .8, and what was learned of it."""
    data = world.ring(n_users=300, n_items=30, n_events=60)  # a later part of six days: no week is fitted
    fold = production_fold(data)
    blend = with_weights({"step": world.Step()}, np.array([FROM_RANKS]), fold.inner, exclude_history=False)
    return fold, blend, fit_expected(blend, fold)


def test_windows_are_whole_and_begin_where_the_blend_knows_nothing(taught):
    fold, _, _ = taught
    windows = windows_of(fold, DAY)
    log = fold.train
    assert windows.asked.at_us.min() > fold.inner.last_us
    assert windows.asked.at_us.max() + 86_400_000_000 <= log.last_us + 1
    for row in range(0, len(windows.start), 97):
        inside = log.time_us[windows.start[row] : windows.end[row]] - windows.asked.at_us[row]
        assert ((inside >= 0) & (inside < 86_400_000_000)).all()


def test_chances_are_right_for_users_that_taught_nothing(taught):
    """The item that follows comes with .8 within its day, each other one with little; the sum is of one event."""
    fold, blend, fitted = taught
    model = next(one for one in fitted if one.horizon == DAY)
    windows = windows_of(fold, DAY)
    windows = windows.take(np.flatnonzero(~user_halves(fold.train.users)[windows.asked.user_row])[:300])
    comes, events = model.window(windows.asked, DAY)
    popular = smoothed(blend.popularity, 30)
    said, came = [], []
    for row, scores in enumerate(blend.score(windows.asked).astype(np.float64)):
        said.append(comes[row] * chance_of(model.rates(model.shares(scores, popular), events[row]), model.shape))
        came.append(np.isin(np.arange(30), fold.train.item_row[windows.start[row] : windows.end[row]]))
    said, came = np.array(said), np.array(came)
    first = said.argmax(axis=1)
    rows = np.arange(len(said))
    assert said[rows, first].mean() == pytest.approx(came[rows, first].mean(), abs=0.07)
    assert came[rows, first].mean() > 0.7
    assert said.sum(axis=1).mean() == pytest.approx(came.sum(axis=1).mean(), rel=0.1)


def test_a_blend_that_knows_nothing_is_given_little_to_say(world, taught):
    """An arm that is always wrong leaves all to the tail or to equal odds: no item stands out."""
    fold, _, _ = taught
    wrong = with_weights({"noise": world.Noise()}, np.array([FROM_RANKS]), fold.inner, exclude_history=False)
    model = next(one for one in fit_expected(wrong, fold) if one.horizon == DAY)
    scores = wrong.score(windows_of(fold, DAY).asked.take(slice(0, 5))).astype(np.float64)
    shares = np.array([model.shares(row, smoothed(wrong.popularity, 30)) for row in scores])
    assert shares.max() < 0.15


def test_without_times_there_are_events_alone_and_without_a_later_part_nothing(world, taught):
    fold, blend, _ = taught
    assert {one.horizon.days for one in fit_expected(blend, fold, order_only=True)} == {None}
    few = production_fold(world.ring(n_users=5, n_events=6))
    assert fit_expected(blend, few) == ()
