"""Speed of forecasts: a step of the interest state, one user's forecast, and those of a million users.

A world of drifting users is made and a model fitted on it; everybody's state is encoded. The million are these users
drawn again and again, block by block as from a disk; their means and bounds are all kept in memory. One process does it
all, so that its peak memory has the fit in it. Beside the seconds stand what the machine could do at most: bytes of
states and answers at the rate of a copy, the products of the pool at that of a matrix product, logarithms at theirs.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from scipy.stats import betabinom

from benchmarks import measured
from benchmarks.machine import environment, python
from benchmarks.rates import copy_rate, product_rate, repeats_per_second
from benchmarks.report import Report, Table, gigabytes
from benchmarks.tables import asked as tables
from driftline.data.events import Histories, histories
from driftline.data.synthetic import drifting
from driftline.interest.encoding import encoded
from driftline.interest.horizons import Horizon
from driftline.interest.live import Outlook
from driftline.interest.model import InterestModel, fit_interest_model
from driftline.interest.state import Event, InterestState

BLOCK = 20_000
"""States that are handed over at once."""
EVENTS_PER_USER = 60
REPEATS = 3_000
SHARES = (0.5, 0.95)
"""Median, and what one in twenty takes longer than."""


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--users", type=int, default=1_000_000, help="whose forecasts are made")
    parser.add_argument("--fitted", type=int, default=1_000, help="users of the world that is fitted on")
    parser.add_argument("--topics", type=int, default=64, help="topics of that world")
    parser.add_argument("--horizons", type=tables.names, default=["7d", "next-20"], help="with commas between")


def run(asked: argparse.Namespace) -> Report:
    size = {name: getattr(asked, name) for name in ("users", "fitted", "topics", "horizons")}
    command = [python(), "-m", "benchmarks.tables.forecasts_speed", json.dumps(size)]
    tables.say(f"{asked.users:,} users, {asked.topics} topics")
    done = measured.run(command, environment=environment(asked.threads))
    failures = {"driftline": done.failure} if done.failure else {}
    figures = {} if failures else {**done.document(), "peak_bytes": done.peak_bytes}
    shown = [] if failures else [one_table(figures), many_table(figures, asked.users)]
    return tables.report(asked, "forecasts-speed", "Speed of forecasts", shown, figures, failures)


def one_table(figures: dict[str, Any]) -> Table:
    """Microseconds of CPU for one user."""
    rows = [(name, *(f"{1e6 * one:.0f}" for one in times)) for name, times in figures["one"].items()]
    n_bytes = figures["state_bytes"]
    copied = f"{1e6 * 2 * n_bytes / figures['rates']['copy bytes/s']:.1f} µs"
    notes = (f"a state has {n_bytes:,} bytes, which are copied in {copied}: what is left is the interpreter",)
    return Table("One user, microseconds of CPU", ("what", "median", "95 %"), rows, notes)


def many_table(figures: dict[str, Any], n_users: int) -> Table:
    """CPU-seconds for many users, and how far above the floor."""
    rows = []
    for horizon, one in figures["many"].items():
        floor = sum(one["floor"].values())
        parts = (f"{one['floor'][name]:.1f}" for name in ("bytes", "products", "logarithms"))
        gaps = f"{one['share_off']:.1e}", f"{one['bounds_off']:.1e}"
        rows.append((horizon, f"{one['seconds']:.1f}", *parts, f"{one['seconds'] / floor:.1f}", *gaps))
    columns = ("horizon", "seconds", "floor: bytes", "products", "logarithms", "times floor", "share off", "bounds off")
    notes = (
        f"peak memory {gigabytes(figures['peak_bytes'])} GB, fitting, all means and bounds included",
        "off: the largest difference from shares read from histories, and from exact quantiles at the same shares",
    )
    return Table(f"{n_users:,} users, means and 90 % bounds", columns, rows, notes)


def measure(users: int, fitted: int, topics: int, horizons: list[str]) -> dict[str, Any]:
    """Everything, in this process."""
    world = drifting(fitted, 20 * topics, topics, EVENTS_PER_USER)
    model = fit_interest_model(world.log, world.dataset.catalog)
    at_us = world.log.last_us + 1
    asked = histories(world.log, np.arange(fitted, dtype=np.int32), np.full(fitted, at_us))
    states = encoded(asked, model.scales, model.dynamics.ratings)
    values = np.random.default_rng(0).random((256, 64)).astype(np.float32)
    one: dict[str, list[float]] = {"step": step_seconds(model, asked)}
    found: dict[str, Any] = {
        "one": one,
        "many": {},
        "state_bytes": states.shape[1],
        "rates": {
            "copy bytes/s": copy_rate(0.5),
            "logarithms/s": values.size * repeats_per_second(lambda: np.log(values), 0.5),
        },
    }
    for text in horizons:
        outlook = model.outlook(world.log, at_us, Horizon.parse(text))
        state = InterestState(model.scales, states[0])
        one[f"forecast, {text}"] = quantiles(lambda outlook=outlook, state=state: outlook.forecast(state), REPEATS)
        n_residual, n_groups = outlook.pool.residual.shape
        rate = product_rate((256, n_residual, n_groups), torch.float32, 0.5)
        found["rates"][f"products/s, {text}"] = rate
        floor = floors(outlook, users, states.shape[1], found["rates"], rate)
        seconds = many_seconds(outlook, states, users)
        checked = differences(model, outlook, asked, states)
        found["many"][text] = {"seconds": seconds, "floor": floor, **checked}
    return found


def step_seconds(model: InterestModel, asked: Histories) -> list[float]:
    """Of events as they come, several users after each other."""
    times = []
    for user in range(REPEATS // EVENTS_PER_USER):
        state, own = model.scales.new(), asked.log.select(np.arange(asked.start[user], asked.end[user]))
        for time_us, item in zip(own.time_us.tolist(), own.item_row.tolist(), strict=True):
            event = Event(time_us, item)
            began = time.process_time()
            state = state.step(event)
            times.append(time.process_time() - began)
    return [float(np.quantile(times, share)) for share in SHARES]


def quantiles(work: Callable[[], object], repeats: int) -> list[float]:
    """CPU-seconds of one call, after a first one that compiles."""
    times = []
    work()
    for _ in range(repeats):
        began = time.process_time()
        work()
        times.append(time.process_time() - began)
    return [float(np.quantile(times, share)) for share in SHARES]


def many_seconds(outlook: Outlook, states: np.ndarray, users: int) -> float:
    """CPU-seconds of all forecasts, of which means and bounds are kept; drawing the states is not counted."""
    rng, n_topics, spent = np.random.default_rng(1), len(outlook.prior), 0.0
    kept = [np.empty((users, n_topics), np.float32) for _ in range(3)]
    for start in range(0, users, BLOCK):
        block = states[rng.integers(0, len(states), min(BLOCK, users - start))]
        began = time.process_time()
        found = outlook.forecasts(block)
        for whole, part in zip(kept, (found.shares, found.low, found.high), strict=True):
            whole[start : start + len(block)] = part
        spent += time.process_time() - began
    return spent


def floors(
    outlook: Outlook, users: int, state_bytes: int, rates: dict[str, float], products: float
) -> dict[str, float]:
    """The least seconds for bytes, for products of the pool and of directions, and for logarithms, roots and powers."""
    n_residual, n_groups = outlook.pool.residual.shape
    n_features, n_parts = outlook.pool.gate.shape
    n_vectors, dim, n_own = len(outlook.model.vectors), len(outlook.directions), len(outlook.model.experts)
    operations = 2 * (n_groups * (n_residual + n_parts + n_vectors * dim) + n_features * n_parts)
    functions = n_groups * (n_own + 2 * n_vectors + 1) + 3 * len(outlook.prior)
    return {
        "bytes": users * (state_bytes + 3 * 4 * len(outlook.prior)) / rates["copy bytes/s"],
        "products": users * operations / products,
        "logarithms": users * functions / rates["logarithms/s"],
    }


def differences(model: InterestModel, outlook: Outlook, asked: Histories, states: np.ndarray) -> dict[str, float]:
    """The largest differences from histories and from exact quantiles, over the first hundred users."""
    some = slice(0, 100)
    found = outlook.forecasts(states[some])
    exact = model.distributions(asked.log, asked.take(some), outlook.model.horizon)
    share, n = found.shares.astype(float), found.n_events[:, None]
    strength = exact.spread.at(exact.n_known[:, None], share)
    counts = betabinom(n, strength * share, strength * (1 - share))
    low, high = np.minimum(counts.ppf(0.05) / n, share), np.maximum(counts.ppf(0.95) / n, share)
    off = np.maximum(np.abs(found.low - low), np.abs(found.high - high))
    return {"share_off": float(np.abs(share - exact.shares).max()), "bounds_off": float(off.max())}


if __name__ == "__main__":
    print(json.dumps(measure(**json.loads(sys.argv[1]))))
