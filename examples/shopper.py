"""A shopper's interests evolve: from three visits to the state after them, the next purchase, and the state after that.

Run: python examples/shopper.py
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from driftline.data.events import EventLog, Histories
from driftline.data.vocabulary import Vocabulary
from driftline.models.sequence import Evolution, SequenceFit
from driftline.types import END_OF_TIME, US_PER_DAY

Visit = Sequence[str]

ITEMS = Vocabulary("ABCDEFGH")
SHOPPER: list[Visit] = [("A", "B"), ("A", "C", "D"), ("C", "E", "F")]
OTHERS: list[Visit] = [*SHOPPER, ("E", "G"), ("G", "H")]
"""What most shoppers do, visit by visit; ours has come as far as the third."""


def shop_log(visits_of: dict[str, Sequence[Visit]]) -> EventLog:
    """A log in which the items of a visit are one moment, and there is a visit a day."""
    rows = [
        (user, ITEMS.row(item), day * US_PER_DAY)
        for user, visits in enumerate(visits_of.values())
        for day, visit in enumerate(visits)
        for item in visit
    ]
    user_row, item_row, time_us = np.array(rows, np.int64).T
    return EventLog.from_columns(Vocabulary(visits_of), ITEMS, user_row, item_row, time_us)


def town(seed: int = 0, n: int = 60) -> dict[str, Sequence[Visit]]:
    """Shoppers who leave out an item of each visit now and then, and ours."""
    rng = np.random.default_rng(seed)
    others = {
        f"shopper {number}": [[item for item in visit if rng.random() > 0.2] or visit for visit in OTHERS]
        for number in range(n)
    }
    return {**others, "ours": SHOPPER}


def learn(seed: int = 0) -> SequenceFit:
    """The evolution equations, fitted on the town."""
    model = Evolution(dim=16, epochs=40, learning_rate=0.01, batch=64, dropout=0.1)
    return model.fit(shop_log(town(seed)), seed=seed)


def history_of(visits: Sequence[Visit]) -> Histories:
    """The history of somebody with these visits."""
    return shop_log({"ours": visits}).history("ours", before=END_OF_TIME)


def main() -> None:
    ahead = learn().forecast_steps(history_of(SHOPPER), n_steps=2)
    # A state is H followed by what the cell remembers beside it.
    h_3, i_3, h_4 = ahead.states[0, 0, :16], ahead.behaviours[0, 0], ahead.states[0, 1, :16]
    for name, vector in (("H_3", h_3), ("i_3", i_3), ("H_4", h_4)):
        print(name, np.round(vector[:6], 2), "…")
    for step, scores in enumerate(ahead.scores[0]):
        shares = np.exp(scores - scores.max()) / np.exp(scores - scores.max()).sum()
        best = np.argsort(-shares)[:3]
        print(f"visit {step + 3}:", ", ".join(f"{ITEMS[item]} {shares[item]:.0%}" for item in best))


if __name__ == "__main__":
    main()
