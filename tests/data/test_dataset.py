"""What may be recommended at a moment: what was seen in training, and what the table lists and is there by then."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from driftline.data.catalog import Catalog
from driftline.data.dataset import candidate_mask
from driftline.data.events import EventLog
from driftline.data.vocabulary import Vocabulary


def test_an_item_of_the_table_is_a_candidate_from_its_very_moment() -> None:
    """Item 0 was seen and is not listed, item 1 is listed from 5, item 2 from 5 too and stands in no table."""
    items = Vocabulary(["seen", "listed", "unlisted"])
    train = EventLog.from_columns(Vocabulary(["u"]), items, np.zeros(1, np.int32), np.zeros(1, np.int32), np.zeros(1))
    catalog = replace(
        Catalog.empty(items), listed=np.array([False, True, False]), available_from_us=np.array([9, 5, 5])
    )
    assert candidate_mask(catalog, train, [4, 5, 6]).tolist() == [
        [True, False, False],
        [True, True, False],
        [True, True, False],
    ]
    assert catalog.available(5).tolist() == [False, True, False]
