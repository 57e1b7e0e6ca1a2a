"""`driftline check`: what is in a dataset folder, what is wrong with it, and what cleaning does about it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from driftline.cli.app import app
from driftline.cli.output import console, print_json, progress_bar


@app.command()
def check(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A dataset folder.")],
    clean: Annotated[
        Literal["default", "strict"],
        typer.Option("--clean", help="strict also drops robots, near duplicates and double clicks."),
    ] = "default",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Say what is in a dataset, what is wrong with it, and what cleaning drops and why."""
    from driftline.data.reading import read_dataset
    from driftline.data.summary import summarise

    with progress_bar() as progress:
        progress(0, 2, f"read {folder}")
        dataset = read_dataset(folder, clean=clean)
        progress(1, 2, f"read {folder}")
        document = summarise(dataset)
        progress(2, 2, f"read {folder}")
    if as_json:
        print_json(document)
    else:
        _print(document, clean)


def _print(document: dict[str, Any], clean: str) -> None:
    from rich.markup import escape

    dropped = document["rows"] - document["kept"]
    console.print(f"[bold]{escape(document['name'])}[/bold]")
    console.print(_facts(document))
    console.print()
    if document["problems"]:
        console.print(_problems(document["problems"]))
    else:
        console.print("No problems found.")
    console.print(f"Cleaning ({clean}) keeps {document['kept']:,} of {document['rows']:,} rows and drops {dropped:,}.")


def _facts(document: dict[str, Any]) -> Any:
    from rich.markup import escape
    from rich.table import Table

    time, repeats, topics, history = (document[key] for key in ("time", "repeats", "topics", "history"))
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim")
    table.add_column()
    table.add_row("events", f"{document['kept']:,} of {document['rows']:,} rows")
    table.add_row("users", f"{document['users']:,} (median {history['median']:g} events, most {history['longest']:,})")
    table.add_row("items", f"{document['items']:,} ({topics['listed_items']:,} in the items table)")
    table.add_row("time", f"{time['first']} … {time['last']} (read as {escape(time['unit'])})")
    table.add_row("moments", f"{history['events_per_moment']:.1f} events at one time of one user")
    for name, kind in document["kinds"].items():
        role = "target" if kind["target"] else "not a target"
        table.add_row("kind", f"{escape(name)}: {kind['count']:,} (weight {kind['weight']:g}, {role})")
    origin = "from dataset.toml" if repeats["declared"] else "detected"
    table.add_row("repeats", f"{repeats['share']:.1%} of events; {repeats['rule']} ({origin})")
    share = f"{topics['count']:,}; {topics['share_of_events']:.1%} of events have one"
    table.add_row("topics", share if topics["count"] else "none in the items table")
    for name, rows in document["tables"].items():
        table.add_row("table", f"{name}: {rows:,} rows")
    return table


def _problems(problems: list[dict[str, Any]]) -> Any:
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("problem", no_wrap=True)
    table.add_column("count", justify="right", no_wrap=True)
    table.add_column("cleaning", max_width=36)
    table.add_column("example", overflow="fold")
    for one in problems:
        colour = "yellow" if one["action"] == "dropped" else "default"
        count, action = f"{one['count']:,}", escape(one["action"])
        table.add_row(f"[{colour}]{one['code']}[/]", count, action, escape(one["example"]))
    return table
