"""`python -m benchmarks.ours JOB`: Driftline's models under the contract of the peers, one line of JSON.

The `part` of a job says which:

- `pass`: fitted with one epoch and with more; the difference is the passes, so that starting vectors, compiling and
  choosing formats are left out for us as the first batch is for the others;
- `once`: fitted once, everything counted, on all events;
- `ranks`: fitted as `driftline evaluate` does it, and the ranks of the last-item test written to `out`.
"""

from __future__ import annotations

import time
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

import driftline
from benchmarks.peers.meter import Job, tell
from benchmarks.questions import real_targets
from driftline.data.dataset import Dataset
from driftline.data.events import EventLog
from driftline.data.reading import read_dataset
from driftline.data.split import last_item_fold
from driftline.learning.names import BLEND, choose_arms, make_model, make_models
from driftline.metrics.ranks import target_ranks
from driftline.ranking.training import train

MOST_PASSES = 5


def main() -> None:
    job = Job.read()
    dataset = read_dataset(Path(job.data))
    read = time.process_time()
    found = {"pass": passed, "once": once, "ranks": ranked}[job.part](job, dataset)
    tell(f"Driftline {job.model}", driftline.__version__, read_cpu_seconds=read, **found)


def passed(job: Job, dataset: Dataset) -> dict[str, Any]:
    """The cost of one pass over the training part: a fit of several epochs less a fit of one, for each epoch more.

    As many as fit into the job's time, five at most: the longer the difference, the less noise weighs.
    """
    log = last_item_fold(dataset).train
    one, one_wall = fitted(job, log, epochs=1)
    more = max(1, min(MOST_PASSES, int(job.cpu_seconds // one)))
    all_, all_wall = fitted(job, log, epochs=1 + more)
    return {
        "pass_cpu_seconds": (all_ - one) / more,
        "pass_seconds": (all_wall - one_wall) / more,
        "passes": more,
        "first_cpu_seconds": one,
    }


def once(job: Job, dataset: Dataset) -> dict[str, Any]:
    """The cost of a fit of one epoch on all events, with the sizes."""
    log = dataset.log.positive
    seconds, _ = fitted(job, log, epochs=1)
    users, items = len(np.unique(log.user_row)), int((log.item_counts() > 0).sum())
    return {"train_cpu_seconds": seconds, "targets": real_targets(log), "users": users, "items": items}


def fitted(job: Job, log: EventLog, *, epochs: int) -> tuple[float, float]:
    """Fit with so many epochs: (CPU-seconds, seconds)."""
    known = {field.name for field in fields(make_model(job.model))}  # type: ignore[arg-type]
    settings = {"max_length": job.max_length, **job.settings, "epochs": epochs}
    model = make_model(job.model, given={name: value for name, value in settings.items() if name in known})
    cpu, wall = time.process_time(), time.perf_counter()
    model.fit(log, seed=job.seed)
    return time.process_time() - cpu, time.perf_counter() - wall


def ranked(job: Job, dataset: Dataset) -> dict[str, Any]:
    """Fit a model, or the blend over its default arms, and write the ranks of the test targets."""
    fold = last_item_fold(dataset)
    arms = list(choose_arms(dataset)) if job.model == BLEND else []
    models = make_models(arms or [job.model])
    began = time.process_time()
    trained = train(models, fold, catalog=dataset.catalog, blend_arms=arms or None, seed=job.seed)
    seconds = time.process_time() - began
    np.save(job.out or "", target_ranks(trained.fitted[job.model].score, fold.test), allow_pickle=False)
    return {"train_cpu_seconds": seconds}


if __name__ == "__main__":
    main()
