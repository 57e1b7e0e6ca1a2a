"""The demo in a terminal: small tables with small bars, from the same values that the page shows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.console import Group
from rich.table import Table
from rich.text import Text

from driftline.console.content import Data, Interval, Population, River, Slate, Topic

N_DATES = 5
BAR = 8
"""Cells of a bar that is full."""
_PARTS = " ▏▎▍▌▋▊▉█"


def bar(share: float, most: float, cells: int = BAR) -> str:
    """A share as a bar of blocks and eighths of blocks; the most is `cells` wide.

    >>> bar(0.25, 0.5, 4)
    '██'
    """
    eighths = round(8 * cells * share / most) if most > 0 else 0
    return "█" * (eighths // 8) + _PARTS[eighths % 8].strip()


def data_report(data: Data) -> Group:
    """What is in the data, and what reading it found."""
    lines = [
        Text(f"{data.users:,} people · {data.items:,} items · {data.events:,} events · {data.first} to {data.last}"),
        Text(f"{data.rows:,} rows read as times in {data.time_unit}, {data.kept:,} kept; repeats: {data.repeats}"),
    ]
    if not data.faults:
        return Group(*lines, Text("nothing in it looked wrong"))
    table = _table(("problem", "left"), ("rows", "right"), ("cleaning", "left"), ("example", "left"))
    for one in data.faults:
        table.add_row(one.code, f"{one.count:,}", Text(one.action), Text(one.example))
    return Group(*lines, table)


def through_the_year(river: River, topics: Sequence[Topic]) -> Group:
    """The strongest interests of one person at a few dates, with bars."""
    places = np.unique(np.linspace(0, len(river.dates) - 1, N_DATES + 1).round().astype(int)[1:])
    curves = [curve for curve in river.curves if curve.topic >= 0]
    curves = sorted(curves, key=lambda curve: -max(curve.share[place] for place in places))
    most = max((curve.share[place] for curve in curves for place in places), default=0.0)
    table = _table(("interest", "left"), *((river.dates[place], "left") for place in places))
    for curve in curves:
        cells = [f"{curve.share[place]:>4.0%} {bar(curve.share[place], most)}" for place in places]
        table.add_row(Text(topics[curve.topic].name), *cells)
    return Group(Text(f"{river.user_id}: {river.rule}"), table)


def ahead(river: River, topics: Sequence[Topic]) -> Table:
    """The forecast at the longest horizon with its 90 % intervals, beside now and what then came."""
    step = river.forecast[-1]
    came = {curve.topic: share for curve, share in zip(river.curves, river.came, strict=False)}
    now = {curve.topic: curve.share[-1] for curve in river.curves}
    table = _table(
        (f"in {step.days:g} days", "left"), ("now", "right"), ("expected", "right"), ("90 %", "right"),
        (f"came ({river.came_events})", "right"),
    )  # fmt: skip
    for one in sorted(step.bands, key=lambda band: (band.topic < 0, -band.share)):
        name = topics[one.topic].name if one.topic >= 0 else "everything else"
        interval = f"{one.low90:.0%} to {one.high90:.0%}"
        table.add_row(
            Text(name), f"{now[one.topic]:.0%}", f"{one.share:.0%}", interval,
            f"{came[one.topic]:.0%}" if one.topic in came else "",
        )  # fmt: skip
    return table


def slate_table(slate: Slate) -> Table:
    """The slate with reasons, the arms that brought each item, and what came of it."""
    table = _table(("", "right"), ("item", "left"), ("because", "left"), ("brought by", "left"), ("later", "left"))
    for place, one in enumerate(slate.items):
        best = sorted(one.arms.items(), key=lambda pair: -pair[1])[:2]
        arms = " · ".join(f"{name} {share:.0%}" for name, share in best)
        later = f"taken {one.taken_on}" if one.taken_on else ""
        table.add_row(str(place + 1), Text(one.title), Text(one.reason), arms, later)
    return table


def moves(population: Population, topics: Sequence[Topic], most: int = 4) -> Table:
    """The topics that rose and fell the most beyond chance, in percentage points of all events."""
    clear = [one for one in population.movements if not one.change.holds_zero]
    ordered = sorted(clear, key=lambda one: -one.change.value)
    shown = ordered if len(ordered) <= 2 * most else [*ordered[:most], *ordered[-most:]]
    table = _table(("people move toward (+) and away from (−)", "left"), ("points", "right"), ("95 %", "right"))
    for one in shown:
        table.add_row(Text(topics[one.topic].name), _points(one.change.value), _between(one.change))
    return table


def _between(one: Interval) -> str:
    return f"{_points(one.low)} to {_points(one.high)}"


def _points(change: float) -> str:
    return f"{100 * change:+.1f}".replace("-", "−")


def _table(*columns: tuple[str, Any]) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for name, justify in columns:
        table.add_column(name, justify=justify)
    return table
