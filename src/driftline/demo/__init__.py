"""The demo: the bundled data from rows to a page, in one command.

Everything about one person is shown as of the cutoff of the evaluation: models and interests have seen nothing later,
so the forecast and the slate can be held against what then came. After that the same models, with the choices that
validation made, are fitted on everything and kept as a run for the other commands.
"""

from __future__ import annotations

import shlex
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.text import Text

from driftline import __version__
from driftline.console.content import Data, Report, River
from driftline.console.report import write_report
from driftline.data.bundled import prepare_bundled
from driftline.data.dataset import Dataset, detect_repeats
from driftline.data.reading import read_dataset
from driftline.demo import pages, telling
from driftline.demo.person import choose_person, river
from driftline.demo.population import population
from driftline.errors import NotEnoughDataError, RequestError
from driftline.evaluation.compare import Evaluation, evaluate
from driftline.evaluation.report import report as evaluation_report
from driftline.interest.model import InterestModel, fit_interest_model
from driftline.learning.names import BLEND, choose_arms, make_models
from driftline.learning.registry import VERSIONS, Manifest, Run, save_run
from driftline.ranking.blend import FittedBlend
from driftline.ranking.recommender import Recommender
from driftline.ranking.training import Trained
from driftline.types import Progress, parse_time

TITLES = {
    "online-retail": "Online Retail",
    "movietweetings": "MovieTweetings",
    "stackexchange-beer": "Stack Exchange Beer",
}
"""The datasets that the demo can show."""

SHOWN = ("popularity", "popularity-7d", "cooccurrence", "als", "gru", "evolution")
"""The models of the table, beside the blend."""
SLATE = 10

Say = Callable[[Any], None]


@dataclass(frozen=True, eq=False)
class _Measured:
    """The evaluation with the models behind it, and the moment at which they stand."""

    evaluation: Evaluation
    blend: FittedBlend
    cutoff_us: int


def run_demo(out: Path, *, dataset: str = "online-retail", progress: Progress | None = None, say: Say = print) -> Path:
    """Prepare, read, evaluate, show one person, keep a run, write the page; the path of the page.

    Writes `data/`, `run/` and `report.html` into `out`, over what an earlier demo left there.
    """
    if dataset not in TITLES:
        raise RequestError(f"expected --data out of {', '.join(TITLES)}, got {dataset!r}")
    step = Steps(say)
    step(f"Reading {TITLES[dataset]}")
    folder = prepare_bundled(dataset, out / "data", overwrite=True)
    return show(folder, out, title=TITLES[dataset], progress=progress, step=step)


def show(folder: Path, out: Path, *, title: str, step: Steps, progress: Progress | None = None) -> Path:
    """The demo of any dataset folder whose events have times."""
    data = read_dataset(folder)
    repeats = data.repeats or detect_repeats(data.log.positive)
    shown = pages.data_of(data, repeats, folder, title)
    step.say(telling.data_report(shown))
    measured = _measure(data, progress, step)
    report, interest = _found(data, shown, measured, step)
    step("Fitting the same models on everything, for the other commands")
    run = _keep(data, measured, interest, out / "run", progress)
    step.say(Text(f"run: {run.folder} version {run.version}"))
    commands = _commands(run.folder, report.river) if report.river else ()
    return write_report(replace(report, commands=commands, seconds=step.seconds), out / "report.html")


class Steps:
    """Says what is being done, numbered, with the time since the beginning."""

    def __init__(self, say: Say) -> None:
        self.say, self._began, self._number = say, time.perf_counter(), 0

    @property
    def seconds(self) -> float:
        """Seconds since the beginning."""
        return time.perf_counter() - self._began

    def __call__(self, what: str) -> None:
        """Announce the next step."""
        self._number += 1
        self.say(Text(f"\n{self._number}. {what}  [{self.seconds:.0f} s]", style="bold"))


def _measure(data: Dataset, progress: Progress | None, step: Steps) -> _Measured:
    """Fit on what is before the cutoff, ask what came after, and keep the models."""
    step("Fitting models on the past and asking them what came next")
    arms = choose_arms(data)
    kept: list[Trained] = []
    evaluation = evaluate(
        data,
        make_models(list(dict.fromkeys([*SHOWN, *arms]))),
        blend_arms=arms,
        show=[*SHOWN, BLEND],
        watch=kept.append,
        progress=progress,
    )
    step.say(evaluation_report(evaluation))
    blend = kept[0].blend
    if blend is None:
        raise NotEnoughDataError("expected data enough to blend models, got too little; bring more events")
    return _Measured(evaluation, blend, parse_time(str(evaluation.data["cutoff"])))


def _found(data: Dataset, shown: Data, measured: _Measured, step: Steps) -> tuple[Report, InterestModel]:
    """Everything on the page but the commands, told on the way."""
    step("Reading interests as of the cutoff")
    log, cutoff_us = data.log.positive, measured.cutoff_us
    before = log.before(cutoff_us)
    interest = fit_interest_model(before, data.catalog)
    topics = pages.topics_of(interest.topics, data.catalog)
    person = choose_person(log, interest.topics, cutoff_us)
    flow = river(person, log, data.catalog, interest, cutoff_us)
    step.say(telling.through_the_year(flow, topics))
    step.say(telling.ahead(flow, topics))
    step(f"Recommending to {person.user_id} as of the cutoff")
    recommender = Recommender(before, data.catalog, measured.blend, measured.evaluation.questions.repeats)
    recommended = recommender.recommend(person.user_id, at_us=cutoff_us, k=SLATE)
    slate = pages.slate_of(recommended, log, interest.topics, data.catalog)
    step.say(telling.slate_table(slate))
    step("Looking at everybody")
    everybody = population(data, interest.topics)
    if everybody:
        step.say(telling.moves(everybody, topics))
    models = pages.models_of(measured.evaluation)
    return Report(shown, topics, __version__, 0.0, flow, slate, models, everybody), interest


def _keep(data: Dataset, measured: _Measured, interest: InterestModel, folder: Path, progress: Progress | None) -> Run:
    """Fit the blend with the choices of validation on everything, and save it as a run that starts anew."""
    log = data.log.positive
    fitted = measured.blend.settled().fit(log, catalog=data.catalog, progress=progress)
    if not isinstance(fitted, FittedBlend):
        raise TypeError(f"a settled blend was fitted as {type(fitted).__name__}")
    blend = replace(fitted, shares=measured.blend.shares, dropped=measured.blend.dropped)
    newer = fit_interest_model(log, data.catalog, previous=interest.topics)
    evaluation = measured.evaluation
    manifest = Manifest(
        version="",
        cutoff_us=data.log.last_us + 1,
        fingerprint="",
        shares=blend.shares,
        skipped={**evaluation.skipped, **evaluation.dropped},
        seconds=evaluation.fit_seconds,
    )
    if (folder / VERSIONS).is_dir():
        shutil.rmtree(folder)
    return save_run(folder, manifest, data, blend, newer)


def _commands(run: Path, flow: River) -> tuple[str, ...]:
    """What can be asked of the run next, as shell lines."""
    place, user = shlex.quote(str(run)), shlex.quote(flow.user_id)
    return (
        f"driftline interests {place} --user {user} --at {flow.now}",
        f"driftline forecast {place} --user {user} --horizon {flow.forecast[-1].days:g}d",
        f"driftline recommend {place} --user {user} -k 10",
    )
