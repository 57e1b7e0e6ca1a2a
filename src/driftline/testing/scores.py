"""Checks of what `fit` and `score` promise: repeatable, pure, of the right shape, and unshaken by odd questions."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from driftline.data.events import EventLog, Histories, histories
from driftline.errors import NotEnoughDataError
from driftline.testing.case import Case, check, require
from driftline.types import Scores


@check
def one_seed_gives_one_model(case: Case, _: Path) -> None:
    """Two fits with the same seed score alike, bit for bit."""
    again = case.fit(case.log).score(case.asked)
    require(np.array_equal(case.scores, again), "two fits with one seed must give the same scores")


@check
def inputs_stay_untouched(case: Case, _: Path) -> None:
    """Neither `fit` nor `score` writes into the log, the catalog or the questions."""
    asked = case.asked
    before = [array.copy() for array in _arrays(case, asked)]
    case.fit(case.log).score(asked)
    same = all(np.array_equal(a, b) for a, b in zip(before, _arrays(case, asked), strict=True))
    require(same, "fit and score must not change what they are handed")


def _arrays(case: Case, asked: Histories) -> list[NDArray[np.generic]]:
    log, catalog = case.log, case.catalog
    return [
        *(log.user_row, log.item_row, log.time_us, log.kind, log.weight),
        *(catalog.title, catalog.text, catalog.topics.data, catalog.listed),
        *(asked.start, asked.end, asked.at_us, asked.user_row),
    ]


@check
def scores_are_finite_numbers_of_the_right_shape(case: Case, _: Path) -> None:
    """float32, [n_queries, n_items], finite; no query, no rows."""
    _require_scores(case.scores, (len(case.asked), case.log.n_items))
    _require_scores(case.fitted.score(case.asked.take(slice(0, 0))), (0, case.log.n_items))


def _require_scores(scores: Scores, shape: tuple[int, int]) -> None:
    require(scores.shape == shape, f"scores must have shape {shape}, got {scores.shape}")
    require(scores.dtype == np.float32, f"scores must be float32, got {scores.dtype}")
    require(np.isfinite(scores).all(), "scores must be finite, got NaN or infinity")


@check
def chosen_items_are_columns(case: Case, _: Path) -> None:
    """`items=` gives the columns of the full score, in the order asked for."""
    items = np.array([5, 0, case.log.n_items - 1, 5], np.int32)
    columns = case.fitted.score(case.asked, items)
    require(_alike(columns, case.scores[:, items]), "score(items=…) must equal those columns of the full score")


@check
def a_batch_is_its_single_questions(case: Case, _: Path) -> None:
    """Questions asked one by one, and in another order, are answered as in one batch."""
    single = np.concatenate([case.fitted.score(case.asked.take(slice(n, n + 1))) for n in range(len(case.asked))])
    require(_alike(single, case.scores), "a batch must be answered like its questions one by one")
    order = np.arange(len(case.asked))[::-1]
    turned = case.fitted.score(case.asked.take(order))
    require(_alike(turned, case.scores[order]), "the order of questions must not change the answers")


def _alike(left: Scores, right: Scores) -> bool:
    """Equal up to the rounding of float32."""
    scale = max(float(np.abs(right).max(initial=0.0)), 1e-30)
    return left.shape == right.shape and bool(np.allclose(left, right, rtol=1e-4, atol=1e-5 * scale))


@check
def nothing_is_read_from_after_the_question(case: Case, _: Path) -> None:
    """A history is answered alike whether its log goes on afterwards or ends there."""
    middle = int(np.median(case.log.time_us))
    users, at_us = np.arange(5, dtype=np.int32), np.full(5, middle, np.int64)
    whole = case.fitted.score(histories(case.log, users, at_us))
    cut = case.fitted.score(histories(case.log.before(middle), users, at_us))
    require(_alike(whole, cut), "events after the moment of a question must not change its answer")


@check
def unknown_users_are_answered(case: Case, _: Path) -> None:
    """A user whom the log does not know gets finite scores, the same as any other such user."""
    at_us = np.full(2, case.log.last_us + 1, np.int64)
    strangers = histories(case.log, np.array([-1, case.log.n_users + 5], np.int32), at_us)
    scores = case.fitted.score(strangers)
    _require_scores(scores, (2, case.log.n_items))
    require(_alike(scores[:1], scores[1:]), "two users of whom nothing is known must be answered alike")
    nowhere = replace(strangers, log=case.log.select(np.zeros(len(case.log), bool)))
    require(
        _alike(case.fitted.score(nowhere), scores), "a history out of an empty log must be answered like no history"
    )


@check
def the_history_is_read(case: Case, _: Path) -> None:
    """A personal model answers users with different histories differently; others answer all alike."""
    differ = not np.array_equal(case.scores[0], case.scores[1])
    require(differ == case.personal, f"expected personal={case.personal}, but scores differ between users: {differ}")


@check
def unseen_items_do_not_lead(case: Case, _: Path) -> None:
    """An item without any event is at the top of nobody's scores, unless the catalog speaks for it."""
    unseen = case.log.item_counts() == 0
    leads = unseen[case.scores.argmax(axis=1)] & (
        (case.scores == case.scores.max(axis=1, keepdims=True)).sum(axis=1) == 1
    )
    require(case.cold or not leads.any(), "an item that was never seen in training must not be scored first")


@check
def little_data_is_no_crash(case: Case, _: Path) -> None:
    """No event, one event, one user, one item: NotEnoughDataError, or a model that answers."""
    log = case.log
    for what, keep in (
        ("no event", np.zeros(len(log), bool)),
        ("one event", np.arange(len(log)) == 0),
        ("one user", log.user_row == 0),
        ("one item", log.item_row == 0),
    ):
        _require_answer(case, log.select(keep), what)


def _require_answer(case: Case, part: EventLog, what: str) -> None:
    try:
        fitted = case.fit(part)
    except NotEnoughDataError:
        return
    scores = fitted.score(case.asked)
    require(
        scores.shape == case.scores.shape and bool(np.isfinite(scores).all()),
        f"a model fitted on {what} must raise NotEnoughDataError or give finite scores of the full shape",
    )
