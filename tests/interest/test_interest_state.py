"""One state, three ways: by hand, event by event, in a batch; packed in 3 KB, exactly; late and double events."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from driftline.data.events import EventLog, Histories, histories
from driftline.data.kinds import Kind
from driftline.data.vocabulary import Vocabulary
from driftline.errors import RunError
from driftline.interest.encoding import encoded, followed, read_states, state_of, write_states
from driftline.interest.evidence import RatingScale
from driftline.interest.state import (
    EVENT_HALF_LIVES,
    N_TOPICS,
    RING,
    TOPIC_HALF_LIVES,
    Event,
    HalfLife,
    InterestState,
    Scales,
    counts_of,
)
from driftline.interest.topics import Topics
from driftline.types import ALWAYS, US_PER_DAY, US_PER_HOUR

PLAIN = RatingScale()
N_ITEMS, DIM = 9, 4


def make_scales(n_topics: int = 5, *, events: bool = False, seed: int = 0) -> Scales:
    """Items with up to two topics; the last but one has no vector, the last no topic."""
    rng = np.random.default_rng(seed)
    gates = rng.uniform(0.1, 1, N_ITEMS).astype(np.float32)
    gates[-2] = 0
    topics = np.zeros((N_ITEMS, n_topics))
    for item in range(N_ITEMS - 1):
        own = rng.choice(n_topics, 2, replace=False)
        topics[item, own] = 0.5
    kept = EVENT_HALF_LIVES if events else (HalfLife(days=1), HalfLife(events=16), HalfLife(days=np.inf))
    vectors = rng.normal(size=(N_ITEMS, DIM)).astype(np.float32)
    return Scales(vectors, gates, sparse.csr_matrix(topics), topic_half_lives=kept)


SCALES = make_scales()
KINDS = (Kind("look"), Kind("buy", weight=2.0), Kind("hide", weight=-1.0, target=False))
HISTORIES = st.lists(
    st.tuples(st.integers(0, N_ITEMS - 1), st.integers(0, 15), st.integers(0, 2)), min_size=1, max_size=60
)
"""Item, half days, kind: many at one moment, some twice, some that are no interest."""


def log_of(rows: list[tuple[int, int, int]], user: np.ndarray | None = None) -> EventLog:
    item, half_day, kind = np.array(rows, np.int64).T
    users = np.zeros(len(rows), np.int32) if user is None else user
    return EventLog.from_columns(
        Vocabulary(f"u{one}" for one in range(int(users.max()) + 1)),
        Vocabulary(f"i{one}" for one in range(N_ITEMS)),
        users,
        item.astype(np.int32),
        half_day * US_PER_DAY // 2,
        kinds=KINDS,
        kind=kind.astype(np.int8),
    )


def whole(log: EventLog) -> Histories:
    n = log.n_users
    return histories(log, np.arange(n, dtype=np.int32), np.full(n, log.last_us + 1))


def dense(state: InterestState, at_us: int) -> np.ndarray:
    """The counts of all topics, and what is other in the last column."""
    read, found = state.read(at_us), np.zeros((len(state.scales.topic_half_lives), state.scales.topics.shape[1] + 1))
    found[:, read.topic], found[:, -1] = read.counts, read.other
    return found


def assert_alike(one: InterestState, other: InterestState, at_us: int) -> None:
    assert (one.time_us, one.version) == (other.time_us, other.version)
    for left, right in zip(one.recent(), other.recent(), strict=True):
        assert (left == right).all()
    read, again = one.read(at_us), other.read(at_us)
    np.testing.assert_allclose(read.levels, again.levels, atol=1e-5)
    np.testing.assert_allclose(read.weights, again.weights, atol=1e-5)
    np.testing.assert_allclose(dense(one, at_us), dense(other, at_us), atol=1e-5)


def test_a_state_is_what_a_hand_works_out() -> None:
    """Gates 1 and 1/2; read two days after the second: at one day's half-life 1/8 + 1/2 · 1/4 of c, and e likewise."""
    vectors = np.eye(2, dtype=np.float32)
    topics = sparse.csr_matrix(np.array([[1, 0], [0.5, 0.5]]))
    day, two = HalfLife(days=1), HalfLife(events=2)
    scales = Scales(vectors, np.array([1, 0.5], np.float32), topics, (day, two), (day, two))
    state = scales.new().step(Event(0, 0, 3.0)).step(Event(US_PER_DAY, 1))
    read = state.read(3 * US_PER_DAY)
    first, second = np.array([1 / 8, 2**-0.5]), np.array([1 / 8, 1 / 2])
    np.testing.assert_allclose(read.weights, first + second, rtol=1e-6)
    np.testing.assert_allclose(read.levels, np.stack([first, second], 1) / (first + second + 1)[:, None], rtol=1e-6)
    np.testing.assert_array_equal(read.topic, [0, 1])
    expected = [[3 / 8 + 0.5 / 4, 0.5 / 4], [3 * 2**-0.5 + 0.5, 0.5]]
    np.testing.assert_allclose(read.counts, expected, rtol=1e-6)
    assert not read.other.any()


