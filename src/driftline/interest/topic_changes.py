"""What became of topics from one fit to the next: those that went on, that are new or ended, merges and splits.

Items that both fits know flow from their old topics to their new ones: what an item kept of a topic stays there, and
what it lost goes to what it gained. An old topic *went to* the new one that got at least half of its items, and a new
one *came from* the old one that brought at least half of its own. A topic goes on where its id does. Then

    merged    several old topics, ended or going on as this one, went to one new topic
    split     several new topics, new or going on from this one, came from one old topic
    renamed   one old topic that ended went to a new one that came from it
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from driftline.interest.topics import Topics

MOST = 0.5
"""The share of a topic's items that says where it went, or whence it came."""


@dataclass(frozen=True)
class TopicChanges:
    """Ids of topics; `merged` pairs the old ids with the new one, `split` and `renamed` the old one with the new.

    `names` holds the name of every id that stands here, as it is now where the topic goes on.
    """

    went_on: tuple[str, ...]
    new: tuple[str, ...]
    ended: tuple[str, ...]
    merged: tuple[tuple[tuple[str, ...], str], ...]
    split: tuple[tuple[str, tuple[str, ...]], ...]
    renamed: tuple[tuple[str, str], ...]
    names: Mapping[str, str]

    def as_json(self) -> dict[str, Any]:
        """`{"went_on": [id], "new", "ended": [TOPIC], "merged", "split", "renamed": [{"from", "into"}]}`.

        TOPIC is `{"topic", "name"}`; `from` of a merge and `into` of a split are lists of them.
        """
        return {
            "went_on": list(self.went_on),
            "new": self._topics(self.new),
            "ended": self._topics(self.ended),
            "merged": [{"from": self._topics(old), "into": self._topic(new)} for old, new in self.merged],
            "split": [{"from": self._topic(old), "into": self._topics(new)} for old, new in self.split],
            "renamed": [{"from": self._topic(old), "into": self._topic(new)} for old, new in self.renamed],
        }

    def _topic(self, id_: str) -> dict[str, str]:
        return {"topic": id_, "name": self.names[id_]}

    def _topics(self, ids: tuple[str, ...]) -> list[dict[str, str]]:
        return [self._topic(id_) for id_ in ids]


def topic_changes(old: Topics, new: Topics) -> TopicChanges:
    """What became of the old topics; those without an item that both fits know can only go on, end or be new."""
    flows = _flows(old, new)
    sources = _parts(new.ids, old.ids, _most(flows))
    parts = _parts(old.ids, new.ids, _most(sparse.csr_matrix(flows.T)))
    before, now = set(old.ids), set(new.ids)
    return TopicChanges(
        tuple(id_ for id_ in new.ids if id_ in before),
        tuple(id_ for id_ in new.ids if id_ not in before),
        tuple(id_ for id_ in old.ids if id_ not in now),
        tuple((some, id_) for id_, some in sources.items() if len(some) > 1),
        tuple((id_, some) for id_, some in parts.items() if len(some) > 1),
        tuple(
            (one, id_) for id_, (one, *more) in sources.items() if not more and one != id_ and parts.get(one) == (id_,)
        ),
        dict(zip(old.ids, old.names, strict=True)) | dict(zip(new.ids, new.names, strict=True)),
    )


def _parts(wholes: tuple[str, ...], ids: tuple[str, ...], towards: NDArray[np.int64]) -> dict[str, tuple[str, ...]]:
    """Which topics `ids` make up each of the others, by where most of each lies; wholes without any are left out.

    A topic that goes on is part of none but itself.
    """
    there = set(wholes)
    parts: dict[str, list[str]] = {id_: [] for id_ in wholes}
    for id_, place in zip(ids, towards.tolist(), strict=True):
        if place >= 0 and (id_ == wholes[place] or id_ not in there):
            parts[wholes[place]].append(id_)
    return {id_: tuple(some) for id_, some in parts.items() if some}


def _flows(old: Topics, new: Topics) -> sparse.csr_matrix:
    """Items that went from each old topic to each new one; [n_old, n_new]. An item with several topics is divided."""
    rows = new.items.rows(old.items.ids)
    both = np.flatnonzero(rows >= 0)
    before, now = old.weights[both], new.weights[rows[both]]
    whole = (np.diff(before.indptr) > 0) & (np.diff(now.indptr) > 0)
    before, now = sparse.csr_matrix(before[whole]), sparse.csr_matrix(now[whole])
    same = np.array([(number, new.column(id_)) for number, id_ in enumerate(old.ids) if new.column(id_) >= 0], np.int64)
    places = (same[:, 0], same[:, 1]) if len(same) else (np.zeros(0, np.int64), np.zeros(0, np.int64))
    across = sparse.csr_matrix((np.ones(len(places[0])), places), shape=(len(old), len(new)))
    kept = sparse.csr_matrix(before @ across).minimum(now)
    lost, gained = before - kept @ across.T, now - kept
    left = np.asarray(gained.sum(axis=1), np.float64).ravel()
    scale = np.divide(1, left, out=np.zeros(len(left)), where=left > 1e-9)
    stayed = sparse.diags(np.asarray(kept.sum(axis=0), np.float64).ravel())
    return sparse.csr_matrix(across @ stayed + lost.T @ sparse.diags(scale) @ gained)


def _most(flows: sparse.csr_matrix) -> NDArray[np.int64]:
    """The column with at least `MOST` of each row, the first of equals; -1 where there is none; shape [n_rows]."""
    total = np.asarray(flows.sum(axis=1), np.float64).ravel()
    if not flows.shape[1]:
        return np.full(len(total), -1, np.int64)
    best = np.asarray(flows.argmax(axis=1), np.int64).ravel()
    top = np.asarray(flows.max(axis=1).toarray(), np.float64).ravel()
    return np.where((total > 0) & (top >= MOST * total - 1e-9), best, -1)
