"""`driftline evaluate`: the tables."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from driftline.cli.app import app
from driftline.cli.output import console, print_json, progress_bar, require_writable
from driftline.errors import RequestError, UnknownModelError
from driftline.types import Progress, Size

if TYPE_CHECKING:
    from driftline.data.dataset import Dataset
    from driftline.evaluation.compare import Evaluation
    from driftline.learning.settings import FitSettings

TASKS = ("next-item", "forecast")
HORIZON = "next-20"


@app.command()
def evaluate(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A dataset folder.")],
    protocol: Annotated[
        str | None,
        typer.Option("--protocol", help="global-time (the default where there are times) or last-item, as papers do."),
    ] = None,
    task: Annotated[str, typer.Option("--task", help="What is predicted: next-item or forecast.")] = TASKS[0],
    horizon: Annotated[
        str | None, typer.Option("--horizon", help="With --task forecast: 7d, 28d, next-20 (the default) and so on.")
    ] = None,
    forecasts: Annotated[
        Path | None,
        typer.Option("--forecasts", help="With --task forecast: score this file of driftline forecast --out instead."),
    ] = None,
    models: Annotated[
        str | None, typer.Option("--models", help="Short names with commas between, or all; default: the blend's arms.")
    ] = None,
    seeds: Annotated[str, typer.Option("--seeds", help="How many seeds, or the seeds with commas between.")] = "1",
    tie: Annotated[str, typer.Option("--tie", help="Order within one moment under last-item: file or hash.")] = "file",
    size: Annotated[Size | None, typer.Option("--size", help="How big models are.")] = None,
    minutes: Annotated[float | None, typer.Option("--minutes", help="Stop training models after so long.")] = None,
    config: Annotated[Path | None, typer.Option("--config", help="Settings as TOML.")] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Write the JSON document into a file as well.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Fit models on the past and see how well they foretell what came next, with intervals and paired differences."""
    from driftline.data.reading import read_dataset
    from driftline.learning.settings import read_settings

    _require("--task", task, TASKS)
    _require("--tie", tie, ("file", "hash"))
    if out is not None:
        require_writable(out)
    settings = read_settings(config, size=size, minutes=minutes)
    chosen = read_seeds(seeds, settings.seed)
    if task == "forecast":
        _refuse_with_forecast({"--protocol": protocol, "--models": models})
        if forecasts is None:
            _forecast(folder, HORIZON if horizon is None else horizon, chosen[0], settings.clean, out, as_json=as_json)
        else:
            _written(folder, forecasts, horizon, chosen[0], settings.clean, out, as_json=as_json)
        return
    for option, given in (("--horizon", horizon), ("--forecasts", forecasts)):
        if given is not None:
            raise RequestError(f"expected {option} with --task forecast, got it with --task {task}")
    with progress_bar() as progress:
        dataset = read_dataset(folder, clean=settings.clean)
        protocol = _protocol(dataset, protocol)
        found = _run(dataset, settings, models, protocol, chosen, tie, progress)
    document = found.as_json()
    _write(document, out)
    if as_json:
        print_json(document)
    else:
        _print(found, order_only=dataset.order_only)


def _forecast(folder: Path, horizon: str, seed: int, clean: Any, out: Path | None, *, as_json: bool) -> None:
    """The table of one horizon."""
    from driftline.data.reading import read_dataset
    from driftline.evaluation.forecasting import evaluate_forecast
    from driftline.evaluation.report import forecast_report
    from driftline.interest.horizons import Horizon

    asked = Horizon.parse(horizon)
    found = evaluate_forecast(read_dataset(folder, clean=clean), asked, seed=seed)
    document = found.as_json()
    _write(document, out)
    if as_json:
        print_json(document)
    else:
        console.print(forecast_report(found))


