"""The terminal tells what is beyond chance, the most first."""

from __future__ import annotations

import io

from rich.console import Console

from driftline.console.content import OTHER, Band, Curve, Horizon, Interval, Movement, Population, River, Topic
from driftline.demo import telling

TOPICS = (Topic("Kitchen"), Topic("Garden"), Topic("Paper"), Topic("Toys"))


def lines(shown: object) -> list[str]:
    """What is printed, without the head of the table and empty lines."""
    out = io.StringIO()
    Console(file=out, width=120).print(shown)
    return [line.strip() for line in out.getvalue().splitlines() if line.strip()][2:]


def everybody(*changes: tuple[float, float, float]) -> Population:
    movements = tuple(Movement(topic, (), Interval(*change)) for topic, change in enumerate(changes))
    return Population((), 7, ("", ""), ("", ""), movements)


def test_only_movements_beyond_chance_are_told_and_the_largest_rise_comes_first():
    """Garden's interval holds 0; Paper rose more than Kitchen, and Toys fell."""
    rows = lines(
        telling.moves(everybody((0.02, 0.01, 0.03), (0.5, -0.1, 0.9), (0.1, 0.05, 0.2), (-0.1, -0.2, -0.05)), TOPICS)
    )
    assert [row.split()[0] for row in rows] == ["Paper", "Kitchen", "Toys"]
    assert rows[2].split()[1:] == ["−10.0", "−20.0", "to", "−5.0"]


def test_of_many_movements_the_largest_rises_and_falls_are_told():
    rows = lines(telling.moves(everybody(*((share, share, share) for share in (0.1, 0.2, -0.3, -0.4))), TOPICS, most=1))
    assert [row.split()[0] for row in rows] == ["Garden", "Toys"]


def test_a_forecast_is_told_from_the_largest_share_to_the_smallest_and_the_rest_last():
    """Half is everything else; Garden is expected to have more than Kitchen, whichever stood first in the river."""
    shares = ((0, 0.2), (1, 0.3), (OTHER, 0.5))
    bands = tuple(Band(topic, share, share, share, 0.0, 1.0) for topic, share in shares)
    curves = tuple(Curve(topic, (1.0,), (now,), (0.0,), (1.0,)) for topic, now in ((0, 0.6), (1, 0.3), (OTHER, 0.1)))
    flow = River("u", "", "", ("2020-01-01",), curves, (), (Horizon(7, bands),), (0.25, 0.75, 0.0), 4)
    assert [row.split() for row in lines(telling.ahead(flow, TOPICS))] == [
        ["Garden", "30%", "30%", "0%", "to", "100%", "75%"],
        ["Kitchen", "60%", "20%", "0%", "to", "100%", "25%"],
        ["everything", "else", "10%", "50%", "0%", "to", "100%", "0%"],
    ]
