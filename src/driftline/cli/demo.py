"""`driftline demo`: the bundled data, from rows to a page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from driftline.cli.app import app
from driftline.cli.output import console, progress_bar


@app.command()
def demo(
    data: Annotated[
        Literal["online-retail", "movietweetings", "stackexchange-beer"],
        typer.Option("--data", help="Which of the bundled datasets."),
    ] = "online-retail",
    out: Annotated[Path, typer.Option("--out", help="Where data, run and report go.")] = Path("driftline-demo"),
    no_serve: Annotated[  # noqa: ARG001  # the page is a file: there is nothing to serve either way
        bool, typer.Option("--no-serve", help="End when the report is written.")
    ] = False,
) -> None:
    """Learn from bundled data, show where one person's interests are going, and write a report to open in a browser."""
    from driftline.demo import run_demo

    with progress_bar() as progress:
        report = run_demo(out, dataset=data, progress=progress, say=console.print)
    typer.echo(f"report: {report}")
