"""`driftline fit`: learn everything from a dataset folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from driftline.cli.app import app
from driftline.cli.output import console, print_json, progress_bar
from driftline.cli.topic_changes import told
from driftline.types import Size


@app.command()
def fit(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A dataset folder.")],
    out: Annotated[Path, typer.Option("--out", help="The run folder; a run that is there gets a new version.")],
    config: Annotated[Path | None, typer.Option("--config", help="Settings as TOML.")] = None,
    size: Annotated[Size | None, typer.Option("--size", help="How big models are.")] = None,
    minutes: Annotated[float | None, typer.Option("--minutes", help="Stop training models after so long.")] = None,
    arms: Annotated[
        str | None,
        typer.Option(
            "--arms",
            help="Models under the blend, with commas between; repeat comes with them where repeats are allowed.",
        ),
    ] = None,
    seed: Annotated[int | None, typer.Option("--seed", help="Fixes every random draw.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Learn everything from a dataset folder: models and their blend, topics, interests."""
    from driftline.data.reading import read_dataset
    from driftline.learning.fit import fit_run
    from driftline.learning.settings import read_settings

    names = tuple(name.strip() for name in arms.split(",")) if arms is not None else None
    settings = read_settings(config, size=size, minutes=minutes, arms=names, seed=seed)
    with progress_bar() as progress:
        progress(0, 1, f"read {folder}")
        dataset = read_dataset(folder, clean=settings.clean)
        progress(1, 1, f"read {folder}")
        run = fit_run(dataset, out, settings=settings, progress=progress)
    if as_json:
        print_json(_document(run))
    else:
        _print(run)


def _document(run: Any) -> dict[str, Any]:
    from driftline.types import format_time

    log, topics = run.dataset.log, run.interest.topics
    return {
        "run": str(run.folder),
        "version": run.version,
        "cutoff": format_time(run.cutoff_us),
        "users": log.n_users,
        "items": log.n_items,
        "events": len(log),
        "repeats": run.dataset.repeats,
        "shares": dict(run.manifest.shares),
        "skipped": dict(run.manifest.skipped),
        "topics": [str(name) for name in topics.names],
        "topic_list": topics.as_json(),
        "hierarchy": topics.hierarchy.source,
        "groups": topics.hierarchy.groups_json(),
        "topic_changes": run.manifest.topic_changes,
        "seconds": dict(run.manifest.seconds),
    }


def _print(run: Any) -> None:
    log = run.dataset.log
    console.print(f"fitted on {len(log):,} events of {log.n_users:,} users and {log.n_items:,} items")
    shares = sorted(run.manifest.shares.items(), key=lambda pair: -pair[1])
    console.print("blend: " + " · ".join(f"{name} {share:.0%}" for name, share in shares))
    for name, why in run.manifest.skipped.items():
        console.print(f"left out: {name} ({why})")
    topics = run.interest.topics
    console.print(f"interests: {topics.hierarchy.told(len(topics))}")
    for line in told(run.manifest.topic_changes) if run.manifest.topic_changes else ():
        console.print(line, markup=False)
    console.print(f"run: {run.folder} version {run.version}", soft_wrap=True)
