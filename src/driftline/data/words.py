"""Text as words and words as numbers: tokens of any script, counts, and TF-IDF vectors of unit length."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

_CJK = "\u3005\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003134f"
_CJK_RUN = re.compile(f"[{_CJK}]+")


def tokenise(text: str) -> list[str]:
    """Words of a text in lower case; runs of Chinese, Japanese or Korean characters become character bigrams.

    >>> tokenise("RED Retro-Spot Cakestand, 2 tiers")
    ['red', 'retro', 'spot', 'cakestand', '2', 'tiers']
    >>> tokenise("東京都 café")
    ['東京', '京都', 'café']
    """
    words = _word_pattern().findall(unicodedata.normalize("NFKC", text).casefold())
    return words if text.isascii() else [token for word in words for token in _split_cjk(word)]


@cache
def _word_pattern() -> re.Pattern[str]:
    """Letters and digits with the marks that combine with them: vowel signs of Indic scripts are no letters."""
    scripts = (*range(0x300, 0x2000), *range(0xA000, 0xAC00))  # without the marks of emoji
    marks = "".join(chr(code) for code in scripts if unicodedata.category(chr(code)).startswith("M"))
    return re.compile(f"(?:[^\\W_][{marks}]*)+")


def _split_cjk(word: str) -> list[str]:
    """A word cut at the borders of its CJK runs, each run as bigrams (a run of one character as itself)."""
    tokens: list[str] = []
    end = 0
    for run in _CJK_RUN.finditer(word):
        tokens += [word[end : run.start()]] if run.start() > end else []
        tokens += [a + b for a, b in pairwise(run[0])] or [run[0]]
        end = run.end()
    return tokens + ([word[end:]] if end < len(word) else [])


def word_counts(
    texts: Sequence[str] | NDArray[np.object_], *, min_texts: int = 1, max_share: float = 1.0
) -> tuple[sparse.csr_matrix, tuple[str, ...]]:
    """How often each word stands in each text, and the words in alphabetical order; counts [n_texts, n_words] float32.

    Words in fewer than `min_texts` texts, or in more than a share `max_share` of the texts that have words, are out.
    """
    texts_tokens = [tokenise(text) for text in texts]
    words = sorted({token for tokens in texts_tokens for token in tokens})
    counts = _count(texts_tokens, words)
    spread = np.bincount(counts.indices, minlength=len(words))
    n_filled = int(np.count_nonzero(np.diff(counts.indptr)))
    keep = np.flatnonzero((spread >= min_texts) & (spread <= max(max_share * n_filled, 1)))
    return counts[:, keep], tuple(words[column] for column in keep)


def _count(texts_tokens: Iterable[list[str]], words: Sequence[str]) -> sparse.csr_matrix:
    """Counts of known words; a word that is not in `words` is passed over."""
    column = {word: place for place, word in enumerate(words)}
    indices: list[int] = []
    indptr = [0]
    for tokens in texts_tokens:
        indices += [column[token] for token in tokens if token in column]
        indptr.append(len(indices))
    parts = (np.ones(len(indices), np.float32), np.array(indices, np.int32), np.array(indptr, np.int64))
    counts = sparse.csr_matrix(parts, shape=(len(indptr) - 1, len(words)))
    counts.sum_duplicates()
    return counts


@dataclass(frozen=True, eq=False)
class Tfidf:
    """A vocabulary with its inverse document frequencies, learned from some texts and applied to any.

    The vector of a text has `(1 + ln count) · (1 + ln((1 + n) / (1 + texts with the word)))` per word, divided by its
    length (sublinear tf, smoothed idf: Manning, Raghavan and Schütze 2008, section 6.4). `idf` has shape [n_words].
    """

    words: tuple[str, ...]
    idf: NDArray[np.float32]

    @classmethod
    def fit(
        cls, texts: Sequence[str] | NDArray[np.object_], *, min_texts: int = 2, max_share: float = 0.5
    ) -> tuple[Tfidf, sparse.csr_matrix]:
        """Learn from texts; the value and the unit vectors of these texts, [n_texts, n_words] float32.

        A word in a single text relates it to no other, and one in most texts relates all: by default both are out.
        """
        counts, words = word_counts(texts, min_texts=min_texts, max_share=max_share)
        spread = np.bincount(counts.indices, minlength=len(words))
        idf = (1 + np.log((1 + counts.shape[0]) / (1 + spread))).astype(np.float32)
        fitted = cls(words, idf)
        return fitted, fitted._weigh(counts)

    def vectors(self, texts: Sequence[str] | NDArray[np.object_]) -> sparse.csr_matrix:
        """Unit vectors of texts, [n_texts, n_words] float32; a row of zeros where no word is known."""
        return self._weigh(_count((tokenise(text) for text in texts), self.words))

    def _weigh(self, counts: sparse.csr_matrix) -> sparse.csr_matrix:
        weighed = sparse.csr_matrix(
            ((1 + np.log(counts.data)) * self.idf[counts.indices], counts.indices, counts.indptr), shape=counts.shape
        )
        return unit_rows(weighed)


def unit_rows(matrix: sparse.csr_matrix) -> sparse.csr_matrix:
    """Each row divided by its Euclidean length; rows of zeros stay."""
    length = np.sqrt(np.asarray(matrix.multiply(matrix).sum(axis=1), np.float64).ravel())
    scale = np.divide(1, length, out=np.zeros_like(length), where=length > 0)
    data = matrix.data * np.repeat(scale, np.diff(matrix.indptr))
    return sparse.csr_matrix((data.astype(matrix.dtype), matrix.indices, matrix.indptr), shape=matrix.shape)
