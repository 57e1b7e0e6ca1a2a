"""Names of learned topics: the words that set their items apart, or the items themselves where there are no words."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from driftline.data.catalog import Catalog
from driftline.data.words import tokenise, word_counts
from driftline.interest.clusters import Labels, membership
from driftline.interest.vectors import Vectors, coherence, says_something, texts_of

N_WORDS = 3
BETWEEN = " · "
LEAST_SHARE = 0.04
"""A word names a topic if at least this share of its items (by worth) has it, or else if it is the best there is."""


def names_of(
    labels: Labels, n_topics: int, catalog: Catalog, use: Vectors, worth: NDArray[np.float64], taken: Sequence[str] = ()
) -> list[str]:
    """A name for each topic, all distinct and none of those `taken`.

    Words are chosen by class TF-IDF: `p(word | topic) · ln(p(word | topic) / p(word)) · coherence`, counted over
    items by their worth (Grootendorst 2022, section 3.3, with the coherence of the word in use). A topic without words
    is named after its most typical items.
    """
    words, scores, shares = _word_scores(labels, n_topics, catalog, use, worth)
    used = set(taken)
    names = []
    for topic in range(n_topics):
        chosen = _distinct_words(words, scores[topic], shares[topic]) if words else []
        rows = np.flatnonzero(labels == topic)
        chosen = _in_reading_order(chosen, catalog, rows) or _typical_items(rows, catalog, worth)
        names.append(_not_in(used, BETWEEN.join(chosen) or f"topic {topic + 1}"))
        used.add(names[-1])
    return names


def _word_scores(
    labels: Labels, n_topics: int, catalog: Catalog, use: Vectors, worth: NDArray[np.float64]
) -> tuple[tuple[str, ...], NDArray[np.float64], NDArray[np.float64]]:
    """Words, how well each names each topic, and the share of the topic's items that have it: [n_topics, n_words]."""
    counts, words = word_counts(texts_of(catalog), min_texts=1, max_share=1.0)
    has = sparse.csr_matrix((np.ones(counts.nnz), counts.indices, counts.indptr), shape=counts.shape)
    member = membership(worth, labels, n_topics)
    mass = np.asarray((member @ has).toarray(), np.float64)
    sizes = np.maximum(np.asarray(member.sum(axis=1), np.float64).reshape(-1, 1), 1e-12)
    inside_share, overall = mass / sizes, mass.sum(axis=0) / sizes.sum()
    ratio = np.divide(inside_share, overall, out=np.ones_like(mass), where=mass > 0)
    allowed = np.array([says_something(word) for word in words], bool)
    return words, inside_share * np.log(ratio) * coherence(has, use) * allowed, inside_share


def _distinct_words(words: tuple[str, ...], scores: NDArray[np.float64], shares: NDArray[np.float64]) -> list[str]:
    """The best words of a topic, no two of one stem."""
    chosen: list[str] = []
    for column in np.argsort(-scores, kind="stable")[: 10 * N_WORDS]:
        fits = scores[column] > 0 and (shares[column] >= LEAST_SHARE or not chosen)
        if fits and all(_stem(words[column]) != _stem(word) for word in chosen):
            chosen.append(words[column])
        if len(chosen) == N_WORDS:
            break
    return chosen


def _stem(word: str) -> str:
    """A word without the ending of an English plural; enough to keep "candle" and "candles" out of one name."""
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word


def _in_reading_order(chosen: list[str], catalog: Catalog, rows: NDArray[np.int64]) -> list[str]:
    """Words in the order in which titles have them, where they stand side by side: hot · water · bottle."""
    before = dict.fromkeys(chosen, 0)
    for title in texts_of(catalog)[rows]:
        there = [token for token in dict.fromkeys(tokenise(title)) if token in before]
        for place, token in enumerate(there):
            before[token] += len(there) - 1 - 2 * place
    together = bool(chosen) and all(before.values()) and max(map(abs, before.values())) > 0.3 * len(rows)
    return sorted(chosen, key=lambda word: -before[word]) if together else chosen


def _typical_items(rows: NDArray[np.int64], catalog: Catalog, worth: NDArray[np.float64]) -> list[str]:
    best = rows[np.argsort(-worth[rows], kind="stable")[:N_WORDS]]
    return [catalog.label(int(row)) for row in best]


def _not_in(used: set[str], name: str) -> str:
    """The name itself, or with the first number that makes it distinct."""
    number, distinct = 2, name
    while distinct in used:
        distinct, number = f"{name} ({number})", number + 1
    return distinct
