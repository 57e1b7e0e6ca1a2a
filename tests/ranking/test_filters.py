"""Filters mean what they say, and what cannot be understood is refused with the names that are known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from scipy import sparse

from driftline.data.catalog import Catalog
from driftline.data.vocabulary import Vocabulary
from driftline.errors import RequestError
from driftline.ranking.filters import filter_mask


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    items = Vocabulary(["a b", 'q"t', "🌹", "d"])
    return replace(
        Catalog.empty(items),
        title=np.array(["Red lamp", "blue CUP", "RED rose", ""], object),
        topic_names=("Garden", "Kitchen"),
        topics=sparse.csr_matrix(np.array([[0, 1], [0, 1], [1, 0], [0, 0]], np.float32)),
        attributes=pl.DataFrame({"price": [4.5, 12.0, None, 10.0], "country": ["UK", "France", "UK", None]}),
    )


CASES = {
    'topics has "Kitchen"': [1, 1, 0, 0],
    'title contains "red"': [1, 0, 1, 0],
    "price < 10": [1, 0, 0, 0],
    "price <= 10 and price >= 10": [0, 0, 0, 1],
    'price < 10 and country = "UK"': [1, 0, 0, 0],
    'country = "UK" or price > 11': [1, 1, 1, 0],
    'country in ["France", "Spain"]': [0, 1, 0, 0],
    "price in [4.5, 12]": [1, 1, 0, 0],
    'not country = "UK"': [0, 1, 0, 1],
    'country != "UK"': [0, 1, 0, 1],
    'not (topics has "Kitchen" or title contains "rose")': [0, 0, 0, 1],
    'title contains "red" and price < 5 or price = 12': [1, 1, 0, 0],
    'title contains "red" and (price < 5 or price = 12)': [1, 0, 0, 0],
    "not not price < 5": [1, 0, 0, 0],
    'item_id = "🌹"': [0, 0, 1, 0],
    "item_id = 'q\"t'": [0, 1, 0, 0],
    "price > -1": [1, 1, 0, 1],
}


@pytest.mark.parametrize("expression", CASES)
def test_a_filter_means_what_it_says(expression, catalog):
    assert filter_mask(expression, catalog).astype(int).tolist() == CASES[expression]


WRONG = {
    "cost < 5": "item_id, title, text, topics, price, country",
    "price <": "got the end",
    "price < 5 price": "expected and, or, or the end",
    'price < "5"': "price holds a number",
    "country < 5": "country holds text",
    'topics has "Sea"': "Garden, Kitchen",
    'title has "red"': "has works on topics",
    "(price < 5": "got the end",
    "price ; 5": "cannot read",
    "__import__('os')": "expected",
    "": "got the end",
    " or ".join(["price < 5"] * 100): "at most 64 terms",
    "(" * 200: "at most 64 terms",
    "x" * 3_000: "at most 2000 characters",
}


@pytest.mark.parametrize("expression", WRONG)
def test_what_is_no_filter_is_refused_in_one_line(expression, catalog):
    with pytest.raises(RequestError) as caught:
        filter_mask(expression, catalog)
    assert WRONG[expression] in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_catalog_without_attributes_still_has_titles():
    plain = Catalog.empty(Vocabulary(["a", "b"]))
    assert filter_mask('item_id != "a"', plain).tolist() == [False, True]
    with pytest.raises(RequestError, match="price"):
        filter_mask("price < 1", plain)
