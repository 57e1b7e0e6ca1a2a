"""What is trained over whole sequences is served as a step per moment: the same numbers."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from driftline.data.events import EventLog, histories, histories_until
from driftline.data.synthetic import baskets
from driftline.models.sequence import SequenceFit, SequenceSettings

LOG = baskets(n_users=30, n_items=24, n_visits=9, seed=3).log

IN_ANOTHER_PROCESS = """
import sys, numpy as np
from pathlib import Path
from driftline.learning.names import load_model
fitted = load_model(sys.argv[2], Path(sys.argv[1]))
state = fitted.start()
for items in np.load(sys.argv[3])["visits"]:
    state = fitted.step(state, items)
np.savez(sys.argv[4], state=state, scores=fitted.score_states(state[None]))
"""


def visits_of(log: EventLog, user: int) -> list[np.ndarray]:
    low, high = log.user_offsets[user : user + 2]
    return np.split(log.item_row[low:high], np.flatnonzero(np.diff(log.time_us[low:high])) + 1)


def stepped(fitted: SequenceFit, visits: list[np.ndarray]) -> np.ndarray:
    states = [fitted.start()]
    for items in visits:
        states.append(fitted.step(states[-1], items))
    return np.array(states)


def test_encoding_a_history_is_stepping_through_its_moments(small: SequenceSettings) -> None:
    fitted = small.fit(LOG)
    for user in range(3):
        states = stepped(fitted, visits_of(LOG, user))
        low, high = LOG.user_offsets[user : user + 2]
        times = np.append(np.unique(LOG.time_us[low:high]), LOG.last_us + 1)
        asked = histories(LOG, np.full(len(times), user, np.int32), times)
        np.testing.assert_allclose(fitted.encode(asked), states, atol=1e-5)


def test_a_batch_of_questions_gets_what_each_gets_alone(small: SequenceSettings) -> None:
    fitted = small.fit(LOG)
    asked = histories_until(LOG, np.random.default_rng(0).integers(0, len(LOG), 40))
    alone = np.concatenate([fitted.score(asked.take(slice(q, q + 1))) for q in range(len(asked))])
    np.testing.assert_allclose(fitted.score(asked), alone, atol=1e-4)
    items = np.array([5, 0, 7], np.int32)
    np.testing.assert_allclose(fitted.score(asked, items), alone[:, items], atol=1e-4)


def test_the_order_of_a_basket_means_nothing(small: SequenceSettings) -> None:
    fitted = small.fit(LOG)
    order = np.lexsort((np.random.default_rng(0).random(len(LOG)), LOG.time_us, LOG.user_row))
    turned = LOG.select(order)
    ends = [np.full(30, one.last_us + 1) for one in (LOG, turned)]
    rows = np.arange(30, dtype=np.int32)
    first, second = (
        one.score(histories(log, rows, end))
        for one, log, end in zip((fitted, small.fit(turned)), (LOG, turned), ends, strict=True)
    )
    assert np.array_equal(first, second)


@pytest.mark.slow
def test_a_saved_model_steps_alike_in_another_process(small: SequenceSettings, tmp_path: Path) -> None:
    fitted = small.fit(LOG)
    folder = tmp_path / "model"
    folder.mkdir()
    fitted.save(folder)
    np.savez(tmp_path / "visits.npz", visits=np.array(visits_of(LOG, 4)))
    command = [sys.executable, "-c", IN_ANOTHER_PROCESS, str(folder), small.name]
    subprocess.run([*command, str(tmp_path / "visits.npz"), str(tmp_path / "found.npz")], check=True)
    found = np.load(tmp_path / "found.npz")
    asked = LOG.history(LOG.users[4], LOG.last_us + 1)
    np.testing.assert_allclose(found["state"], fitted.encode(asked)[0], atol=1e-5)
    np.testing.assert_allclose(found["scores"], fitted.score(asked), atol=1e-4)
