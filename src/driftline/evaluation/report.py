"""An evaluation as tables and lines that a person likes to read."""

from __future__ import annotations

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from driftline.evaluation.compare import Evaluation
from driftline.evaluation.figures import COVERAGE, DIVERSITY, NOVELTY, Figures
from driftline.evaluation.forecasting import LEAST_PAIRS, LEAST_USERS, ForecastEvaluation
from driftline.evaluation.written_forecasts import WrittenEvaluation
from driftline.metrics.bootstrap import Estimate
from driftline.types import format_time

SORT_BY = "ndcg@10"
ACCURACY = ("ndcg@10", "hr@10", "hr@20", "mrr@20")
BESIDE = (COVERAGE, NOVELTY, DIVERSITY)
FEW_USERS = 30
"""Below this a bootstrap over users is too narrow to be believed, and the report says so."""

TIED = "≈"
"""Stands before a model whose paired difference to the best has an interval that holds 0."""


def print_evaluation(evaluation: Evaluation, console: Console) -> None:
    """Print what was asked, the table of models, warm and cold items, and what the differences are worth."""
    console.print(report(evaluation))


def report(evaluation: Evaluation) -> RenderableType:
    """The whole report; tables stand under lines that say what they are about."""
    parts: list[RenderableType] = [Text(line) for line in what_was_asked(evaluation)]
    parts += [Text(), model_table(evaluation), Text(), second_table(evaluation), Text()]
    parts += [Text(line) for line in what_it_means(evaluation)]
    return Group(*parts)


def what_was_asked(evaluation: Evaluation) -> list[str]:
    """Lines on the data, the protocol and the questions."""
    data, asked = evaluation.data, evaluation.questions
    since = f" from {data['cutoff']}" if data["cutoff"] else ""
    lines = [
        f"{data['name']}: {data['users']:,} users, {data['items']:,} items, {data['events']:,} events",
        f"{evaluation.task} by {evaluation.protocol}{since}; {data['train_events']:,} events train",
        f"targets: {asked.targets:,}, of warm items {asked.warm_targets:,}, of cold items {asked.cold_targets:,}",
        f"users asked: {asked.users:,}, with earlier events {asked.warm_users:,}, without {asked.cold_users:,}",
        _repeats_line(evaluation),
    ]
    if asked.repeats == "exclude":
        lines.append(f"masked: {asked.masked:,} targets stand in their own history, a miss for all")
    if asked.outside:
        lines.append(f"outside the candidates: {asked.outside:,} targets ({asked.outside_share:.1%}), a miss for all")
    if evaluation.protocol == "last-item" and asked.unasked_users:
        lines.append(f"not asked: {asked.unasked_users:,} users with fewer than 3 events; they train")
    return lines


def model_table(evaluation: Evaluation) -> Table:
    """Models by NDCG@10 with 95 % intervals; ≈ marks those that are tied with the best; fits in 80 columns."""
    spread = len(evaluation.seeds) > 1
    table = _table("model", *ACCURACY, *(["spread"] if spread else []))
    order = evaluation.ranked(SORT_BY)
    for name in order:
        row = evaluation.models[name]
        mark = TIED if name != order[0] and evaluation.tied(order[0], name, SORT_BY) else " "
        last = [_short(row[SORT_BY].spread or 0.0)] if spread else []
        table.add_row(f"{mark} {name}", *(_with_interval(row[metric]) for metric in ACCURACY), *last)
    return table


def second_table(evaluation: Evaluation) -> Table:
    """NDCG@10 over targets of warm and of cold items, coverage, novelty and diversity, and how long each fit took."""
    parts = [figures for figures in (evaluation.warm, evaluation.cold) if _any(figures)]
    names = [name for name, figures in (("warm", evaluation.warm), ("cold", evaluation.cold)) if _any(figures)]
    table = _table("model", *names, *BESIDE, "fit")
    for name in evaluation.ranked(SORT_BY):
        row, seconds = evaluation.models[name], evaluation.fit_seconds.get(name)
        table.add_row(
            f"  {name}",
            *(_short(figures[name][SORT_BY].value) for figures in parts),
            f"{row[COVERAGE].value:.1%}",
            *(_plain(row.get(metric), form) for metric, form in ((NOVELTY, ".1f"), (DIVERSITY, ".3f"))),
            "" if seconds is None else f"{seconds:,.1f} s",
        )
    return table


def what_it_means(evaluation: Evaluation) -> list[str]:
    """Lines on intervals, ties, the baselines to beat, and the blend's arms."""
    order = evaluation.ranked(SORT_BY)
    seeds = len(evaluation.seeds)
    lines = [
        f"± half of the 95 % interval over users; {TIED} tied with the best ({SORT_BY}, paired)",
        f"mean of {seeds} seeds; spread is the deviation of {SORT_BY} between them" if seeds > 1 else "one seed",
    ]
    if evaluation.questions.users < FEW_USERS:
        lines.append(f"only {evaluation.questions.users:,} users were asked: intervals over so few say little")
    lines += [_against(evaluation, order[0], name) for name in ("popularity-7d", "cooccurrence") if name in order[1:]]
    if evaluation.shares:
        shares = sorted(evaluation.shares.items(), key=lambda pair: -pair[1])
        lines.append("blend: " + " · ".join(f"{name} {share:.0%}" for name, share in shares))
    lines += [f"left out of the blend: {name} ({why})" for name, why in evaluation.dropped.items()]
    lines += [f"left out: {name} ({why})" for name, why in evaluation.skipped.items()]
    lines.append(f"warm, cold: {SORT_BY} where the item has, or has not, an event in training")
    lines.append(f"slates of 10: diversity is 1 - cosine of the items' {evaluation.distance}, novelty is in bits")
    return lines


