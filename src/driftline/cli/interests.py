"""`driftline interests`: what a user wants at a moment, named, with strength, uncertainty and trend."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from driftline.cli.app import app
from driftline.cli.output import console, print_json
from driftline.errors import RequestError
from driftline.types import parse_duration, parse_time

if TYPE_CHECKING:
    from driftline.data.catalog import Catalog

WIDTH, NARROW_WIDTH = 24, 12
"""Characters of a bar for the strongest interval, on a wide and on a narrow screen."""
WIDE = 120
MOST_BELOW = 4
MOST_MOVING = 8
"""Topics that rose the most, and as many that fell the most, that fit on a screen."""


@app.command()
def interests(
    folder: Annotated[Path, typer.Argument(metavar="RUN", help="A run folder.")],
    user: Annotated[str | None, typer.Option("--user", help="The user's id.")] = None,
    population: Annotated[
        bool, typer.Option("--population", help="Everybody instead: topics that rise and fall, and who moves where.")
    ] = False,
    window: Annotated[
        str | None,
        typer.Option("--window", help="With --population: the length of the spans compared, such as 28d."),
    ] = None,
    at: Annotated[
        str | None, typer.Option("--at", help="As of this time; by default just after the last event.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Show a user's interests: how strong, how sure, where they are going, and the user's own items behind each.

    With --population, everybody's: which topics rise and fall, and from which to which people move.
    """
    from driftline.interest.reading import require_user
    from driftline.learning.registry import load_run

    if population == (user is not None) or (window is not None and not population):
        raise RequestError("expected --user ID, or --population [--window 28d]; give one of the two")
    at_us = None if at is None else parse_time(at)
    window_us = None if window is None else parse_duration(window)
    run = load_run(folder, at_us)
    moment = run.cutoff_us if at_us is None else at_us
    if user is None:
        document = run.interest.population(run.dataset.log, moment, window_us=window_us) | run.provenance(moment)
        print_json(document) if as_json else _print_population(document)
        return
    require_user(run.dataset.log, user)
    told = run.interest.interests(run.dataset.log, user, moment, catalog=run.dataset.catalog)
    document = told | run.provenance(moment)
    if as_json:
        print_json(document)
    else:
        _print(document, run.dataset.catalog)


def _print(document: dict[str, Any], catalog: Catalog) -> None:
    from rich.markup import escape

    seen = f"{document['n_events']:,} events" if document["n_events"] else "no events yet: what everybody wants"
    console.print(f"[bold]{escape(document['user_id'])}[/bold] at {document['at']} · {seen}")
    over = "30 events" if "events" in document["half_lives"]["topics"] else "30 days"
    console.print(_table(document["topics"], over, catalog))
    if console.width < WIDE:
        for one in document["topics"][:MOST_BELOW]:
            console.print(f"[dim]{escape(one['name'])}[/dim]  {_titles(one, catalog)}")
    sentence = escape(document["change"]["sentence"])
    for term, words in (("short_term", "just now"), ("long_term", "lasting")):
        names = " · ".join(f"{escape(one['name'])} {one['strength']:.0%}" for one in document[term][:3])
        console.print(f"[dim]{words} ({document['half_lives'][term]})[/dim]  {names}")
    console.print(f"[bold]{sentence}[/bold]" if document["change"]["changed"] else f"[dim]{sentence}[/dim]")
    without = f" · {document['without_topic']:.0%} of events have no topic" if document["without_topic"] else ""
    console.print(
        f"[dim]half-life {document['half_lives']['topics']} · model {document['model_version']}{without}[/dim]"
    )
    if document["hindsight"]:
        console.print("[yellow]The model has seen events after this moment.[/yellow]")


