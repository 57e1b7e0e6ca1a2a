"""The floor of a pass and the share of it, on known numbers; the rates are rates."""

from __future__ import annotations

import pytest

from benchmarks import rates


def test_the_floor_of_a_pass_over_beauty_is_the_one_worked_out_by_hand():
    """131,413 targets, 12,101 items, width 64 at 148 GFLOP/s: 6.1e11 operations in 4.1 seconds."""
    assert 6 * 131_413 * 12_101 * 64 == 610_647_825_792
    assert rates.floor_seconds(131_413, 12_101, 64, 148e9) == pytest.approx(4.126, abs=0.001)


def test_a_pass_in_twice_the_floor_attains_half():
    floor = rates.floor_seconds(1_000, 500, 64, 1e9)
    assert rates.share(1_000 / (2 * floor), 500, 64, 1e9) == pytest.approx(0.5)


def test_rates_count_what_was_done(monkeypatch: pytest.MonkeyPatch):
    """Ten turns of .1 s each after the first, which warms up: ten a second."""
    now, done = [0.0], []

    def work() -> None:
        done.append(1)
        now[0] += 0.1

    monkeypatch.setattr(rates.time, "process_time", lambda: now[0])
    assert rates.repeats_per_second(work, 0.95) == pytest.approx(10.0)
    assert len(done) == 11


def test_every_rate_is_measured(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(rates, "SQUARE", 64)
    monkeypatch.setattr(rates, "COPIED", 2**16)
    found = rates.measure(300, 16, seconds=0.001)
    assert set(found) == {"copy bytes/s", *(f"{a} {b}" for a in ("square", "scores") for b in ("float32", "bfloat16"))}
    assert min(found.values()) > 1e5
