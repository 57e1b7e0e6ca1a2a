"""`driftline forecast`: what a user will want within a horizon, with intervals."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from driftline.cli.app import app
from driftline.cli.interests import bar_of
from driftline.cli.output import console, print_json
from driftline.types import parse_time


@app.command()
def forecast(
    folder: Annotated[Path, typer.Argument(metavar="RUN", help="A run folder.")],
    user: Annotated[str, typer.Option("--user", help="The user's id.")],
    horizon: Annotated[str, typer.Option("--horizon", help="How far ahead: 7d, 12h, 2w, or next-20 events.")],
    at: Annotated[
        str | None, typer.Option("--at", help="From this time; by default just after the last event.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Forecast a user's interests: the share of each topic among what comes next, and how sure that is."""
    from driftline.interest.reading import require_user
    from driftline.learning.registry import load_run

    at_us = None if at is None else parse_time(at)
    run = load_run(folder, at_us)
    require_user(run.dataset.log, user)
    moment = run.cutoff_us if at_us is None else at_us
    document = run.interest.forecast(run.dataset.log, user, moment, horizon) | run.provenance(moment)
    if as_json:
        print_json(document)
    else:
        _print(document)


def _print(document: dict[str, Any]) -> None:
    from rich.markup import escape
    from rich.table import Table

    user, count = escape(document["user_id"]), document["expected_events"]
    console.print(
        f"[bold]{user}[/bold] from {document['at']}, {document['horizon']} ahead · intervals for {count} events"
    )
    table = Table(box=None, pad_edge=False)
    table.add_column("topic")
    table.add_column("", no_wrap=True)
    table.add_column("share", justify="right", no_wrap=True)
    table.add_column("90 %", justify="right", no_wrap=True)
    longest = max(one["high"] for one in document["topics"])
    for one in document["topics"]:
        bar = bar_of(one["share"], one["low"], one["high"], longest)
        span = f"{one['low']:.0%} … {one['high']:.0%}"
        table.add_row(escape(one["name"]), bar, f"{one['share']:.1%}", span)
    console.print(table)
    parts = sorted(document["weights"].items(), key=lambda pair: -pair[1])
    console.print("[dim]read from " + " · ".join(f"{name} {weight:.0%}" for name, weight in parts) + "[/dim]")
    if document["fitted"] is None:
        console.print("[yellow]Too little data to fit this horizon: the state itself is the forecast.[/yellow]")
    elif document["fitted"] != document["horizon"]:
        console.print(f"[dim]weights were fitted for {document['fitted']}, the closest horizon[/dim]")
    if document["hindsight"]:
        console.print("[yellow]The model has seen events after this moment.[/yellow]")
