"""Typed edges of items and friendships of users, as rows and as sparse matrices, as of a moment."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import sparse

from driftline.data.vocabulary import Vocabulary
from driftline.types import END_OF_TIME, Rows


@dataclass(frozen=True, eq=False)
class Edges:
    """Typed edges as numbers: edge e ties `entities[head[e]]` to `entities[tail[e]]` by `names[relation[e]]`.

    Entities are the items, by their rows, then everything else that an edge names; arrays have shape [n_edges].
    """

    entities: Vocabulary
    names: tuple[str, ...]
    head: Rows
    relation: NDArray[np.int16]
    tail: Rows
    n_items: int

    def by_item(self, relation: str | None = None) -> sparse.csr_matrix:
        """Which entities each item is tied to, in either direction; 0/1 floats of shape [n_items, n_entities]."""
        keep = np.ones(len(self.head), bool)
        if relation is not None:
            keep = self.relation == (self.names.index(relation) if relation in self.names else -1)
        head, tail = self.head[keep], self.tail[keep]
        item, other = np.concatenate([head, tail]), np.concatenate([tail, head])
        own = item < self.n_items
        return _incidence(item[own], other[own], (self.n_items, len(self.entities)))


def typed_edges(relations: pl.DataFrame, items: Vocabulary) -> Edges:
    """The edges of a relations table; relation names are in alphabetical order, repeated edges count once."""
    table = relations.select("head", "relation", "tail").unique(maintain_order=True)
    ends = pl.concat([table["head"], table["tail"].alias("head")]).to_list()
    entities = items.extended(ends)
    names = table["relation"].unique().sort()
    return Edges(
        entities,
        tuple(names),
        entities.rows(table["head"].to_list()),
        table["relation"].cast(pl.Enum(names)).to_physical().cast(pl.Int16).to_numpy(),
        entities.rows(table["tail"].to_list()),
        len(items),
    )


def friends_at(friends: pl.DataFrame, users: Vocabulary, at_us: int = END_OF_TIME) -> sparse.csr_matrix:
    """Who is a friend of whom at a moment; 0/1 floats of shape [n_users, n_users], row u the friends of u.

    Friendships made at `at` or later are not known yet; those without a time always are. Edges are taken as they
    stand: following is not being followed. Friends without a row in `users` are left out.
    """
    known = friends.filter(pl.col("time_us") < at_us)
    user, friend = users.rows(known["user_id"].to_list()), users.rows(known["friend_id"].to_list())
    both = (user >= 0) & (friend >= 0) & (user != friend)
    return _incidence(user[both], friend[both], (len(users), len(users)))


def friends_of(friends: pl.DataFrame, user_id: str, at_us: int = END_OF_TIME) -> list[str]:
    """The ids of a user's friends at a moment, in the order of the table."""
    known = friends.filter((pl.col("user_id") == user_id) & (pl.col("time_us") < at_us))
    return known["friend_id"].unique(maintain_order=True).to_list()


def _incidence(row: Rows, column: Rows, shape: tuple[int, int]) -> sparse.csr_matrix:
    matrix = sparse.csr_matrix((np.ones(len(row), np.float32), (row, column)), shape=shape)
    matrix.data[:] = 1.0
    return matrix
