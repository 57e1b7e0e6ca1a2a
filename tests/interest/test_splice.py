"""The falsifier of splice: who turns is followed within thirty events, and who does not turn loses nothing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from driftline.data.synthetic import changing
from driftline.interest.fitting import Questions
from driftline.interest.horizons import Horizon, ask_next
from driftline.interest.model import InterestModel, fit_interest_model
from driftline.interest.state import Evidence, HalfLife
from driftline.metrics.distributions import log_score

N_NEXT = 10
NEXT = Horizon(events=N_NEXT)


@pytest.fixture(scope="module")
def told():
    """Half of the users change; the model learns from half of all users and is asked of the others."""
    world = changing(n_users=600, n_events=160, change_share=0.5, seed=4)
    half = np.arange(world.log.n_users) % 2 == 0
    model = fit_interest_model(world.log.select(half[world.log.user_row]), world.dataset.catalog)
    asked = ask_next(world.log, model.topics, N_NEXT, np.flatnonzero(~half).astype(np.int32))
    return world, model, asked


def came_of(asked: Questions, model: InterestModel) -> np.ndarray:
    return asked.came(len(model.topics))


def events_since(world, asked: Questions) -> np.ndarray:
    """How many events each user had done since the change; negative before it, and of those who never change."""
    log, found = world.log, np.full(len(asked.histories), -1)
    for place, (user, end) in enumerate(zip(asked.histories.user_row, asked.histories.end, strict=True)):
        rows = slice(log.user_offsets[user], end)
        after = int((log.time_us[rows] >= world.truth.change_us[user]).sum())
        found[place] = after or -1
    return found


@pytest.mark.slow
def test_thirty_events_after_a_change_the_forecast_is_within_five_percent_of_one_that_knows_it(told):
    """Beside it stands the same forecast of a history that is cut at the change: nothing old is in its way."""
    world, model, asked = told
    since = events_since(world, asked)
    recovered = (since >= 30) & (since < 50)
    own, came = model.distributions(world.log, asked.histories, NEXT), came_of(asked, model)
    start = asked.histories.start.copy()
    start[since > 0] = (asked.histories.end - since)[since > 0]
    cut = model.distributions(world.log, replace(asked.histories, start=start), NEXT)
    ours, theirs = (log_score(one.shares, came)[recovered].mean() for one in (own, cut))
    assert recovered.sum() > 150
    assert ours < 1.05 * theirs
    new = (since > 0) & (since <= 5)
    lost, known = (log_score(one.shares, came)[new].mean() for one in (own, cut))
    assert lost > 1.2 * known


@pytest.mark.slow
def test_of_users_who_never_change_it_is_within_one_percent_of_the_static_forecast(told):
    """The static one knows everything but that people change: a mix of the whole history, drawn to everybody's."""
    world, model, asked = told
    stays = world.truth.change_us[asked.histories.user_row] > world.log.last_us
    came = came_of(asked, model)
    own = log_score(model.distributions(world.log, asked.histories, NEXT).shares, came)[stays].mean()
    counts = model.dynamics.priors(world.log, model.topics, asked.histories.at_us) + whole_counts(asked, model)
    static = log_score(counts / counts.sum(axis=1, keepdims=True), came)[stays].mean()
    assert own < 1.01 * static


def whole_counts(asked: Questions, model: InterestModel) -> np.ndarray:
    evidence = Evidence.of(asked.histories, model.dynamics.ratings)
    return np.asarray(evidence.counts(model.topics, HalfLife(events=np.inf)).toarray())