def forecast_report(found: ForecastEvaluation) -> RenderableType:
    """What was asked of a forecast, every baseline beside it, and what the difference is worth; fits in 80 columns."""
    return Group(
        *(Text(line) for line in _forecast_asked(found)),
        Text(),
        _forecast_table(found),
        Text(),
        *_forecast_worth(found),
    )


def written_report(found: WrittenEvaluation) -> RenderableType:
    """A file of forecasts beside every baseline, and what it says of itself."""
    figures, forecasts = found.figures, found.forecasts
    moment, version = format_time(forecasts.at_us), forecasts.model["model_version"]
    lines = [
        f"{len(forecasts.users):,} forecasts of {forecasts.horizon} from {moment}, model {version}",
        f"scored on {figures.data['name']}: {figures.users:,} users did something in it",
    ]
    if found.hindsight:
        lines.append(f"hindsight: the model had seen events up to {forecasts.model['model_cutoff']}")
    if figures.users < LEAST_USERS:
        lines.append(f"fewer than {LEAST_USERS} users: too few to tell a skill")
    return Group(*(Text(line) for line in lines), Text(), _forecast_table(figures), Text(), *_forecast_worth(figures))


def _forecast_asked(found: ForecastEvaluation) -> list[str]:
    data = found.data
    learned = f"before {data['cutoff']}" if data["cutoff"] else "of the other half of the users"
    origins = f"{found.origins} origins" if found.origins else f"origins after every {found.horizon.events} events"
    return [
        f"{data['name']}: {data['users']:,} users, {data['events']:,} events, {data['topics']} topics",
        f"forecast of {found.horizon}; {data['learned_events']:,} events {learned} teach",
        f"users asked: {found.users:,}, windows: {found.windows:,}, {origins}",
    ]


def _forecast_table(found: ForecastEvaluation) -> Table:
    table = _table("model", "nats", "js", "ndcg@10", "coverage@90", "skill")
    for name in sorted(found.models, key=lambda one: found.models[one]["log_score"].value):
        row = found.models[name]
        tied = name != found.best and found.versus[name][found.best]["log_score"].holds_zero
        cells = (_plain(row["log_score"], ".4f"), _plain(row["js"], ".4f"), _plain(row["ndcg@10"], ".4f"))
        covered = _plain(row["coverage@90"], ".1%") if found.pairs[name] >= LEAST_PAIRS else "few pairs"
        skill = "best baseline" if name == found.best else _skill(row["skill"])
        table.add_row(f"{TIED if tied else ' '} {name}", *cells, covered, skill)
    return table


def _forecast_worth(found: ForecastEvaluation) -> list[str]:
    weights = sorted(found.weights.items(), key=lambda pair: -pair[1])
    mixed = ["driftline: " + " · ".join(f"{name} {weight:.0%}" for name, weight in weights)] if weights else []
    return [
        f"{TIED} tied with the best baseline ({found.best}) in nats per event; lower nats and js are better",
        "skill: 1 - nats / nats of the best baseline, with its 95 % interval over users",
        "coverage@90: how often what came lies in the 90 % interval, topics of ≥ 5 %",
        *mixed,
    ]


def _skill(one: Estimate) -> str:
    return f"{one.value:+.2%} [{one.low:+.2%}, {one.high:+.2%}]"


def difference(evaluation: Evaluation, a: str, b: str, metric: str = SORT_BY) -> str:
    """`a - b` in words: its value with the interval, or a tie."""
    one = evaluation.versus[a][b][metric]
    interval = f"{one.value:+.4f} [{one.low:+.4f}, {one.high:+.4f}]"
    return f"{interval}, a tie" if one.holds_zero else interval


def _table(first: str, *others: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column(f"  {first}", no_wrap=True)
    for name in others:
        table.add_column(name.removesuffix("@10") if name in BESIDE else name, justify="right", no_wrap=True)
    return table


def _with_interval(one: Estimate) -> str:
    return f"{_short(one.value)} ±{_short((one.high - one.low) / 2)}"


def _short(value: float) -> str:
    """Four decimals, without the zero before the point, as papers print shares."""
    return f"{value:.4f}".removeprefix("0")


def _plain(one: Estimate | None, form: str) -> str:
    return "" if one is None else format(one.value, form)


def _any(figures: Figures) -> bool:
    return any(figures.values())


def _repeats_line(evaluation: Evaluation) -> str:
    asked = evaluation.questions
    what = "allowed, nothing is masked" if asked.repeats == "allow" else "excluded, histories are masked"
    return f"repeats: {what} ({asked.repeat_share:.1%} of training events are repeats)"


def _against(evaluation: Evaluation, best: str, baseline: str) -> str:
    return f"{best} - {baseline}: {SORT_BY} {difference(evaluation, best, baseline)}"
