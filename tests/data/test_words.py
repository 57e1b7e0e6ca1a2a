"""Words of any script, their counts, and TF-IDF against numbers worked by hand."""

from __future__ import annotations

from math import log, sqrt

import numpy as np
import pytest

from driftline.data.words import Tfidf, tokenise, unit_rows, word_counts


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("WHITE METAL LANTERN", ["white", "metal", "lantern"]),
        ("snake_case & C3PO", ["snake", "case", "c3po"]),
        ("Straße ΣΊΣΥΦΟΣ", ["strasse", "σίσυφοσ"]),
        ("ﬁre", ["fire"]),
        ("हिन्दी भाषा", ["हिन्दी", "भाषा"]),
        ("新聞", ["新聞"]),
        ("日本語の本 iPhone15ケース x", ["日本", "本語", "語の", "の本", "iphone15", "ケー", "ース", "x"]),
        ("愛 love愛", ["愛", "love", "愛"]),
        ("🙂 -- !", []),
        ("", []),
    ],
)
def test_tokens_are_words_and_cjk_bigrams(text: str, tokens: list[str]) -> None:
    assert tokenise(text) == tokens


def test_counts_keep_words_that_stand_in_enough_but_not_in_most_texts() -> None:
    texts = ["red red box", "red bag", "red tin", "blue box"]
    counts, words = word_counts(texts)
    assert words == ("bag", "blue", "box", "red", "tin")
    assert counts.toarray()[0].tolist() == [0, 0, 1, 2, 0]
    assert word_counts(texts, min_texts=2)[1] == ("box", "red")
    assert word_counts(texts, min_texts=2, max_share=0.5)[1] == ("box",)


def test_tfidf_equals_the_formula_by_hand() -> None:
    fitted, vectors = Tfidf.fit(["red red box", "red bag", "blue box"], min_texts=1, max_share=1)
    red, box = (1 + log(2)) * (1 + log(4 / 3)), 1 + log(4 / 3)
    expected = np.array([0, 0, box, red]) / sqrt(box**2 + red**2)
    assert fitted.words == ("bag", "blue", "box", "red")
    assert vectors.toarray()[0] == pytest.approx(expected, abs=1e-6)
    assert vectors.dtype == np.float32


def test_texts_not_seen_before_get_vectors_of_known_words_alone() -> None:
    fitted, vectors = Tfidf.fit(["red box", "red bag", "blue box", "blue bag"])
    fresh = fitted.vectors(["a red box", "unknown words", ""])
    assert fresh.toarray()[0] == pytest.approx(vectors.toarray()[0])
    assert fresh[1:].nnz == 0


def test_no_texts_and_empty_texts_give_empty_vectors() -> None:
    for texts in ([], ["", ""]):
        fitted, vectors = Tfidf.fit(texts)
        assert fitted.words == ()
        assert vectors.shape == (len(texts), 0)
        assert unit_rows(vectors).shape == vectors.shape
