"""Coverage by hand: who is certain and right, who is certain and wrong, and where it is counted."""

from __future__ import annotations

import json

import numpy as np

from driftline.evaluation.coverage import coverage_of, inside


def test_a_fair_forecast_covers_nine_in_ten_and_a_sure_one_of_what_varies_does_not():
    """Shares vary as a Dirichlet of concentration 5 and counts around them: a multinomial knows nothing of that."""
    rng = np.random.default_rng(0)
    mean = np.array([0.5, 0.3, 0.2])
    shares = np.tile(mean, (4000, 1))
    came = np.array([rng.multinomial(20, rng.dirichlet(5 * mean)) for _ in range(4000)], float)
    found = coverage_of(shares, came, np.full((4000, 3), 5.0), np.arange(4000.0), seed=0)
    assert [0.86 < one.value < 0.94 for one in found.deciles] == [True] * 10
    assert sum(one.pairs for one in found.deciles) == 12_000 == found.long_windows.pairs
    assert 0.88 < found.long_windows.value < 0.92
    assert found.multinomial.value < 0.75


def test_deciles_are_of_activity_and_short_windows_are_left_out_of_the_long():
    """The busiest tenth is foretold wrongly: its coverage alone falls."""
    n = 1000
    busy = np.arange(n) >= 900
    shares = np.tile([0.5, 0.5], (n, 1))
    came = np.where(busy[:, None], [12.0, 0.0], [1.0, 1.0])
    found = coverage_of(shares, came, np.full((n, 2), 1e6), np.arange(float(n)), seed=0)
    assert found.deciles[9].value < 0.05
    assert min(one.value for one in found.deciles[:9]) > 0.95
    assert found.long_windows.pairs == 200


def test_nothing_to_judge_is_null_and_still_json():
    found = coverage_of(np.full((2, 30), 1 / 30), np.zeros((2, 30)), np.ones((2, 30)), np.zeros(2), seed=0)
    assert json.loads(json.dumps(found.as_json(), allow_nan=False))["multinomial"] == {"value": None, "pairs": 0}
    window, hit = inside(np.full((2, 30), 1 / 30), np.zeros((2, 30)), np.ones((2, 30)), 0)
    assert len(window) == len(hit) == 0
