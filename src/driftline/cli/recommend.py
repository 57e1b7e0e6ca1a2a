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
    new_user: Annotated[bool, typer.Option("--new-user", help="Answer for somebody unknown, too.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Recommend items to a user, each with its reason and what each model brought."""
    from driftline.learning.registry import load_run

    at_us = parse_time(at) if at else None
    run = load_run(folder, at_us)
    moment = run.cutoff_us if at_us is None else at_us
    slate = run.recommender(moment).recommend(
        user, at_us=moment, k=k, exclude=tuple(exclude or ()), where=where, new_user=new_user
    )
    if as_json:
        print_json(slate.as_json())
    else:
        _print(slate)


def _print(slate: Slate) -> None:
    from rich.markup import escape
    from rich.table import Table

    document = slate.as_json()
    note = f" · fallback: {slate.fallback}" if slate.fallback else ""
    title = f"For {slate.user_id} at {document['at']} · model {document.get('model_version', '')}{note}"
    table = Table(title=escape(title), title_justify="left", box=None, pad_edge=False)
    for name in ("", "item", "score", "because", "brought by"):
        table.add_column(name, justify="right" if name in ("", "score") else "left")
    for item in slate.items:
        table.add_row(str(item.position), escape(item.title), f"{item.score:.2f}", escape(item.reason), _arms(item))
    console.print(table)


def _arms(item: SlateItem) -> str:
    best = sorted(item.arms.items(), key=lambda pair: -pair[1])[:3]
    return " · ".join(f"{name} {share:.0%}" for name, share in best)
