"""A dataset under another numbering is the same dataset: every event and attribute is found by its id again."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from driftline.data.dataset import Dataset
from driftline.data.reading import read_dataset
from driftline.data.renumbering import renumbered
from driftline.data.vocabulary import Vocabulary


def small(folder: Path) -> Dataset:
    folder.joinpath("events.csv").write_text(
        "user_id,item_id,time,page\nb,y,2024-01-02,1\na,x,2024-01-03,2\na,z,2024-01-01,3\na,y,2024-01-03,4\n",
        encoding="utf-8",
    )
    folder.joinpath("items.csv").write_text(
        "item_id,title,topics,available_from,price\nz,Zed,one|two,2024-01-01,5\nx,Ex,two,2024-02-01,7\n",
        encoding="utf-8",
    )
    return read_dataset(folder)


def told(dataset: Dataset) -> list[tuple]:
    log = dataset.log
    assert log.extra is not None
    return sorted(
        (log.users[user], int(time), log.items[item], page)
        for user, time, item, page in zip(log.user_row, log.time_us, log.item_row, log.extra["page"], strict=True)
    )


def test_rows_follow_the_given_ids_and_everything_is_found_by_id(tmp_path: Path) -> None:
    old = small(tmp_path)
    new = renumbered(old, Vocabulary(["gone", "a"]), Vocabulary(["y", "once", "x"]))
    assert list(new.log.users) == ["gone", "a", "b"]
    assert list(new.log.items) == list(new.catalog.items) == ["y", "once", "x", "z"]
    assert told(new) == told(old)
    assert new.log.user_offsets.tolist() == [0, 0, 3, 4]
    for id_ in ("x", "y", "z"):
        here, there = new.catalog.items.row(id_), old.catalog.items.row(id_)
        assert new.catalog.title[here] == old.catalog.title[there]
        assert new.catalog.available_from_us[here] == old.catalog.available_from_us[there]
        assert new.catalog.listed[here] == old.catalog.listed[there]
        np.testing.assert_array_equal(new.catalog.topics[[here]].toarray(), old.catalog.topics[[there]].toarray())
        assert new.catalog.attributes is not None
        assert old.catalog.attributes is not None
        assert new.catalog.attributes["price"][here] == old.catalog.attributes["price"][there]
    assert not new.catalog.listed[1]


def test_events_of_one_moment_keep_their_order(tmp_path: Path) -> None:
    new = renumbered(small(tmp_path), Vocabulary(["b"]), Vocabulary([]))
    own = new.log.history("a", before=np.iinfo(np.int64).max)
    assert [new.log.items[row] for row in new.log.item_row[int(own.start[0]) : int(own.end[0])]] == ["z", "x", "y"]


def test_the_own_numbering_is_no_change(tmp_path: Path) -> None:
    old = small(tmp_path)
    assert renumbered(old, Vocabulary(old.log.users.ids[:1]), Vocabulary(old.log.items.ids[:2])) is old
