"""Small worlds and small models, one thread each: other tests run beside these."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pytest
import torch

from driftline.data.events import EventLog
from driftline.data.vocabulary import Vocabulary
from driftline.models.sequence import GRU, LSTM, RNN, Evolution, SequenceSettings

Visit = Sequence[str]
MakeLog = Callable[..., EventLog]


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def log_of() -> MakeLog:
    """Makes a log from users' visits: `log_of([("A", "B"), ("C",)], [("B",)], items="ABCD")`, a visit a day."""

    def make(*users: Sequence[Visit], items: str = "ABCDEF") -> EventLog:
        vocabulary = Vocabulary(items)
        rows = [
            (user, vocabulary.row(item), day)
            for user, visits in enumerate(users)
            for day, visit in enumerate(visits)
            for item in visit
        ]
        user_row, item_row, day = np.array(rows, np.int64).reshape(-1, 3).T
        ids = Vocabulary(f"u{user}" for user in range(len(users)))
        return EventLog.from_columns(ids, vocabulary, user_row, item_row, day * 86_400_000_000)

    return make


SMALL: dict[str, SequenceSettings] = {
    "rnn": RNN(dim=8, epochs=2, batch=64),
    "lstm": LSTM(dim=8, epochs=2, batch=64),
    "gru": GRU(dim=8, epochs=2, batch=64),
    "evolution-gru": Evolution(dim=8, epochs=2, batch=64),
    "evolution-rnn": Evolution(dim=8, epochs=2, batch=64, f="rnn"),
    "evolution-lstm": Evolution(dim=8, epochs=2, batch=64, f="lstm"),
}


@pytest.fixture(params=list(SMALL))
def small(request: pytest.FixtureRequest) -> SequenceSettings:
    """Every cell, small enough to train in a moment."""
    return SMALL[request.param]
