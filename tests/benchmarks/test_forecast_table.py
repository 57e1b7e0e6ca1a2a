"""The table of forecasts: the permuted order keeps what users had, and both orders stand in it."""

from __future__ import annotations

import numpy as np
from benchmarks.tables import forecast

from driftline.data.synthetic import drifting


def test_a_permuted_order_keeps_times_and_what_each_user_had():
    log = drifting(n_users=20, n_events=30).log
    mixed = forecast.permuted(log, seed=1)
    np.testing.assert_array_equal(mixed.time_us, log.time_us)
    assert (mixed.item_row != log.item_row).any()
    for user in range(log.n_users):
        rows = slice(log.user_offsets[user], log.user_offsets[user + 1])
        assert sorted(mixed.item_row[rows]) == sorted(log.item_row[rows])
