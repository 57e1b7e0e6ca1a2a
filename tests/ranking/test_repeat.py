"""The arm of what was had before, against counts worked by hand."""

from __future__ import annotations

import numpy as np
import pytest

from driftline.data import events
from driftline.data.events import histories, histories_until
from driftline.data.split import global_time_fold
from driftline.models.choosing import gain
from driftline.models.popularity import Popularity
from driftline.ranking import repeat
from driftline.ranking.repeat import FittedRepeat, Repeat, own_arms


def test_scores_are_decayed_counts_times_the_rate_of_return(world):
    log = world.dataset([(0, 0, 0), (0, 1, 2), (0, 0, 4)], n_items=3).log
    fitted = FittedRepeat(Repeat(half_life_days=2.0, half_life_moments=1.0), np.array([1.0, 0.5, 0.25], np.float32))
    scores = fitted.score(histories(log, np.array([0], np.int32), np.array([6 * world.DAY])))
    # Ages in days 6, 4, 2, in moments 2, 1, 0.
    assert np.allclose(scores[0], [2.0 ** (-3 - 2) + 2.0**-1, 0.5 * 2.0 ** (-2 - 1), 0])


def test_rates_are_the_share_of_users_who_came_back_drawn_toward_the_mean(world):
    rows = [(user, 0, day) for user in range(40) for day in (0, 1)] + [(user, 1, 0) for user in range(40)]
    rate = Repeat().fit(world.dataset(rows, n_items=3).log).rate
    assert rate[0] > 0.9
    assert rate[1] < 0.1
    assert np.isclose(rate[2], 0.5)


def test_twice_in_one_moment_is_no_return(world):
    once = Repeat().fit(world.dataset([(0, 0, 0), (0, 0, 0), (1, 1, 0)], n_items=2).log).rate
    assert np.isclose(once[0], once[1])


def test_where_people_go_back_it_learns_how_far(world):
    fold = global_time_fold(world.ring(n_users=120, noise=0.1, again=0.8))
    fitted = Repeat().fit(fold.inner, validation=fold.stop)
    assert gain(fitted, fold.test) > gain(Popularity().fit(fold.inner), fold.test) + 0.2
    assert fitted.settled().half_life_moments == fitted.settings.half_life_moments is not None


def test_it_comes_back_from_disk_and_grows_with_the_vocabulary(world, tmp_path):
    log = world.ring(n_users=5, n_items=6, n_events=6).log
    fitted = Repeat().fit(log)
    fitted.save(tmp_path)
    asked = histories(log, np.arange(5, dtype=np.int32), np.full(5, log.last_us + 1))
    assert np.array_equal(FittedRepeat.load(tmp_path).score(asked), fitted.score(asked))
    more = world.ring(n_users=5, n_items=8, n_events=6).log
    assert fitted.update(more).rate.shape == (8,)
    assert fitted.score(asked, np.array([3, 1], np.int32)).shape == (5, 2)


@pytest.mark.parametrize(("repeats", "names"), [("allow", ["repeat"]), ("exclude", [])])
def test_it_is_an_arm_only_where_repeats_are_allowed(repeats, names):
    assert list(own_arms(repeats)) == names


def test_batches_are_cut_by_the_events_that_they_hold(world, monkeypatch):
    """Two thousand questions about one long history would otherwise be a thousand million events at once."""
    monkeypatch.setattr(events, "EVENTS_PER_BATCH", 100)
    log = world.dataset([(0, day % 3, day) for day in range(90)], n_items=3).log
    asked = histories_until(log, np.arange(60, 90))
    parts = list(asked.batches(1000))
    assert [len(part) for part in parts] == [1] * 30
    assert np.concatenate([part.end for part in parts]).tolist() == asked.end.tolist()
    assert [len(part) for part in histories_until(log, np.arange(30)).batches(7)][:2] == [7, 7]


def test_of_a_very_long_history_the_last_events_count(world, monkeypatch):
    monkeypatch.setattr(repeat, "MOST_READ", 2)
    log = world.dataset([(0, 0, 0), (0, 1, 2), (0, 2, 4)], n_items=3).log
    scores = FittedRepeat(Repeat(), np.ones(3, np.float32)).score(histories_until(log, np.array([2])))
    longer = FittedRepeat(Repeat(), np.ones(3, np.float32)).score(log.history("u0", 10 * world.DAY))
    assert (scores[0] > 0).tolist() == [True, True, False]
    assert (longer[0] > 0).tolist() == [False, True, True]


def test_half_lives_that_are_given_are_kept_with_and_without_a_validation(world):
    fold = global_time_fold(world.ring(n_users=120, noise=0.1, again=0.8))
    given = Repeat(half_life_days=3.0, half_life_moments=2.0)
    assert given.fit(fold.inner).settled() == given
    assert given.fit(fold.inner, validation=fold.stop).settled() == given
