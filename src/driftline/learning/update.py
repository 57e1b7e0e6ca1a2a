"""Learn new events without starting again: the next version of a run from the one that answers now."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from driftline.data.more import read_more_events, with_events
from driftline.interest.model import fit_interest_model
from driftline.interest.topic_changes import topic_changes
from driftline.learning.registry import Run, load_run, save_run
from driftline.types import Progress


@dataclass(frozen=True)
class UpdateReport:
    """What an update did: events read and new, the versions before and after, and what became of the topics.

    `topics` is `TopicChanges.as_json` with `since`, the version before; empty where nothing was new.
    """

    read: int
    new: int
    parent: str
    version: str
    topics: Mapping[str, Any] = field(default_factory=dict)


def update_run(folder: Path, events_file: Path, *, progress: Progress | None = None) -> tuple[Run, UpdateReport]:
    """Read more events, move every arm by them, keep the names of topics, and save the next version.

    Events that the run already has are dropped, so the same file twice is one update.
    """
    run = load_run(folder)
    more = read_more_events(events_file, run.dataset)
    if not len(more.log):
        return run, UpdateReport(more.rows, 0, run.version, run.version)
    dataset = with_events(run.dataset, more.log)
    if progress:
        progress(0, 2, "update the models")
    blend = run.blend.update(more.log.positive)
    if progress:
        progress(1, 2, "update the interests")
    seed = int(run.manifest.settings.get("seed", 0))
    interest = fit_interest_model(
        dataset.log.positive, dataset.catalog, order_only=dataset.order_only, previous=run.interest.topics, seed=seed
    )
    changes = {"since": run.version, **topic_changes(run.interest.topics, interest.topics).as_json()}
    manifest = replace(
        run.manifest,
        parent=run.version,
        cutoff_us=dataset.log.last_us + 1,
        shares=blend.shares,
        topic_changes=changes,
    )
    newer = save_run(folder, manifest, dataset, blend, interest)
    return newer, UpdateReport(more.rows, len(more.log), run.version, newer.version, changes)
