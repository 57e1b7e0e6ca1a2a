"""The table between external ids (text) and internal rows (0 … n-1)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from driftline.types import Rows


class Vocabulary:
    """Distinct ids in a fixed order; the row of an id is its place in that order.

    >>> fruit = Vocabulary(["pear", "fig"])
    >>> fruit.row("fig"), fruit.row("kiwi"), fruit[0]
    (1, -1, 'pear')
    """

    def __init__(self, ids: Iterable[str]) -> None:
        self.ids: NDArray[np.object_] = np.array(list(ids), dtype=object)

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, row: int) -> str:
        return str(self.ids[row])

    def __iter__(self) -> Iterator[str]:
        return iter(self.ids)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Vocabulary) and np.array_equal(self.ids, other.ids)

    __hash__ = None  # type: ignore[assignment]  # equality is by content, and content may be large

    @cached_property
    def _rows(self) -> dict[str, int]:
        return {id_: row for row, id_ in enumerate(self.ids)}

    def row(self, id_: str) -> int:
        """The row of an id, or -1 where it is unknown."""
        return self._rows.get(id_, -1)

    def rows(self, ids: Sequence[str] | NDArray[np.object_]) -> Rows:
        """The rows of many ids, -1 where unknown."""
        return np.fromiter((self._rows.get(id_, -1) for id_ in ids), dtype=np.int32, count=len(ids))

    def extended(self, ids: Iterable[str]) -> Vocabulary:
        """The same rows, then the ids that are new, in the order in which they come."""
        fresh = [id_ for id_ in dict.fromkeys(ids) if id_ not in self._rows]
        return Vocabulary([*self.ids, *fresh]) if fresh else self