def _written(
    folder: Path, file: Path, horizon: str | None, seed: int, clean: Any, out: Path | None, *, as_json: bool
) -> None:
    """The table of forecasts that were written before."""
    from driftline.data.reading import read_dataset
    from driftline.evaluation.forecast_files import read_forecasts
    from driftline.evaluation.report import written_report
    from driftline.evaluation.written_forecasts import evaluate_written

    forecasts = read_forecasts(file)
    if horizon is not None:
        raise RequestError(
            f"expected no --horizon beside --forecasts, got {horizon}; the file is of {forecasts.horizon}"
        )
    found = evaluate_written(read_dataset(folder, clean=clean), forecasts, seed=seed)
    document = found.as_json()
    _write(document, out)
    if as_json:
        print_json(document)
    else:
        console.print(written_report(found))


def _refuse_with_forecast(given: dict[str, str | None]) -> None:
    """A forecast has a protocol of its own, and all baselines stand in its table."""
    for option, value in given.items():
        if value is not None:
            raise RequestError(f"expected {option} with --task next-item alone, got {value} with --task forecast")


def _write(document: dict[str, Any], out: Path | None) -> None:
    from driftline.data.files import replace_text

    if out is not None:
        replace_text(out, json.dumps(document, ensure_ascii=False, allow_nan=False, indent=2) + "\n")


def read_seeds(text: str, first: int = 0) -> tuple[int, ...]:
    """A count, or a list of seeds where there is a comma.

    >>> read_seeds("3"), read_seeds("7,"), read_seeds("1,2,5")
    ((0, 1, 2), (7,), (1, 2, 5))
    """
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if not parts or not all(part.isdecimal() for part in parts):
        raise RequestError(f"expected --seeds as a count such as 3 or a list such as 0,1,2, got {text!r}")
    numbers = tuple(dict.fromkeys(int(part) for part in parts))
    if "," in text:
        return numbers
    if numbers[0] < 1:
        raise RequestError(f"expected at least one seed, got --seeds {text}")
    return tuple(range(first, first + numbers[0]))


def _protocol(dataset: Dataset, asked: str | None) -> Any:
    """The protocol asked for; by default global-time, or last-item where the data has an order and no times."""
    if asked is None:
        return "last-item" if dataset.order_only else "global-time"
    _require("--protocol", asked, ("last-item", "global-time"))
    return asked


def _run(
    dataset: Dataset,
    settings: FitSettings,
    models: str | None,
    protocol: Any,
    seeds: Sequence[int],
    tie: Any,
    progress: Progress,
) -> Evaluation:
    from driftline.evaluation.compare import evaluate as evaluate_models
    from driftline.learning.names import BLEND, available, choose_arms, floor, make_models

    possible = [name for name in available(dataset) if name != BLEND]
    arms = list(choose_arms(dataset, settings.arms))
    shown = _names(models, [*arms, BLEND], [*possible, BLEND])
    shown += [name for name in floor(dataset) if name not in shown]
    blended = arms if BLEND in shown else []
    fitted = list(dict.fromkeys([name for name in shown if name != BLEND] + blended))
    return evaluate_models(
        dataset,
        make_models(fitted, settings),
        protocol=protocol,
        seeds=seeds,
        blend_arms=blended or None,
        show=shown,
        tie=tie,
        progress=progress,
    )


def _names(asked: str | None, default: list[str], everything: list[str]) -> list[str]:
    """The names of `--models`, each once; UnknownModelError for one that does not exist or that the data rules out."""
    if asked is None or asked.strip() == "all":
        return list(dict.fromkeys(default if asked is None else everything))
    names = list(dict.fromkeys(name.strip() for name in asked.split(",") if name.strip()))
    for name in names:
        if name not in everything:
            raise UnknownModelError(
                f"expected models among {', '.join(everything)} for this dataset, got {name!r}; correct --models"
            )
    if not names:
        raise RequestError(f"expected --models with short names among {', '.join(everything)}, got none")
    return names


def _print(found: Evaluation, *, order_only: bool) -> None:
    from driftline.evaluation.report import print_evaluation

    if order_only:
        console.print("the data has an order and no times: last-item is the protocol for it")
    print_evaluation(found, console)


def _require(option: str, value: str, known: Sequence[str]) -> None:
    if value not in known:
        raise RequestError(f"expected {option} {' or '.join(known)}, got {value!r}")
