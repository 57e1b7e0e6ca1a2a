"""Small worlds and small models, one thread each: other tests run beside these."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pytest
import torch

from driftline.data.events import EventLog, Histories, histories
from driftline.data.synthetic import baskets
from driftline.data.vocabulary import Vocabulary
from driftline.models.sequence import GRU, LSTM, RNN, Evolution, Linear, SequenceFit, SequenceSettings, Timescales

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


@pytest.fixture(scope="session")
def basket_log() -> EventLog:
    """Forty shoppers with nine visits each."""
    return baskets(n_users=40, n_items=24, n_visits=9, seed=3).log


@pytest.fixture(scope="session")
def everyone(basket_log: EventLog) -> Histories:
    """Asked of every shopper: what comes after the last visit."""
    n = basket_log.n_users
    return histories(basket_log, np.arange(n, dtype=np.int32), np.full(n, basket_log.last_us + 1))


SMALL: dict[str, SequenceSettings] = {
    "rnn": RNN(dim=8, epochs=2, batch=64),
    "lstm": LSTM(dim=8, epochs=2, batch=64),
    "gru": GRU(dim=8, epochs=2, batch=64, repeats="exclude"),
    "gru that counts": GRU(dim=8, epochs=2, batch=64, repeats="allow"),
    "evolution of gru": Evolution(dim=8, epochs=2, batch=64),
    "evolution of rnn": Evolution(dim=8, epochs=2, batch=64, f="rnn"),
    "evolution of lstm": Evolution(dim=8, epochs=2, batch=64, f="lstm"),
    "linear": Linear(dim=8, epochs=2, batch=64, layers=2),
    "timescales": Timescales(dim=8, epochs=2, batch=64),
    "timescales without a clock": Timescales(dim=8, epochs=2, batch=64, clock=False),
}


@pytest.fixture(scope="session", params=list(SMALL))
def fitted(request: pytest.FixtureRequest, basket_log: EventLog) -> SequenceFit:
    """Every cell, trained for a moment."""
    return SMALL[request.param].fit(basket_log, seed=3)


@pytest.fixture(scope="session")
def gru(basket_log: EventLog) -> SequenceFit:
    """A model that is as good as any where the cell does not matter."""
    return SMALL["gru"].fit(basket_log, seed=3)
