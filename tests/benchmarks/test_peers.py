"""What the programs of peers share: counting, measuring, lists; and that what goes wrong with one is said."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from benchmarks.contenders import PEER_NAMES, Contender, chosen, ours, run
from benchmarks.peers import meter
from benchmarks.peers.meter import Job, Meter, Sequences, masked_top

from benchmarks import contenders, environments, measured
from driftline.errors import RequestError

JOB = Job("nothing.npz", "SASRec", 1.0)


def test_the_first_batch_warms_up_and_is_left_out_of_the_rate(monkeypatch: pytest.MonkeyPatch):
    """Batches of 10 targets, the first takes 5 s, each later one 2 s: 5 targets a second; it ends after 9 s."""
    cpu = iter([0.0, 5.0, 7.0, 9.0])
    monkeypatch.setattr(meter.time, "process_time", lambda: next(cpu))
    count = Meter(8.0)
    assert [count.add(10), count.add(10), count.add(10)] == [False, False, True]
    found = count.found()
    assert found["rate"] == pytest.approx(20 / 4)
    assert (found["targets"], found["batches"], found["train_cpu_seconds"]) == (30, 3, 9.0)


def test_a_single_batch_gives_no_rate():
    count = Meter(0.0)
    assert not count.add(10), "one batch is never enough to tell a rate"
    assert "rate" not in count.found()


def test_sequences_know_owners_and_places():
    sequences = Sequences(np.array([7, 8, 9], np.int32), np.array([0, 2, 2, 3]))
    assert (sequences.owner.tolist(), sequences.place.tolist()) == ([0, 0, 2], [0, 1, 0])


def test_masked_lists_end_where_nothing_may_be_shown():
    items, scores = masked_top(np.float32([[3, 1, 2]]), [np.array([0], np.int32)], exclude=True)
    assert items.tolist() == [[2, 1, -1]]
    assert scores[0, :2].tolist() == [2.0, 1.0]
    assert masked_top(np.float32([[3, 1, 2]]), [np.array([0])], exclude=False)[0].tolist() == [[0, 2, 1]]


def test_cost_is_that_of_the_command_and_not_of_its_parent():
    ballast = np.ones(40_000_000)  # 320 MB that the child must not be charged with
    small = measured.run([sys.executable, "-c", "print('{\"a\": 1}')"])
    large = measured.run([sys.executable, "-c", "x = bytearray(200 * 2**20); sum(range(10**7)); print(1)"])
    assert small.document() == {"a": 1}
    assert small.peak_bytes < 100 * 2**20 < 200 * 2**20 < large.peak_bytes < ballast.nbytes
    assert large.cpu_seconds > small.cpu_seconds > 0


def test_a_command_that_fails_says_why_in_its_last_words():
    done = measured.run([sys.executable, "-c", "import sys; print('first', file=sys.stderr); sys.exit('no such data')"])
    assert done.failure == "exit code 1: no such data"
    with pytest.raises(ValueError, match="got nothing"):
        done.document()
    assert measured.run([sys.executable, "-c", "raise SystemExit(3)"]).failure == "exit code 3: it said nothing"


def test_a_peer_that_fails_is_a_result_with_its_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(contenders, "PEERS", tmp_path)
    monkeypatch.setattr(contenders, "ensure", lambda name, cache: Path(sys.executable))
    (tmp_path / "breaks.py").write_text("raise RuntimeError('out of memory')", encoding="utf-8")
    (tmp_path / "mumbles.py").write_text("print('done')", encoding="utf-8")
    breaks, mumbles = (Contender("x", "X", f"{name}.py", "x") for name in ("breaks", "mumbles"))
    assert run(breaks, JOB, cache=tmp_path) == {"failed": "exit code 1: RuntimeError: out of memory"}
    assert run(mumbles, JOB, cache=tmp_path) == {"failed": "expected one line of JSON, got 'done'"}


def test_a_peer_without_an_environment_is_a_result_with_its_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "bad.txt").write_text("torch==0.0.0\n", encoding="utf-8")
    monkeypatch.setattr(environments, "PEERS", tmp_path)

    def refuse(python: Path, requirements: Path) -> None:
        raise environments.EnvironmentFailedError(f"ERROR: no version satisfies {requirements.name}")

    monkeypatch.setattr(environments, "install", refuse)
    monkeypatch.setattr(environments, "_say", lambda command: None)
    found = run(Contender("x", "X", "x.py", "bad"), JOB, cache=tmp_path)
    assert found == {"failed": "its environment could not be made: ERROR: no version satisfies bad.txt"}


def test_an_environment_is_made_once_for_each_requirement_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    made = []
    monkeypatch.setattr(environments, "PEERS", tmp_path)
    monkeypatch.setattr(environments, "install", lambda python, requirements: made.append(requirements.name))
    monkeypatch.setattr(environments, "_say", lambda command: Path(command[-1]).mkdir(parents=True))
    (tmp_path / "one.txt").write_text("torch==1\n", encoding="utf-8")
    first = environments.ensure("one", tmp_path / "cache")
    assert environments.ensure("one", tmp_path / "cache") == first
    (tmp_path / "one.txt").write_text("torch==2\n", encoding="utf-8")
    assert environments.ensure("one", tmp_path / "cache") != first
    assert made == ["one.txt", "one.txt"]


def test_every_peer_has_its_script_and_pinned_requirements():
    for peer in PEER_NAMES.values():
        assert (environments.PEERS / peer.script).is_file(), peer.name
        lines = (environments.PEERS / f"{peer.requirements}.txt").read_text(encoding="utf-8").splitlines()
        pinned = [line for line in lines if line and not line.startswith("#")]
        assert any(line.startswith("torch==") for line in pinned), peer.name
        assert all("==" in line or "<" in line for line in pinned), peer.name


def test_contenders_are_chosen_by_name():
    def names(models, peers, gru4rec=None):
        return [one.name for one in chosen(argparse.Namespace(models=models, peers=peers, gru4rec=gru4rec))]

    assert names("gru", "recbole-sasrec") == ["driftline-gru", "recbole-sasrec"]
    assert names("none", None) == ["rectools-sasrec", "recbole-sasrec", "recbole-gru4rec"]
    assert names("none", None, Path("checkout")) == list(PEER_NAMES), "with a checkout the official GRU4Rec takes part"
    assert {"driftline-gru", "driftline-transformer"} <= set(names(None, "none"))
    with pytest.raises(RequestError, match="--peers among"):
        names("gru", "bert4rec")


@pytest.mark.slow
def test_driftline_runs_under_the_contract_of_the_peers(folder: Path, tmp_path: Path):
    job = Job(str(folder), "gru", 0.0, {"dim": 8}, part="pass")
    found = run(ours("gru"), job, cache=tmp_path)
    assert "failed" not in found, found
    assert found["peer"] == "Driftline gru"
    assert found["peak_bytes"] > 50 * 2**20
    assert found["first_cpu_seconds"] > 0
    assert found["passes"] == 1, "no time was given for more"
    assert json.loads(json.dumps(found)) == found
