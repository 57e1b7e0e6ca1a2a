"""`driftline recommend`: a slate, with reasons."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from driftline.cli.app import app
from driftline.cli.output import console, print_json
from driftline.types import parse_time

if TYPE_CHECKING:
    from driftline.ranking.slate import Slate, SlateItem

CELLS = 6
"""How wide the bar of a share of 1 is."""

MOST_ARMS = 3


@app.command()
def recommend(
    folder: Annotated[Path, typer.Argument(metavar="RUN", help="A run folder.")],
    user: Annotated[str, typer.Option("--user", help="The user's id.")],
    k: Annotated[int, typer.Option("-k", help="How many items.")] = 10,
    at: Annotated[
        str | None, typer.Option("--at", help="As of this time; by default just after the last event.")
    ] = None,
    exclude: Annotated[
        list[str] | None, typer.Option("--exclude", help="An item to leave out; may be repeated.")
    ] = None,
    where: Annotated[str | None, typer.Option("--where", help="A filter, such as 'price < 5'.")] = None,
    horizon: Annotated[
        str | None, typer.Option("--horizon", help="What the user is moving into within 7d, or next-20 events.")
    ] = None,
    diversity: Annotated[
        float, typer.Option("--diversity", help="From 0 (by score alone) to 1 (as unlike each other as can be).")
    ] = 0.0,
    unseen: Annotated[bool, typer.Option("--unseen", help="Leave out what the user had before.")] = False,
    new_user: Annotated[bool, typer.Option("--new-user", help="Answer for somebody unknown, too.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Recommend items to a user, each with its reason and what each model brought."""
    from driftline.learning.registry import load_run

    at_us = None if at is None else parse_time(at)
    run = load_run(folder, at_us)
    moment = run.cutoff_us if at_us is None else at_us
    slate = run.recommender(moment).recommend(
        user,
        at_us=moment,
        k=k,
        exclude=tuple(exclude or ()),
        where=where,
        new_user=new_user,
        diversity=diversity,
        horizon=horizon,
        unseen=unseen,
    )
    if as_json:
        print_json(slate.as_json())
    else:
        _print(slate)


def _print(slate: Slate) -> None:
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    document = slate.as_json()
    console.print(f"[bold]For {escape(slate.user_id)}[/bold] at {document['at']}", soft_wrap=True)
    if slate.fallback:
        console.print(f"nothing is known of this user ({slate.fallback}): what everybody takes", style="yellow")
    if document.get("hindsight"):
        console.print(f"the model has seen events up to {document['model_cutoff']}, after this moment", style="yellow")
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("", justify="right", no_wrap=True)
    table.add_column("item", overflow="fold", ratio=3)
    table.add_column("score", justify="right", no_wrap=True)
    table.add_column("because", overflow="fold", ratio=4)
    table.add_column("brought by", no_wrap=True)
    for item in slate.items:
        table.add_row(str(item.position), escape(item.title), f"{item.score:.2f}", escape(item.reason), _arms(item))
    console.print(
        table
        if slate.items
        else "No item may be shown at this moment: loosen --where, --exclude or --unseen, or ask for a later --at."
    )


def _arms(item: SlateItem) -> str:
    """The arms of the largest shares, a line each, with a bar."""
    best = sorted(item.arms.items(), key=lambda pair: -pair[1])[:MOST_ARMS]
    return "\n".join(f"[cyan]{_bar(share)}[/cyan] {share:4.0%} {name}" for name, share in best)


def _bar(share: float) -> str:
    """A bar of eighths of a cell, at least one where there is a share, padded to its full width.

    >>> _bar(0.5)
    '███   '
    """
    eighths = max(round(share * CELLS * 8), share > 0)
    whole, part = divmod(eighths, 8)
    return ("█" * whole + ("▏▎▍▌▋▊▉"[part - 1] if part else "")).ljust(CELLS)
