"""Histories of a log are asked for by whole numbers, one user and one moment for each query."""

from __future__ import annotations

import numpy as np
import pytest

from driftline.data.events import histories
from driftline.data.synthetic import markov
from driftline.errors import RequestError


@pytest.mark.parametrize(
    ("users", "moments"),
    [(np.array([0, 1]), np.array([5])), (np.array([0]), np.array([5.7])), (np.array([[0]]), np.array([[5]]))],
    ids=["two users, one moment", "a fraction of a microsecond", "a table"],
)
def test_what_is_not_one_user_and_one_moment_is_refused(users: np.ndarray, moments: np.ndarray) -> None:
    with pytest.raises(RequestError, match="one moment in microseconds for each query"):
        histories(markov(3, 4, 5, seed=0).log, users, moments)


def test_a_row_beyond_the_log_has_no_history() -> None:
    log = markov(3, 4, 5, seed=0).log
    asked = histories(log, np.array([-1, 99, 0]), np.full(3, log.last_us + 1))
    assert asked.lengths.tolist() == [0, 0, int((log.user_row == 0).sum())]
