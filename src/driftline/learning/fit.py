"""Learn everything from a dataset and keep it: the blend with its arms, topics, dynamics, forecasts."""

from __future__ import annotations

import shutil
from pathlib import Path

from driftline.data.dataset import Dataset
from driftline.data.split import production_fold
from driftline.errors import NotEnoughDataError
from driftline.interest.model import fit_interest_model
from driftline.interest.topic_changes import topic_changes
from driftline.learning.names import BLEND, choose_arms, make_models
from driftline.learning.registry import UNFINISHED, Manifest, Run, require_run_or_nothing, save_run, topics_before
from driftline.learning.settings import FitSettings
from driftline.ranking.blend import FittedBlend
from driftline.ranking.training import train
from driftline.types import Progress


def fit_run(
    dataset: Dataset, folder: Path, *, settings: FitSettings | None = None, progress: Progress | None = None
) -> Run:
    """Fit on everything up to the last event and save it as a new version of RUN.

    Choices (epochs, decays, weights) are made on a validation slice inside the log, then all is fitted again on the
    whole log. Where RUN holds a version fitted on the same data, topics that were learned keep its ids and names, and
    the manifest says what became of each. A fit that was killed, asked for again, goes on from the last epoch of the
    model that it was training. NotEnoughDataError where the log has no positive event.
    """
    require_run_or_nothing(folder)
    settings = settings or FitSettings()
    if not len(dataset.log.positive):
        raise NotEnoughDataError(
            "expected at least one event that is a sign of interest, got none; see driftline check"
        )
    fold = production_fold(dataset)
    arms = choose_arms(dataset, settings.arms)
    unfinished = folder / UNFINISHED
    models = make_models(arms, settings, checkpoints=unfinished)
    trained = train(
        models,
        fold,
        catalog=dataset.catalog,
        blend_arms=list(models),
        ahead=True,
        dated=not dataset.order_only,
        seed=settings.seed,
        progress=progress,
    )
    blend = trained.fitted[BLEND]
    if not isinstance(blend, FittedBlend):
        raise TypeError(f"training returned {type(blend).__name__} as the blend")
    before = topics_before(folder, dataset.name)
    interest = fit_interest_model(
        fold.train,
        dataset.catalog,
        order_only=dataset.order_only,
        previous=before.topics if before else None,
        seed=settings.seed,
    )
    changes = {"since": before.version, **topic_changes(before.topics, interest.topics).as_json()} if before else None
    manifest = Manifest(
        version="",
        cutoff_us=dataset.log.last_us + 1,
        fingerprint="",
        settings=settings.model_dump(mode="json"),
        shares=blend.shares,
        skipped={**trained.skipped, **blend.dropped},
        seconds=trained.seconds,
        topic_changes=changes,
        expected=[one.as_json() for one in trained.expected],
    )
    run = save_run(folder, manifest, dataset, blend, interest)
    shutil.rmtree(unfinished, ignore_errors=True)
    return run
