"""`driftline forecast`: what a user will want within a horizon, topics and items, with intervals."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from driftline.cli.app import app
from driftline.cli.interests import bar_of
from driftline.cli.output import console, print_json, require_writable
from driftline.errors import RequestError
from driftline.types import parse_time

if TYPE_CHECKING:
    from driftline.interest.horizons import Horizon
    from driftline.learning.registry import Run


SMALLEST_PART = 0.005
"""Parts of the pool that would be told as 0 % are not told."""


@app.command()
def forecast(
    folder: Annotated[Path, typer.Argument(metavar="RUN", help="A run folder.")],
    horizon: Annotated[str, typer.Option("--horizon", help="How far ahead: 7d, 12h, 2w, or next-20 events.")],
    user: Annotated[str | None, typer.Option("--user", help="The user's id; with --out by default everybody.")] = None,
    at: Annotated[
        str | None, typer.Option("--at", help="From this time; by default just after the last event.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="Write forecasts into this Parquet file, to be scored later by evaluate."),
    ] = None,
    k: Annotated[int, typer.Option("-k", help="How many items.")] = 10,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Forecast a user's interests, each topic's share among what comes next, and the likeliest items, by when."""
    from driftline.interest.horizons import Horizon
    from driftline.interest.reading import require_user
    from driftline.learning.registry import load_run

    if user is None and out is None:
        raise RequestError("expected --user ID, or --out FILE for forecasts of everybody, got neither; add one of them")
    if out is not None:
        require_writable(out)
    asked, at_us = Horizon.parse(horizon), None if at is None else parse_time(at)
    run = load_run(folder, at_us)
    moment = run.cutoff_us if at_us is None else at_us
    if out is not None:
        _write(run, user, moment, asked, out, as_json=as_json)
        return
    require_user(run.dataset.log, user or "")
    document = run.interest.forecast(run.dataset.log, user or "", moment, horizon) | run.provenance(moment)
    document |= run.items_ahead(moment).ask(user or "", at_us=moment, horizon=asked, k=k).as_json()
    if as_json:
        print_json(document)
    else:
        _print(document)


def _write(run: Run, user: str | None, at_us: int, horizon: Horizon, out: Path, *, as_json: bool) -> None:
    """Forecasts of one user or of everybody into a file, and what is in it."""
    from driftline.evaluation.forecast_files import forecast_users, write_forecasts

    model = run.provenance(at_us)
    found = forecast_users(run.interest, run.dataset.log, at_us, horizon, model=model, user_id=user)
    write_forecasts(out, found)
    document = {"out": str(out)} | found.as_json()
    if as_json:
        print_json(document)
        return
    console.print(
        f"{document['users']:,} forecasts over {document['topics']:,} topics, {horizon} from {document['at']}: {out}",
        soft_wrap=True,
    )
    console.print(f"sha256 {document['sha256']}", soft_wrap=True)
    console.print("when that time is over: driftline evaluate DIR --task forecast --forecasts FILE", style="dim")
    if document["hindsight"]:
        console.print("[yellow]The model has seen events after this moment.[/yellow]")


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
    _print_items(document)
    parts = sorted(document["weights"].items(), key=lambda pair: -pair[1])
    parts = [part for part in parts if part[1] >= SMALLEST_PART]
    for note in document["notes"]:
        console.print(note, style="yellow", markup=False)
    console.print("[dim]read from " + " · ".join(f"{name} {weight:.0%}" for name, weight in parts) + "[/dim]")
    if document["fitted"] is None:
        console.print("[yellow]Too little data to fit this horizon: the state itself is the forecast.[/yellow]")
    elif document["fitted"] != document["horizon"]:
        console.print(f"[dim]weights were fitted for {document['fitted']}, the closest horizon[/dim]")
    if document["hindsight"]:
        console.print("[yellow]The model has seen events after this moment.[/yellow]")


def _print_items(document: dict[str, Any]) -> None:
    """The likeliest items with their chances, and by when."""
    from rich.markup import escape
    from rich.table import Table

    if not document["items"]:
        console.print("No item may be had at this moment.")
        return
    console.print(f"{document['any_event']:.0%} that anything comes within {document['horizon']}; the likeliest items:")
    table = Table(box=None, pad_edge=False)
    table.add_column("item", overflow="fold")
    table.add_column("", no_wrap=True)
    table.add_column("chance", justify="right", no_wrap=True)
    table.add_column("90 %", justify="right", no_wrap=True)
    table.add_column("by", no_wrap=True)
    longest = max(one["high"] for one in document["items"])
    for one in document["items"]:
        bar = bar_of(one["chance"], one["low"], one["high"], longest)
        span = f"{one['low']:.1%} … {one['high']:.1%}"
        by = f"event {one['by_event']}" if one["by"] is None else one["by"][:16].replace("T", " ")
        table.add_row(escape(one["title"]), bar, f"{one['chance']:.1%}", span, by)
    console.print(table)
