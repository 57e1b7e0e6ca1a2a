"""Coverage, novelty and diversity equal what a hand or a slow twin finds."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from driftline.metrics import slates as slates_module
from driftline.metrics.slates import coverage, diversity, novelty


def test_coverage_is_the_share_of_candidates_on_any_slate():
    assert coverage(np.array([[0, 1, 2], [2, 3, -1]]), 8) == 4 / 8
    assert coverage(np.zeros((0, 3), np.int32), 8) == 0


def test_novelty_is_the_mean_surprise_of_the_items_in_bits():
    counts = np.array([7, 3, 1, 1, 0])  # raised by one: 8, 4, 2, 2, 1 of 17
    expected = [(np.log2(17 / 8) + np.log2(17 / 4)) / 2, np.log2(17 / 1), np.nan]
    np.testing.assert_allclose(novelty(np.array([[0, 1], [4, -1], [-1, -1]]), counts), expected)


def test_rarer_slates_are_more_novel():
    counts = np.array([100, 50, 10, 1, 0])
    assert (np.diff(novelty(np.arange(5)[:, None], counts)) > 0).all()


def test_diversity_is_zero_for_alike_one_for_strangers_and_leaves_out_the_unknown():
    topics = sparse.csr_matrix(np.array([[1, 0], [3, 0], [0, 2], [1, 1], [0, 0.0]]))
    slates = np.array([[0, 1, -1], [0, 2, -1], [0, 3, -1], [0, 2, 4], [4, 4, 0], [0, -1, -1]])
    expected = [0.0, 1.0, 1 - 1 / np.sqrt(2), 1.0, np.nan, np.nan]
    np.testing.assert_allclose(diversity(slates, topics), expected, atol=1e-12)


def test_diversity_of_three_items_is_the_mean_over_three_pairs():
    topics = sparse.csr_matrix(np.array([[1.0, 0], [0, 1], [1, 1]]))
    assert diversity(np.array([[0, 1, 2]]), topics)[0] == pytest.approx((1 + 2 * (1 - 1 / np.sqrt(2))) / 3)


def test_diversity_equals_a_slow_twin_in_batches_of_any_size(monkeypatch):
    rng = np.random.default_rng(2)
    vectors = sparse.random(30, 12, 0.2, random_state=1, format="csr")
    slates = np.stack([rng.choice(30, 5, replace=False) for _ in range(20)])
    dense = vectors.toarray()
    expected = []
    for slate in slates:
        known = [dense[i] / np.linalg.norm(dense[i]) for i in slate if dense[i].any()]
        pairs = [1 - known[a] @ known[b] for a in range(len(known)) for b in range(a)]
        expected.append(np.mean(pairs))
    monkeypatch.setattr(slates_module, "PAIRS_PER_BATCH", 7)
    np.testing.assert_allclose(diversity(slates, vectors), expected)


def test_without_candidates_nothing_is_covered():
    assert coverage(np.array([[0, 1]]), 0) == 0
