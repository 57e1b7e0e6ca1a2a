"""`driftline update`: learn new events into a run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from driftline.cli.app import app
from driftline.cli.output import console, print_json, progress_bar
from driftline.cli.topic_changes import told


@app.command()
def update(
    folder: Annotated[Path, typer.Argument(metavar="RUN", help="A run folder.")],
    events: Annotated[Path, typer.Option("--events", help="A file of events: parquet, csv, csv.gz or jsonl.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Learn new events into a run as its next version; events that it already has are left out."""
    from driftline.learning.update import update_run

    with progress_bar() as progress:
        run, report = update_run(folder, events, progress=progress)
    if as_json:
        print_json(
            {
                "run": str(folder),
                "version": report.version,
                "parent": report.parent,
                "read": report.read,
                "new": report.new,
                "events": len(run.dataset.log),
                "topic_changes": dict(report.topics) or None,
            }
        )
    elif report.new:
        console.print(f"{report.new:,} new events of {report.read:,} read")
        for line in told(report.topics):
            console.print(line, markup=False)
        console.print(f"run: {folder} version {report.version} (was {report.parent})", soft_wrap=True)
    else:
        console.print(f"nothing new in {report.read:,} events read; version {report.version} still answers")
