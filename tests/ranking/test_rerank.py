"""Diversity: near copies make room for what is unlike, at a price in score."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from driftline.errors import RequestError
from driftline.ranking.rerank import diversified, item_vectors

VECTORS = sparse.csr_matrix(np.array([[1, 0], [1, 0], [1, 0], [0, 1], [0, 0]], np.float32))
RANKED = np.arange(5, dtype=np.int32)
SCORES = np.array([5.0, 4.9, 4.8, 3.0, 1.0], np.float32)


def test_without_strength_the_order_of_scores_stays():
    assert diversified(RANKED, SCORES, VECTORS, 3, 0.0).tolist() == [0, 1, 2]


def test_the_second_copy_makes_room_for_what_is_unlike():
    assert diversified(RANKED, SCORES, VECTORS, 3, 0.5).tolist() == [0, 3, 4]
    assert diversified(RANKED, SCORES, VECTORS, 3, 0.2).tolist() == [0, 1, 2]


def test_the_best_item_stays_first_and_nobody_comes_twice():
    chosen = diversified(RANKED, SCORES, VECTORS, 5, 1.0)
    assert chosen[0] == 0
    assert sorted(chosen.tolist()) == [0, 1, 2, 3, 4]


def test_a_strength_that_is_no_share_is_refused():
    with pytest.raises(RequestError, match="between 0 and 1"):
        diversified(RANKED, SCORES, VECTORS, 3, 1.5)


def test_items_of_one_word_are_alike(world):
    catalog = world.dataset([(0, 0, 0)], n_items=4, titles=["red lamp", "red cup", "blue jar", "blue vase"]).catalog
    vectors = item_vectors(catalog)
    alike = (vectors @ vectors.T).toarray()
    assert alike[0, 1] > alike[0, 2]
