"""The wall-clock recurrence: what a hand works out, batch as step, read when it is asked for, and nothing of later."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from driftline.data.events import EventLog, histories
from driftline.data.vocabulary import Vocabulary
from driftline.errors import SettingsError
from driftline.interest.encoding import encoded, state_of
from driftline.interest.evidence import RatingScale
from driftline.interest.state import HALF_LIVES, HalfLife, InterestState
from driftline.models.sequence import FittedTimescales, SequenceFit, Timescales
from driftline.models.sequence.batches import by_time, steps_at
from driftline.models.sequence.layout import Layout
from driftline.models.sequence.scales import RING, Carried, ScalesCore
from driftline.models.sequence.steps import Steps
from driftline.models.sequence.training import own_randomness
from driftline.types import ALWAYS, END_OF_TIME, US_PER_DAY, US_PER_HOUR

DIM, N_ITEMS = 6, 12


@pytest.fixture
def core() -> ScalesCore:
    """Every weight at random, the last ones too, which are 0 before training."""
    with own_randomness(0):
        made = ScalesCore(DIM, HALF_LIVES, 2, 0.3)
        for weights in made.parameters():
            torch.nn.init.normal_(weights, 0, 0.3)
    return made.eval()


@pytest.fixture
def vectors() -> torch.Tensor:
    return torch.randn(N_ITEMS, DIM, generator=torch.Generator().manual_seed(1))


def some_steps(lengths: list[int], seed: int = 0) -> Steps:
    """Sequences of so many sets of one to three items, a minute to a month apart."""
    rng = np.random.default_rng(seed)
    sets = [np.sort(rng.choice(N_ITEMS, rng.integers(1, 4), replace=False)) for _ in range(sum(lengths))]
    gaps = 10 ** rng.uniform(np.log10(60e6), np.log10(30 * US_PER_DAY), sum(lengths))
    ends = np.cumsum(lengths)
    time_us = np.concatenate([np.cumsum(part) for part in np.split(gaps, ends[:-1])]).astype(np.int64)
    step = np.concatenate([[0], np.cumsum([len(one) for one in sets])])
    return Steps(np.concatenate(sets), step, np.concatenate([[0], ends]), time_us)


def moments_of(core: ScalesCore, vectors: torch.Tensor, steps: Steps) -> torch.Tensor:
    means = [vectors[steps.item[a:b]].mean(0) for a, b in zip(steps.step[:-1], steps.step[1:], strict=True)]
    return torch.cat([torch.stack(means), core.sums(vectors, steps)], 1)


def start(core: ScalesCore, n: int) -> Carried:
    return Carried(torch.zeros(n, core.width), np.full((n, RING + 1), ALWAYS))


@torch.no_grad()
def test_all_steps_at_once_are_the_steps_one_by_one_read_at_the_next(core: ScalesCore, vectors: torch.Tensor) -> None:
    """Sequences longer than the ring, gaps from a minute to a month, sets; carried and read."""
    lengths = [2 * RING, 40, 40, 7, 1]
    steps = some_steps(lengths)
    numbers, going = by_time(steps.sequence[:-1], steps.lengths)
    lying = steps_at(steps, numbers)
    moments = moments_of(core, vectors, lying)
    read_us = lying.time_us + np.random.default_rng(3).integers(1, 40 * US_PER_DAY, len(numbers))
    found = core.run(moments, Layout(going, lying.time_us, read_us))
    carried = core.after(moments, Layout(going, lying.time_us), np.arange(len(numbers)))
    state, first = start(core, going[0]), 0
    for n in going:
        here = slice(first, first + n)
        state = core(moments[here], Carried(state.vectors[:n], state.times_us[:n]), lying.time_us[here])
        torch.testing.assert_close(carried.vectors[here], state.vectors, rtol=1e-5, atol=1e-5)
        np.testing.assert_array_equal(carried.times_us[here], state.times_us)
        torch.testing.assert_close(core.read(core.faded(state, read_us[here])), found[here], rtol=1e-5, atol=1e-5)
        first += n


def test_what_is_carried_is_what_a_hand_works_out(vectors: torch.Tensor) -> None:
    """Gates of 1/2; a day and 2 events as half-lives; items 0 and 1 a day apart, then 2 with 3 another day later."""
    core = ScalesCore(DIM, (HalfLife(days=1), HalfLife(events=2)), 2, 0.0)
    torch.nn.init.zeros_(core.gate.weight)
    torch.nn.init.zeros_(core.gate.bias)
    steps = Steps(np.arange(4), np.array([0, 1, 2, 4]), np.array([0, 3]), np.arange(3) * US_PER_DAY)
    state = core.after(moments_of(core, vectors, steps), Layout([1, 1, 1], steps.time_us), np.array([2]))
    day, two_events = state.vectors[0, : 2 * (DIM + 1)].chunk(2)
    weights = torch.tensor([[1 / 4, 1 / 2, 1, 1], [2**-1.5, 2**-1, 1, 1]]) / 2
    for found, weight in zip((day, two_events), weights, strict=True):
        torch.testing.assert_close(found, torch.cat([weight @ vectors[:4], weight.sum()[None]]))
    later = core.faded(state, np.array([4 * US_PER_DAY])).vectors[0]
    torch.testing.assert_close(later[: DIM + 1], day / 4)
    torch.testing.assert_close(later[DIM + 1 : 2 * (DIM + 1)], two_events)


@torch.no_grad()
def test_nothing_of_later_is_read_but_when_it_was(core: ScalesCore, vectors: torch.Tensor) -> None:
    steps = some_steps([9])
    moments = moments_of(core, vectors, steps)
    read_us = np.append(steps.time_us[1:], steps.time_us[-1] + US_PER_HOUR)
    before = core.run(moments, Layout([1] * 9, steps.time_us, read_us))
    changed = moments.clone()
    changed[5:] += 1
    after = core.run(changed, Layout([1] * 9, steps.time_us, read_us))
    torch.testing.assert_close(after[:5], before[:5])
    moved_us = np.where(np.arange(9) < 5, read_us, read_us + 10 * US_PER_DAY)
    later = core.run(moments, Layout([1] * 9, steps.time_us, moved_us))
    torch.testing.assert_close(later[:5], before[:5])
    assert (later[5:] - before[5:]).abs().amax(1).min() > 1e-3


@torch.no_grad()
def test_before_training_nothing_is_added_and_clocks_run_as_they_are_told() -> None:
    core = ScalesCore(DIM, HALF_LIVES, 2, 0.3).eval()
    steps = some_steps([5])
    found = core.run(moments_of(core, torch.randn(N_ITEMS, DIM), steps), Layout([1] * 5, steps.time_us))
    assert not found.any()
    assert (torch.exp(core.pace) == 1).all()


def test_every_weight_is_learned() -> None:
    with own_randomness(0):
        core = ScalesCore(DIM, HALF_LIVES, 2, 0.0)
        for weights in core.parameters():
            torch.nn.init.normal_(weights, 0, 0.3)
        steps, vectors = some_steps([9]), torch.randn(N_ITEMS, DIM)
    core.run(moments_of(core, vectors, steps), Layout([1] * 9, steps.time_us)).square().sum().backward()
    still = [name for name, weights in core.named_parameters() if weights.grad is None or not weights.grad.any()]
    assert not still
    assert core.pace.grad is not None
    assert core.pace.grad.abs().min() > 0


@pytest.fixture(scope="module")
def fitted(basket_log: EventLog) -> SequenceFit:
    return Timescales(dim=8, epochs=2, batch=64).fit(basket_log, seed=3)


def test_an_answer_depends_on_when_it_is_asked(fitted: SequenceFit, basket_log: EventLog) -> None:
    at_us = basket_log.last_us + np.array([1, 1, 40 * US_PER_DAY])
    scores = fitted.score(histories(basket_log, np.array([3, 3, 3], np.int32), at_us))
    np.testing.assert_array_equal(scores[0], scores[1])
    assert np.abs(scores[2] - scores[0]).max() > 1e-3


def test_a_state_read_on_the_way_is_the_state_read_at_once(fitted: SequenceFit, basket_log: EventLog) -> None:
    users, last = np.arange(5, dtype=np.int32), basket_log.last_us
    at_once = fitted.encode(histories(basket_log, users, np.full(5, last + 9 * US_PER_DAY)))
    early = fitted.encode(histories(basket_log, users, np.full(5, last + 1)))
    by_steps = fitted.at(fitted.at(early, np.full(5, last + US_PER_DAY)), np.full(5, last + 9 * US_PER_DAY))
    np.testing.assert_allclose(by_steps.vectors, at_once.vectors, atol=1e-6)
    np.testing.assert_array_equal(by_steps.times_us, at_once.times_us)


def test_who_asks_for_a_clock_says_when(fitted: SequenceFit, basket_log: EventLog) -> None:
    state = fitted.step(fitted.start(), np.array([2], np.int32), basket_log.last_us)
    with pytest.raises(SettingsError, match="at_us"):
        fitted.step(state, np.array([1], np.int32))
    with pytest.raises(SettingsError, match="not before"):
        fitted.step(state, np.array([1], np.int32), basket_log.last_us - 1)


def test_positions_are_no_clock(basket_log: EventLog) -> None:
    """Where only the order is known the answer does not depend on when it is asked; a log of days has a clock."""
    order = np.arange(len(basket_log), dtype=np.int64)
    log = EventLog.from_columns(basket_log.users, basket_log.items, basket_log.user_row, basket_log.item_row, order)
    fitted = Timescales(dim=8, epochs=1, batch=64).fit(log, seed=3)
    assert fitted.settled() == Timescales(
        dim=8, epochs=1, batch=64, dropout=0.4, clock=False, repeats=fitted.settled().repeats
    )
    assert all(one.events is not None for one in fitted.settled().half_lives)
    users = np.array([3, 3], np.int32)
    scores = fitted.score(histories(log, users, np.array([log.last_us + 1, END_OF_TIME])))
    np.testing.assert_array_equal(scores[0], scores[1])
    fitted.step(fitted.start(), np.array([2], np.int32))  # nobody has to say when


def test_the_whole_of_a_long_history_counts(fitted: SequenceFit) -> None:
    """An item that was taken long before the last thousand moments, all of one day, is still in the 60 days."""
    items = np.r_[np.full(300, 5), np.tile([0, 1], 600)]
    n = len(items)
    users, names = Vocabulary(["u"]), Vocabulary(f"i{place}" for place in range(fitted.n_items))
    log = EventLog.from_columns(users, names, np.zeros(n, np.int32), items, np.arange(n, dtype=np.int64) * 10**6)
    assert isinstance(fitted, FittedTimescales)
    found = fitted.encode(histories(log, np.zeros(1, np.int32), np.array([log.last_us + 1]))).vectors[0]
    gates = fitted.network.core.gates(fitted.network.items)[items, 0].detach().numpy()
    sixty = found[3 * 9 : 4 * 9]
    np.testing.assert_allclose(sixty[-1], gates.sum(), rtol=1e-3)


@pytest.mark.parametrize("clock", [True, False])
def test_the_sums_of_the_network_are_those_of_the_interest_state(basket_log: EventLog, clock: bool) -> None:
    """Of every user of a log of baskets, after weights and half-lives have moved, event by event and in a batch."""
    fitted = Timescales(dim=8, epochs=4, batch=32, learning_rate=0.05, clock=clock).fit(basket_log, seed=3)
    assert isinstance(fitted, FittedTimescales)
    scales = fitted.scales()
    assert len(set(scales.half_lives) - set(HALF_LIVES)) > 1
    at_us = basket_log.last_us + 9 * US_PER_DAY
    asked = histories(basket_log, np.arange(12, dtype=np.int32), np.full(12, at_us))
    sums = fitted.encode(asked).vectors[:, : len(scales.half_lives) * 9].reshape(12, -1, 9)
    packed = encoded(asked, scales, RatingScale())
    for user in range(12):
        stepped = state_of(asked.take(slice(user, user + 1)), scales, RatingScale()).read(at_us)
        batch = InterestState(scales, packed[user]).read(at_us)
        for read in (stepped, batch):
            np.testing.assert_allclose(read.weights, sums[user, :, -1], atol=1e-5)
            np.testing.assert_allclose(read.levels, sums[user, :, :-1] / (sums[user, :, -1:] + 1), atol=1e-5)


def test_steps_ahead_come_at_the_users_own_pace(fitted: SequenceFit, basket_log: EventLog) -> None:
    """In the sums of an hour nothing is left of a step when the next comes a week later."""
    ahead = fitted.forecast_steps(histories(basket_log, np.array([3], np.int32), np.array([basket_log.last_us + 1])), 4)
    hour = ahead.states[0, 1:, :9]
    assert (hour[:, -1] < 1).all()  # one gate alone


def test_settings_that_make_no_sense_are_refused() -> None:
    with pytest.raises(SettingsError, match="clock"):
        Timescales(clock="yes")  # type: ignore[arg-type]
    with pytest.raises(SettingsError, match="divide"):
        Timescales(dim=9)
