"""An evaluation as tables and lines that a person likes to read."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from driftline.evaluation.compare import Evaluation
from driftline.evaluation.figures import COVERAGE, DIVERSITY, NOVELTY, Figures
from driftline.metrics.bootstrap import Estimate

SORT_BY = "ndcg@10"
ACCURACY = ("ndcg@10", "hr@10", "hr@20", "mrr@20")
BESIDE = (COVERAGE, NOVELTY, DIVERSITY)
TIED = "≈"
"""Stands before a model whose paired difference to the best has an interval that holds 0."""


def print_evaluation(evaluation: Evaluation, console: Console) -> None:
    """Print what was asked, the table of models, warm and cold items, and what the differences are worth."""
    console.print(report(evaluation))


def report(evaluation: Evaluation) -> RenderableType:
    """The whole report; tables stand under lines that say what they are about."""
    parts: list[RenderableType] = [Text(line) for line in what_was_asked(evaluation)]
    parts += [Text(), model_table(evaluation), Text()]
    parts += [Text(line) for line in what_it_means(evaluation)]
    return Group(*parts)


def what_was_asked(evaluation: Evaluation) -> list[str]:
    """Lines on the data, the protocol and the questions."""
    data, asked = evaluation.data, evaluation.questions
    cutoff = f", cutoff {data['cutoff']}" if data["cutoff"] else ""
    lines = [
        f"{data['name']}: {data['users']:,} users, {data['items']:,} items, {data['events']:,} events",
        f"{evaluation.task} by {evaluation.protocol}{cutoff}: {data['train_events']:,} events to learn from",
        f"targets: {asked.targets:,}, of warm items {asked.warm_targets:,}, of cold items {asked.cold_targets:,}",
        f"users asked: {asked.users:,}, with earlier events {asked.warm_users:,}, without {asked.cold_users:,}",
        _repeats_line(evaluation),
    ]
    if asked.outside:
        lines.append(f"outside the candidates: {asked.outside:,} targets ({asked.outside_share:.1%}), a miss for all")
    if evaluation.protocol == "last-item" and asked.unasked_users:
        lines.append(f"not asked: {asked.unasked_users:,} users with fewer than 3 events; they train")
    return lines


def model_table(evaluation: Evaluation) -> Table:
    """Models by NDCG@10 with 95 % intervals; ≈ marks those that are tied with the best; warm and cold items apart."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("")
    table.add_column("model")
    for metric in ACCURACY:
        table.add_column(metric, justify="right", no_wrap=True)
    parts = [(name, part) for name, part in (("warm", evaluation.warm), ("cold", evaluation.cold)) if _any(part)]
    for name, _ in parts:
        table.add_column(f"{name} {SORT_BY}", justify="right")
    for metric in BESIDE:
        table.add_column(metric, justify="right")
    table.add_column("fit", justify="right")
    order = evaluation.ranked(SORT_BY)
    for name in order:
        table.add_row(*_row(evaluation, name, order[0], [part for _, part in parts]))
    return table


def what_it_means(evaluation: Evaluation) -> list[str]:
    """Lines on intervals, ties, the baselines to beat, and the blend's arms."""
    order = evaluation.ranked(SORT_BY)
    seeds = len(evaluation.seeds)
    lines = [
        f"± is half of the 95 % interval, by bootstrap over users; {TIED} is tied with the best by {SORT_BY} (paired)."
        + (f" Mean of {seeds} seeds, with the spread after the bar." if seeds > 1 else " One seed.")
    ]
    lines += [_against(evaluation, order[0], name) for name in ("popularity-7d", "cooccurrence") if name in order[1:]]
    if evaluation.shares:
        shares = sorted(evaluation.shares.items(), key=lambda pair: -pair[1])
        lines.append("blend: " + " · ".join(f"{name} {share:.0%}" for name, share in shares))
    lines += [f"left out: {name} ({why})" for name, why in evaluation.skipped.items()]
    lines.append(f"diversity: 1 - cosine of the {evaluation.distance} of two items; novelty in bits.")
    return lines


def difference(evaluation: Evaluation, a: str, b: str, metric: str = SORT_BY) -> str:
    """`a - b` in words: its value with the interval, or a tie."""
    one = evaluation.versus[a][b][metric]
    interval = f"{one.value:+.4f} [{one.low:+.4f}, {one.high:+.4f}]"
    return f"{interval}, a tie" if one.holds_zero else interval


def _row(evaluation: Evaluation, name: str, best: str, parts: Sequence[Figures]) -> list[str]:
    row = evaluation.models[name]
    mark = "" if name == best or not evaluation.tied(best, name, SORT_BY) else TIED
    cells = [mark, name, *(_cell(row[metric]) for metric in ACCURACY)]
    cells += [f"{part[name][SORT_BY].value:.4f}" for part in parts]
    cells += [f"{row[COVERAGE].value:.1%}", _plain(row.get(NOVELTY), ".1f"), _plain(row.get(DIVERSITY), ".3f")]
    seconds = evaluation.fit_seconds.get(name)
    return [*cells, "" if seconds is None else f"{seconds:,.1f} s"]


def _cell(one: Estimate) -> str:
    spread = "" if one.spread is None else f" | {one.spread:.4f}"
    return f"{one.value:.4f} ±{(one.high - one.low) / 2:.4f}{spread}"


def _plain(one: Estimate | None, form: str) -> str:
    return "" if one is None else format(one.value, form)


def _any(figures: Figures) -> bool:
    return any(figures.values())


def _repeats_line(evaluation: Evaluation) -> str:
    asked = evaluation.questions
    share = f"{asked.repeat_share:.1%} of training events repeat a user's item"
    if asked.repeats == "allow":
        return f"repeats: allowed, nothing masked ({share})"
    return f"repeats: excluded, histories masked ({share}); {asked.masked:,} targets in their own history are misses"


def _against(evaluation: Evaluation, best: str, baseline: str) -> str:
    return f"{best} - {baseline}: {SORT_BY} {difference(evaluation, best, baseline)}"