@settings(max_examples=80, deadline=None)
@given(HISTORIES, st.integers(0, 10**9))
def test_steps_a_batch_and_exact_sums_are_the_same(rows: list[tuple[int, int, int]], later_us: int) -> None:
    log = log_of(rows)
    stepped = state_of(whole(log), SCALES, PLAIN)
    batch = InterestState(SCALES, encoded(whole(log), SCALES, PLAIN)[0])
    at_us = int(log.last_us + later_us)
    assert_alike(stepped, batch, at_us)
    levels, counts = by_hand(log, SCALES, at_us)
    np.testing.assert_allclose(stepped.read(at_us).levels, levels, atol=1e-5)
    np.testing.assert_allclose(dense(stepped, at_us)[:, :-1], counts, atol=1e-5)


def by_hand(log: EventLog, scales: Scales, at_us: int) -> tuple[np.ndarray, np.ndarray]:
    """The slow twin in float64: every event that counts, with its age."""
    kept: dict[tuple[int, int, int], float] = {}
    for time_us, item, kind, weight in zip(log.time_us, log.item_row, log.kind, log.weight, strict=True):
        if weight > 0:
            kept.setdefault((int(time_us), int(item), int(kind)), float(weight))

    def left(half_life: HalfLife, time_us: int, *, vectors: bool) -> float:
        if half_life.days is not None:
            return float(2.0 ** (-(at_us - time_us) / US_PER_DAY / half_life.days))
        since = [one for one in kept if one[0] > time_us and (scales.gates[one[1]] > 0 or not vectors)]
        return float(2.0 ** (-len(since) / half_life.length))

    levels = []
    for one in scales.half_lives:
        worth = [(left(one, time_us, vectors=True) * scales.gates[item], item) for time_us, item, _ in kept]
        total = sum((share * scales.vectors[item].astype(float) for share, item in worth), np.zeros(DIM))
        levels.append(total / (sum(share for share, _ in worth) + 1))
    topics = scales.topics.toarray()
    counts = [
        sum(
            (left(one, time_us, vectors=False) * weight * topics[item] for (time_us, item, _), weight in kept.items()),
            np.zeros(topics.shape[1]),
        )
        for one in scales.topic_half_lives
    ]
    return np.array(levels), np.array(counts)


@settings(max_examples=40, deadline=None)
@given(HISTORIES, st.integers(0, 60))
def test_a_state_goes_on_after_saving_as_if_nothing_had_been(rows: list[tuple[int, int, int]], cut: int) -> None:
    """Saved and read anywhere on the way, from steps or from a batch: the same bytes from steps, 1e-5 from a batch."""
    log = log_of(rows)
    log = log.select(np.arange(len(log)))
    cut = int(np.searchsorted(log.time_us, log.time_us[min(cut, len(log) - 1)]))
    events = [
        Event(*one)
        for one in zip(log.time_us.tolist(), log.item_row.tolist(), log.weight.tolist(), log.kind.tolist(), strict=True)
    ]
    through = before = SCALES.new()
    for event in events[:cut]:
        through = before = before.step(event)
    again = SCALES.from_bytes(before.to_bytes())
    half = log.select(np.arange(cut))
    batch = InterestState(SCALES, encoded(whole(half), SCALES, PLAIN)[0]) if cut else SCALES.new()
    for event in events[cut:]:
        through, again, batch = through.step(event), again.step(event), batch.step(event)
    assert again.to_bytes() == through.to_bytes()
    assert_alike(batch, through, int(log.last_us))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 8), min_size=2, max_size=30), st.randoms(use_true_random=False))
