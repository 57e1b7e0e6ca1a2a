"""What a forecast says in words: whose mix it is closer to, and when it looks further than anything that is known."""

from __future__ import annotations

import numpy as np
import pytest

from driftline.interest.horizons import Horizon
from driftline.interest.notes import forecast_notes, led_by
from driftline.types import US_PER_DAY

EVEN = np.array([0.5, 0.3, 0.2])


def test_a_forecast_is_led_by_the_mix_that_it_is_closer_to():
    own = np.array([0.0, 0.0, 7.0])
    assert led_by(EVEN, own, EVEN) == "everybody"
    assert led_by(own / 7, own, EVEN) == "own history"
    nearer = 0.6 * own / 7 + 0.4 * EVEN
    assert led_by(nearer, own, EVEN) == "own history"
    assert led_by(0.4 * own / 7 + 0.6 * EVEN, own, EVEN) == "everybody"


def test_without_anything_of_ones_own_everybody_leads():
    assert led_by(np.array([1.0, 0.0, 0.0]), np.zeros(3), EVEN) == "everybody"


@pytest.mark.parametrize(
    ("n_events", "led", "said"),
    [
        (0, "everybody", ["no events before this moment: what everybody wants"]),
        (1, "everybody", ["1 event before this moment: led by what everybody wants"]),
        (1, "own history", ["1 event before this moment: all that is known of this user"]),
        (1200, "everybody", ["1,200 events before this moment: led by what everybody wants"]),
        (9, "own history", []),
    ],
)
def test_the_length_of_the_history_is_said_where_it_matters(n_events, led, said, log_of):
    log = log_of([("u", "a", 0), ("u", "b", 30)])
    assert forecast_notes(log, 31 * US_PER_DAY, Horizon(days=7.0), n_events, led) == said


def test_what_is_known_is_counted_up_to_the_moment_alone(log_of):
    """Ten days of history at day 10, whatever the log holds later; two events of the busiest user."""
    log = log_of([("u", "a", 0), ("u", "b", 4), ("v", "a", 9), ("u", "a", 90), ("u", "b", 91)])
    at = 10 * US_PER_DAY
    assert forecast_notes(log, at, Horizon(days=10.0), 9, "own history") == []
    assert forecast_notes(log, at, Horizon(days=11.0), 9, "own history") == [
        "11d looks further ahead than the 10.0 days that are known"
    ]
    assert forecast_notes(log, at, Horizon(events=2), 9, "own history") == []
    assert forecast_notes(log, at, Horizon(events=3), 9, "own history") == [
        "next-3 looks further than the longest history, 2 events"
    ]
    assert forecast_notes(log, 0, Horizon(events=3), 9, "own history") == []