def _table(topics: list[dict[str, Any]], over: str, catalog: Catalog) -> Any:
    """One row per topic; its group and the items behind it stand in the last columns of a wide screen, else below."""
    from rich.markup import escape
    from rich.table import Table

    wide = console.width >= WIDE
    width = WIDTH if wide else NARROW_WIDTH
    table = Table(box=None, pad_edge=False)
    table.add_column("interest", overflow="ellipsis", no_wrap=True, max_width=32 if wide else 23)
    table.add_column("", no_wrap=True, min_width=width)
    for name, least in (("strength", 8), ("90 %", 10), (over, 7)):
        table.add_column(name, justify="right", no_wrap=True, min_width=least)
    table.add_column("", no_wrap=True, min_width=8)
    grouped = wide and any(one["group"] for one in topics)
    if grouped:
        table.add_column("group", overflow="ellipsis", no_wrap=True, max_width=24)
    if wide:
        table.add_column("because of", overflow="ellipsis", no_wrap=True)
    longest = max((one["high"] for one in topics), default=1.0)
    for one in topics:
        bar = bar_of(one["strength"], one["low"], one["high"], longest, width)
        span = f"{one['low']:.0%} … {one['high']:.0%}"
        cells = (escape(one["name"]), bar, f"{one['strength']:.1%}", span, trend_words(one["trend"]), one["lifecycle"])
        group = [escape(one["group"] or "")] if grouped else []
        table.add_row(*cells, *group, *([_titles(one, catalog)] if wide else []))
    return table


def _print_population(document: dict[str, Any]) -> None:
    """The topics that moved, by how much they rose, and the flows between them."""
    from rich.markup import escape
    from rich.table import Table

    spans = [f"{document[name]['from'][:10]} … {document[name]['to'][:10]}" for name in ("before", "recent")]
    console.print(f"{document['users']:,} people, {spans[1]} against {spans[0]}")
    table = Table(box=None, pad_edge=False)
    for name in ("interest", "before", "after", "points", "95 %", ""):
        table.add_column(name, justify="left" if name in ("interest", "") else "right", no_wrap=True)
    moving = [one for one in document["topics"] if one["direction"] != "steady"]
    shown = moving if len(moving) <= 2 * MOST_MOVING else [*moving[:MOST_MOVING], *moving[-MOST_MOVING:]]
    for one in shown:
        span = f"{100 * one['low']:+.1f} … {100 * one['high']:+.1f}"
        shares = (f"{one['before']:.1%}", f"{one['after']:.1%}", f"{100 * one['change']:+.1f}")
        table.add_row(escape(one["name"]), *shares, span, one["direction"])
    console.print(table)
    console.print(f"[dim]{len(document['topics']) - len(moving)} topics stay as they are, within chance[/dim]")
    for one in document["flows"]:
        span = f"{100 * one['low']:.2f} … {100 * one['high']:.2f}"
        console.print(
            f"{escape(one['from_name'])} → {escape(one['to_name'])}  {100 * one['share']:.2f} points ({span})"
        )
    if not document["flows"]:
        console.print(f"[dim]No flow between topics is beyond chance ({document['flow_users']:,} people)[/dim]")
    if document["too_few"]:
        console.print(f"[dim]{document['too_few']} topics have too few people to be told[/dim]")
    if document["hindsight"]:
        console.print("[yellow]The model has seen events after this moment.[/yellow]")


def _titles(topic: dict[str, Any], catalog: Catalog) -> str:
    from rich.markup import escape

    return ", ".join(escape(catalog.label(catalog.items.row(item)).strip()) for item in topic["evidence"])


def bar_of(value: float, low: float, high: float, longest: float, width: int = WIDTH) -> str:
    """A bar up to `value`, dark up to `low`, with the rest of the interval as a line; `longest` fills the width.

    >>> bar_of(0.5, 0.25, 1.0, 1.0, 8)
    '██▓▓────'
    """
    low_at, at, high_at = (round(width * min(one / max(longest, 1e-9), 1)) for one in (low, value, high))
    return ("█" * low_at + "▓" * (at - low_at) + "─" * (high_at - at)).ljust(width)


def trend_words(trend: float) -> str:
    """An arrow with the change in points where one is certain.

    >>> trend_words(0.031), trend_words(-0.002), trend_words(0.0)
    ('↑ +3.1', '↓ -0.2', '→')
    """
    if trend == 0:
        return "→"
    return f"{'↑' if trend > 0 else '↓'} {100 * trend:+.1f}"
