"""Looking ahead moves the blend's topics toward the forecast, by numbers worked by hand."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
from scipy import sparse

from driftline.ranking.ahead import look_ahead


def lift(world, scores: list[float]) -> list[float]:
    """The lift under a forecast of 3/4 and 1/4: items 0 and 3 are of the first topic, 1 of the second, 2 of none."""
    weights = sparse.csr_matrix(np.array([[1.0, 0], [0, 1], [0, 0], [1, 0]]))
    interest = SimpleNamespace(
        topics=SimpleNamespace(of_items=lambda rows: weights[rows]),
        distribution=lambda *_: (SimpleNamespace(shares=np.array([0.75, 0.25])), None),
    )
    log = world.dataset([(0, 0, 1)], n_items=4).log
    return look_ahead(interest, log, "u0", 2 * world.DAY, "7d", np.array(scores, np.float32)).lift.tolist()


def test_the_forecast_is_of_the_mass_that_has_topics_and_the_rest_keeps_what_it_had(world):
    """Three items of one score: mass 1/3 each, 2/3 with a topic, so 3/4 and 1/4 of that are 1/2 and 1/6.

    Quotients 2 · (1/2) / (1/2 + 1/3) = 6/5 and 2 · (1/6) / (1/6 + 1/3) = 2/3; the item without a topic has 1.
    """
    np.testing.assert_allclose(lift(world, [1, 1, 1, -np.inf])[:3], np.log([6 / 5, 2 / 3, 1]), atol=1e-9)


def test_what_no_arm_proposes_stays_behind_what_an_arm_does(world):
    """The second topic falls by log 2/3, from .1 to -.31, below the -.1 of an item that nothing proposes."""
    scores = [0.1, 0.1, 0.1, -0.1]
    moved = np.array(scores) + lift(world, scores)
    assert moved[3] < moved[:3].min() < -0.1