def test_events_that_come_late_are_replayed_into_the_same_state(items: list[int], random) -> None:
    """Different moments in any order of arrival: the bytes of the state in the order of time."""
    rows = [(item, place, 0) for place, item in enumerate(items)]
    arrived, state = [], SCALES.new()
    random.shuffle(rows)
    for row in rows:
        arrived.append(row)
        so_far = log_of(arrived)
        event = Event(row[1] * US_PER_DAY // 2, row[0])
        state = followed(state, event, lambda so_far=so_far: whole(so_far), PLAIN)
    assert state.to_bytes() == state_of(whole(log_of(sorted(rows, key=lambda row: row[1]))), SCALES, PLAIN).to_bytes()


def test_an_event_or_a_moment_before_the_last_is_refused() -> None:
    state = SCALES.new().step(Event(5, 1))
    with pytest.raises(ValueError, match="replay"):
        state.step(Event(4, 1))
    with pytest.raises(ValueError, match="not before"):
        state.read(4)
    assert SCALES.new().read(4).weights.sum() == 0


def test_the_same_event_twice_and_one_that_is_no_interest_change_nothing() -> None:
    state = SCALES.new().step(Event(5, 1)).step(Event(5, 2))
    assert state.step(Event(5, 1)) is state
    assert state.step(Event(9, 3, weight=0.0)) is state
    assert state.step(Event(5, 1, kind=1)).version == 3
    assert state.step(Event(6, 1)).version == 3


def test_a_state_is_a_value() -> None:
    state = SCALES.new().step(Event(5, 1))
    before = state.to_bytes()
    state.step(Event(5, 2)).step(Event(7, 3))
    assert state.to_bytes() == before


def test_the_order_within_a_moment_means_nothing() -> None:
    rows = [Event(5, 1), Event(9, 0), Event(9, 3), Event(9, 7), Event(9, 5)]
    states = [SCALES.new(), SCALES.new()]
    for place in range(5):
        states = [states[0].step(rows[place]), states[1].step(rows[0 if place == 0 else 5 - place])]
    reads = [state.read(US_PER_DAY) for state in states]
    np.testing.assert_allclose(reads[0].levels, reads[1].levels, atol=1e-6)
    np.testing.assert_allclose(dense(states[0], 9), dense(states[1], 9), atol=1e-6)


def test_who_wants_more_topics_than_there_are_places_keeps_the_strong_ones_and_loses_no_count() -> None:
    """200 topics: a favourite stays though eighty others come once; all that was counted is somewhere."""
    n = 200
    scales = Scales(np.zeros((n, 0), np.float32), np.zeros(n, np.float32), sparse.csr_matrix(np.eye(n)))
    state = scales.new()
    for hour, topic in enumerate([7, 7, 7, *range(20, 120)]):
        state = state.step(Event(hour * US_PER_HOUR, topic))
    read = state.read(state.time_us)
    assert len(read.topic) == N_TOPICS
    assert 7 in read.topic
    assert 119 in read.topic
    ages = (102 - np.arange(103)) / 24
    for half_life, counts, other in zip(TOPIC_HALF_LIVES, read.counts, read.other, strict=True):
        assert counts.sum() + other == pytest.approx((0.5 ** (ages / half_life.length)).sum(), rel=1e-5)
        assert other > 0


def test_a_batch_of_many_is_each_alone_with_more_topics_than_places() -> None:
    """The batch keeps the strongest of all by the slowest half-life, and the rest as other."""
    rng = np.random.default_rng(0)
    rows = [(int(rng.integers(N_ITEMS)), int(rng.integers(16)), int(rng.integers(3))) for _ in range(400)]
    user = np.sort(rng.integers(0, 7, 400)).astype(np.int32)
    user[user == 3] = 4  # the fourth has done nothing
    log = log_of(rows, user)
    for events in (False, True):
        scales = make_scales(events=events)
        packed = encoded(whole(log), scales, PLAIN)
        assert InterestState(scales, packed[3]).to_bytes() == scales.new().to_bytes()
        for place in (0, 1, 2, 4, 5, 6):
            own = whole(log).take(slice(place, place + 1))
            assert_alike(InterestState(scales, packed[place]), state_of(own, scales, PLAIN), log.last_us)
    wide = replace(make_scales(), topics=sparse.csr_matrix(np.random.default_rng(1).random((N_ITEMS, 150))))
    read = InterestState(wide, encoded(whole(log), wide, PLAIN)[0]).read(log.last_us)
    topics = Topics(tuple("x" * 150), tuple("x" * 150), wide.topics, ((),) * 150, log.items)
    own = log.select(_first_of_each(log))
    exact = counts_of(whole(own), topics, wide.topic_half_lives, PLAIN)[0]
    assert set(read.topic) == set(np.argsort(-exact[-1])[:N_TOPICS])
    np.testing.assert_allclose(read.counts, exact[:, read.topic], rtol=1e-4)
    np.testing.assert_allclose(read.other, exact.sum(1) - exact[:, read.topic].sum(1), rtol=1e-3)


def _first_of_each(log: EventLog) -> np.ndarray:
    seen: set[tuple[int, int, int]] = set()
    keep = np.zeros(len(log), bool)
    for place, one in enumerate(zip(log.moment, log.item_row, log.kind, strict=True)):
        keep[place] = one not in seen and log.weight[place] > 0
        seen.add(one)
    return keep


def test_the_ring_holds_the_last_events_and_when_they_were() -> None:
    times = np.cumsum([1, 0, 10**6, US_PER_DAY, 3, *[US_PER_HOUR] * 40])
    state = SCALES.new()
    for place, time_us in enumerate(times):
        state = state.step(Event(int(time_us), place % 8))
    items, when = state.recent()
    assert items.tolist() == [place % 8 for place in range(len(times))][::-1][:RING]
    np.testing.assert_allclose(state.time_us - when, state.time_us - times[::-1][:RING], rtol=1 / 2_900)
    assert SCALES.new().recent()[0].size == 0
    assert SCALES.new().time_us == ALWAYS


def test_a_user_takes_at_most_3_kb_at_width_64() -> None:
    wide = Scales(np.zeros((3, 64), np.float32), np.ones(3, np.float32), sparse.csr_matrix(np.ones((3, 300))))
    assert wide.new().step(Event(5, 1)).packed.nbytes <= 3 * 1024
    by_order = replace(wide, half_lives=EVENT_HALF_LIVES, topic_half_lives=EVENT_HALF_LIVES)
    assert by_order.new().packed.nbytes <= 3 * 1024


def test_states_on_disk_are_read_bit_for_bit_and_refused_when_they_are_others(tmp_path: Path) -> None:
    packed = encoded(whole(log_of([(1, 0, 0), (2, 3, 1), (2, 3, 0)])), SCALES, PLAIN)
    write_states(tmp_path, "states", SCALES, packed)
    assert read_states(tmp_path, "states", SCALES).tobytes() == packed.tobytes()
    code = (
        "import sys, numpy as np; a = np.load(sys.argv[1], allow_pickle=False)['packed']; "
        "sys.stdout.buffer.write(a.tobytes())"
    )
    said = subprocess.run([sys.executable, "-c", code, str(tmp_path / "states.npz")], capture_output=True, check=True)
    assert said.stdout == packed.tobytes()
    with pytest.raises(RunError, match="encode"):
        read_states(tmp_path, "states", make_scales(events=True))
    with pytest.raises(RunError, match="bytes"):
        SCALES.from_bytes(packed.tobytes()[:-1])
    (tmp_path / "states.npz").write_bytes(b"other")
    with pytest.raises(RunError, match="fit again"):
        read_states(tmp_path, "states", SCALES)


def test_scales_that_do_not_belong_together_are_refused() -> None:
    with pytest.raises(ValueError, match="a gate per vector"):
        replace(SCALES, gates=np.ones(3, np.float32))
    with pytest.raises(ValueError, match="fewer than"):
        replace(SCALES, topics=sparse.csr_matrix((N_ITEMS, 65_535)))


def test_a_step_takes_a_handful_of_microseconds_however_long_the_history() -> None:
    """Bound at ten times what is measured: other tests run beside this one."""
    scales = Scales(
        np.ones((50, 64), np.float32), np.ones(50, np.float32), sparse.random(50, 300, 0.01, "csr", random_state=0)
    )
    state, times = scales.new(), []
    for place in range(4_000):
        begun = time.process_time()
        state = state.step(Event(place * US_PER_HOUR, place % 50))
        times.append(time.process_time() - begun)
    assert np.median(times[-1_000:]) < 300e-6
    assert np.median(times[-1_000:]) < 2 * np.median(times[100:1_100])
