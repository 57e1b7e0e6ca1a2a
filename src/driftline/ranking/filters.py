"""Filters: a small typed expression over the catalog, parsed to a tree and computed as a mask. Nothing is evaluated.

    topics has "Kitchen" and not (price >= 10 or title contains "red")
    country in ["UK", "France"] and price < 5

Operators: `= != < <= > >=` on numbers and text, `in [..]`, `contains` on text (case-insensitive), `has` on topics.
A missing value satisfies nothing but `!=` and `not`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from driftline.data.catalog import Catalog
from driftline.errors import RequestError

MAX_LENGTH = 2_000
MAX_TERMS = 64

Mask = NDArray[np.bool_]

_TOKEN = re.compile(
    r"""\s*(?:(?P<text>"[^"]*"|'[^']*')|(?P<number>-?\d+(?:\.\d+)?)(?![\w.])|(?P<op><=|>=|!=|=|<|>)"""
    r"""|(?P<mark>[()\[\],])|(?P<word>[^\W\d][\w.-]*))"""
)

_COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "=": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}


def filter_mask(expression: str, catalog: Catalog) -> Mask:
    """Which items satisfy an expression, shape [n_items]; RequestError that says where it cannot be understood."""
    if len(expression) > MAX_LENGTH:
        raise RequestError(f"expected a filter of at most {MAX_LENGTH} characters, got {len(expression)}; shorten it")
    parser = _Parser(_tokens(expression), catalog)
    mask = parser.either()
    parser.finish()
    return mask


def _tokens(expression: str) -> list[tuple[str, str]]:
    tokens, place = [], 0
    text = expression.rstrip()
    while place < len(text):
        match = _TOKEN.match(text, place)
        if not match or match.lastgroup is None:
            raise RequestError(
                f'filter: cannot read {text[place:][:20]!r}; write it like topics has "Kitchen" and price < 10'
            )
        tokens.append((match.lastgroup, match[match.lastgroup]))
        place = match.end()
    return tokens


class _Parser:
    """Recursive descent, one method per level of binding: or, and, not, comparison."""

    def __init__(self, tokens: list[tuple[str, str]], catalog: Catalog) -> None:
        self.tokens, self.catalog = tokens, catalog
        self.place, self.terms = 0, 0

    def either(self) -> Mask:
        mask = self.both()
        while self._take("word", "or"):
            mask = mask | self.both()
        return mask

    def both(self) -> Mask:
        mask = self.negated()
        while self._take("word", "and"):
            mask = mask & self.negated()
        return mask

    def negated(self) -> Mask:
        self.terms += 1
        if self.terms > MAX_TERMS:
            raise RequestError(f"expected a filter of at most {MAX_TERMS} terms, got more; split the request")
        if self._take("word", "not"):
            return ~self.negated()
        if self._take("mark", "("):
            mask = self.either()
            self._need("mark", ")")
            return mask
        return self.comparison()

    def comparison(self) -> Mask:
        name = self._need("word")
        if self._take("word", "has"):
            return self._has(name, self._need("text")[1:-1])
        column = _column(self.catalog, name)
        if self._take("word", "contains"):
            wanted = self._need("text")[1:-1].casefold()
            return np.array([wanted in str(value).casefold() if value is not None else False for value in column])
        if self._take("word", "in"):
            return self._among(column)
        operator = self._need("op")
        return _compared(column, operator, self._literal(), name)

    def finish(self) -> None:
        if self.place < len(self.tokens):
            raise RequestError(f"filter: expected and, or, or the end, got {self.tokens[self.place][1]!r}")

    def _has(self, name: str, topic: str) -> Mask:
        if name != "topics":
            raise RequestError(f"filter: has works on topics, got {name}")
        if topic not in self.catalog.topic_names:
            some = ", ".join(self.catalog.topic_names[:8]) or "none"
            raise RequestError(f"filter: expected a topic of this catalog ({some} …), got {topic!r}")
        column = self.catalog.topics[:, self.catalog.topic_names.index(topic)]
        return np.asarray(column.toarray()).ravel() > 0

    def _among(self, column: NDArray[np.object_]) -> Mask:
        self._need("mark", "[")
        values = {self._literal()}
        while self._take("mark", ","):
            values.add(self._literal())
        self._need("mark", "]")
        return np.array([value in values for value in column])

    def _literal(self) -> str | float:
        kind, value = self._next()
        if kind == "text":
            return value[1:-1]
        if kind == "number":
            return float(value)
        raise RequestError(f"filter: expected a number or a quoted text, got {value!r}")

    def _next(self) -> tuple[str, str]:
        if self.place >= len(self.tokens):
            raise RequestError("filter: expected more, got the end")
        self.place += 1
        return self.tokens[self.place - 1]

    def _take(self, kind: str, value: str) -> bool:
        if self.place < len(self.tokens) and self.tokens[self.place] == (kind, value):
            self.place += 1
            return True
        return False

    def _need(self, kind: str, value: str | None = None) -> str:
        found, text = self._next()
        if found != kind or value not in (None, text):
            expected = value or {"word": "a column", "text": "a quoted text", "op": "a comparison"}.get(kind, kind)
            raise RequestError(f"filter: expected {expected}, got {text!r}")
        return text


def _column(catalog: Catalog, name: str) -> NDArray[np.object_]:
    """One value per item, None where it is missing."""
    known = {"item_id": catalog.items.ids, "title": catalog.title, "text": catalog.text}
    if name in known:
        return known[name]
    if catalog.attributes is not None and name in catalog.attributes.columns:
        return np.array(catalog.attributes[name].to_list(), dtype=object)
    columns = [*known, "topics", *(catalog.attributes.columns if catalog.attributes is not None else [])]
    raise RequestError(f"filter: expected a column out of {', '.join(columns)}, got {name!r}")


def _compared(column: NDArray[np.object_], operator: str, literal: str | float, name: str) -> Mask:
    compare = _COMPARE[operator]
    present = [value for value in column if value is not None]
    if present and isinstance(literal, str) != isinstance(present[0], str):
        kind = "text" if isinstance(present[0], str) else "a number"
        raise RequestError(f"filter: {name} holds {kind}, got {literal!r} to compare it with")
    missing = operator == "!="
    return np.array([bool(compare(value, literal)) if value is not None else missing for value in column])
