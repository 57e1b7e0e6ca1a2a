"""One equation, two speeds: the state of a history, however it is come by."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from driftline.data.events import EventLog, Histories, histories
from driftline.data.kinds import Kind
from driftline.data.vocabulary import Vocabulary
from driftline.errors import SettingsError
from driftline.models import sequence
from driftline.models.base import Encodes, States, Updates
from driftline.models.sequence import SequenceFit


def streamed(fitted: SequenceFit, log: EventLog, user: int) -> States:
    """The slow twin: the state after single steps, one per moment, as it stands when it is asked for."""
    low, high = log.user_offsets[user : user + 2]
    state = fitted.start()
    for moment in np.unique(log.moment[low:high]):
        now = log.moment == moment
        state = fitted.step(state, log.item_row[now], int(log.time_us[now][0]))
    return fitted.at(state, np.array([log.last_us + 1]))


def assert_streams(fitted: SequenceFit, everyone: Histories) -> None:
    states = fitted.encode(everyone)
    for user in range(12):
        state = streamed(fitted, everyone.log, user)
        np.testing.assert_allclose(states.vectors[user], state.vectors[0], atol=1e-5)
        assert (states.had is None) == (state.had is None)
        if states.had is not None and state.had is not None:
            np.testing.assert_allclose(states.had[[user]].toarray(), state.had.toarray(), atol=1e-5)


def test_the_state_of_a_history_is_the_state_after_single_steps(fitted: SequenceFit, everyone: Histories) -> None:
    assert_streams(fitted, everyone)


def test_the_state_is_the_same_after_saving_and_reading(
    fitted: SequenceFit, everyone: Histories, tmp_path: Path
) -> None:
    fitted.save(tmp_path)
    again = getattr(sequence, type(fitted).__name__).load(tmp_path)
    assert_streams(again, everyone)
    np.testing.assert_array_equal(again.encode(everyone).vectors, fitted.encode(everyone).vectors)
    np.testing.assert_array_equal(again.score(everyone), fitted.score(everyone))
    assert again.settled() == fitted.settled()


def test_a_batch_gives_what_single_questions_give(fitted: SequenceFit, everyone: Histories) -> None:
    alone = np.concatenate([fitted.score(one) for one in everyone.batches(1)])
    np.testing.assert_allclose(fitted.score(everyone), alone, atol=1e-4)


def test_questions_at_any_moment_read_what_is_before_it_alone(gru: SequenceFit, basket_log: EventLog) -> None:
    """All questions of a user in one call, against each history cut out of the log and asked alone."""
    at = np.unique(basket_log.time_us[basket_log.user_row == 5])
    asked = histories(basket_log, np.full(len(at), 5, np.int32), at)
    for place, moment in enumerate(at):
        alone = basket_log.before(int(moment)).history("u5", before=int(moment))
        np.testing.assert_allclose(gru.encode(asked).vectors[place], gru.encode(alone).vectors[0], atol=1e-5)
        np.testing.assert_allclose(gru.score(asked)[place], gru.score(alone)[0], atol=1e-4)


def test_scores_of_states_are_the_scores_of_histories(fitted: SequenceFit, everyone: Histories) -> None:
    some = np.array([4, 0, 7], np.int32)
    scores = fitted.score(everyone)
    np.testing.assert_array_equal(fitted.score_states(fitted.encode(everyone)), scores)
    np.testing.assert_array_equal(fitted.score(everyone, some), scores[:, some])


def test_the_order_inside_a_basket_means_nothing(
    fitted: SequenceFit, basket_log: EventLog, everyone: Histories
) -> None:
    turned = np.lexsort((np.random.default_rng(0).random(len(basket_log)), basket_log.time_us, basket_log.user_row))
    other = basket_log.select(turned)
    assert not np.array_equal(other.item_row, basket_log.item_row)
    asked = histories(other, everyone.user_row, everyone.at_us)
    np.testing.assert_array_equal(fitted.score(asked), fitted.score(everyone))


def test_the_order_of_visits_means_something(fitted: SequenceFit, everyone: Histories) -> None:
    log = everyone.log
    backward = EventLog.from_columns(log.users, log.items, log.user_row, log.item_row, log.last_us - log.time_us)
    asked = histories(backward, everyone.user_row, everyone.at_us)
    assert np.abs(fitted.score(asked) - fitted.score(everyone)).max(axis=1).min() > 1e-3


def test_somebody_without_a_past_gets_the_order_of_popularity(fitted: SequenceFit, basket_log: EventLog) -> None:
    scores = fitted.score(basket_log.history("nobody", before=1))[0]
    counts = basket_log.item_counts()
    assert np.corrcoef(scores, np.log(counts))[0, 1] > 0.95
    nothing = fitted.encode(basket_log.history("nobody", before=1))
    np.testing.assert_array_equal(nothing.vectors, fitted.start().vectors)


def with_a_cold_item(log: EventLog, *, item: int, user: int = 0, kinds: tuple[Kind, ...] | None = None) -> EventLog:
    """One more event of a user, under vocabularies with one item that nobody had."""
    kinds = kinds or log.kinds
    kind = np.append(np.zeros(len(log), np.int8), np.int8(len(kinds) - 1))
    return EventLog.from_columns(
        log.users,
        log.items.extended(["never seen"]),
        np.append(log.user_row, user).astype(np.int32),
        np.append(log.item_row, item).astype(np.int32),
        np.append(log.time_us, log.last_us + 1),
        kinds=kinds,
        kind=kind,
    )


def test_an_item_without_events_comes_after_all_others(basket_log: EventLog) -> None:
    wider = EventLog.from_columns(
        basket_log.users,
        Vocabulary([*basket_log.items, "never seen"]),
        basket_log.user_row,
        basket_log.item_row,
        basket_log.time_us,
    )
    fitted = sequence.GRU(dim=8, epochs=1).fit(wider)
    scores = fitted.score(histories(wider, np.arange(5, dtype=np.int32), np.full(5, wider.last_us)))
    assert (scores[:, -1] < scores[:, :-1].min(axis=1)).all()


def test_items_that_are_unknown_and_events_that_are_no_interest_move_nothing(
    gru: SequenceFit, basket_log: EventLog, everyone: Histories
) -> None:
    before = gru.encode(everyone.take(slice(0, 1)))
    cold = with_a_cold_item(basket_log, item=basket_log.n_items)
    hidden = with_a_cold_item(basket_log, item=3, kinds=(*basket_log.kinds, Kind("hide", weight=-1, target=False)))
    for log in (cold, hidden):
        again = gru.encode(log.history("u0", before=log.last_us + 1))
        np.testing.assert_allclose(again.vectors, before.vectors, atol=1e-6)
    assert gru.step(before, np.array([-1, 99], np.int32)) is before


def test_steps_ahead_begin_where_the_history_ends(fitted: SequenceFit, everyone: Histories) -> None:
    ahead = fitted.forecast_steps(everyone, 3)
    np.testing.assert_allclose(ahead.states[:, 0], fitted.encode(everyone).vectors, atol=1e-6)
    np.testing.assert_allclose(ahead.scores[:, 0], fitted.score(everyone), atol=1e-5)
    assert ahead.scores.shape == (len(everyone), 3, everyone.log.n_items)
    assert np.isfinite(ahead.scores).all()
    assert np.abs(np.diff(ahead.states, axis=1)).max(axis=(1, 2)).min() > 1e-4
    with pytest.raises(SettingsError, match="at least one step"):
        fitted.forecast_steps(everyone, 0)


def test_a_fitted_model_has_the_verbs(fitted: SequenceFit) -> None:
    assert isinstance(fitted, Encodes)
    assert isinstance(fitted, Updates)
