"""Ranking metrics equal fractions worked by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from driftline.metrics.ranking import RANK_METRICS, hit, means_by, ndcg, recall, reciprocal_rank

RANKS = np.array([0.0, 1.0, 9.0, 9.5, 10.0, 19.0, 20.0, np.inf])


def test_a_hit_is_a_rank_below_k():
    assert hit(RANKS, 10).tolist() == [1, 1, 1, 1, 0, 0, 0, 0]
    assert hit(RANKS, 20).tolist() == [1, 1, 1, 1, 1, 1, 0, 0]


def test_ndcg_discounts_by_the_logarithm_of_the_position():
    expected = [1.0, 1 / math.log2(3), 1 / math.log2(11), 1 / math.log2(11.5), 0, 0, 0, 0]
    assert ndcg(RANKS, 10) == pytest.approx(expected)


def test_reciprocal_rank_is_one_over_the_position():
    assert reciprocal_rank(RANKS, 20) == pytest.approx([1, 1 / 2, 1 / 10, 1 / 10.5, 1 / 11, 1 / 20, 0, 0])


def test_recall_is_the_share_of_a_question_s_targets_within_k():
    query = np.array([0, 0, 0, 1, 1, 2, 2, 2])
    assert recall(RANKS, query, 10) == pytest.approx([1.0, 1 / 2, 0.0])


def test_mean_of_the_table_metrics_over_three_targets_worked_by_hand():
    ranks = np.array([0.0, 2.0, 15.0])
    means = {name: float(metric(ranks).mean()) for name, metric in RANK_METRICS.items()}
    expected = {"hr@10": 2 / 3, "hr@20": 1.0, "ndcg@10": (1 + 1 / 2) / 3, "mrr@20": (1 + 1 / 3 + 1 / 16) / 3}
    assert means == pytest.approx(expected)


def test_no_metric_prefers_a_worse_rank():
    for metric in RANK_METRICS.values():
        values = metric(np.concatenate([np.arange(0, 40, 0.5), [np.inf]]))
        assert (np.diff(values) <= 0).all()
        assert values[0] == 1
        assert values[-1] == 0


def test_means_by_leaves_out_what_has_no_figure():
    values = np.array([1.0, np.nan, 0.0, np.nan])
    np.testing.assert_equal(means_by(values, np.array([0, 0, 0, 1]), 3), [0.5, np.nan, np.nan])
