"""Published figures of the last-item protocol, to be printed beside what is measured.

They are other people's: their masks, ties and seeds are as their papers have them. `checked` is False where a figure
was read second-hand and nobody has held it against the paper.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Published:
    """One published figure; a metric that was not given is None."""

    model: str
    hr10: float | None
    ndcg10: float | None
    source: str
    checked: bool = True


_FIRST_PARTY = "read in the authors' repository"
_SECOND_HAND = "second-hand, to be checked"

FIGURES: Mapping[str, tuple[Published, ...]] = {
    "beauty": (
        Published("WEARec, one report", 0.1041, None, _SECOND_HAND, checked=False),
        Published("WEARec, another report", 0.1016, 0.0599, _SECOND_HAND, checked=False),
        Published("BSARec", 0.1008, 0.0611, _FIRST_PARTY),
        Published("SASRec, full cross-entropy", 0.0974, 0.0588, _FIRST_PARTY),
        Published("SASRec, sampled softmax", 0.0921, 0.0531, _FIRST_PARTY),
        Published("HSTU, run again", 0.0788, 0.0439, _FIRST_PARTY),
        Published("ActionPiece", 0.0775, 0.0424, _FIRST_PARTY),
        Published("TIGER", 0.0648, 0.0384, _FIRST_PARTY),
    ),
    "toys": (
        Published("BSARec", 0.108, 0.068, _SECOND_HAND, checked=False),
        Published("SASRec, sampled softmax", 0.0970, 0.0580, _FIRST_PARTY),
    ),
    "yelp": (
        Published("BSARec, its masking is not known", 0.0465, 0.0239, _SECOND_HAND, checked=False),
        Published("S3-Rec", 0.0341, 0.0168, _FIRST_PARTY),
    ),
    "lastfm": (
        Published("WEARec", 0.0899, None, _SECOND_HAND, checked=False),
        Published("S3-Rec", 0.0743, 0.0427, _FIRST_PARTY),
    ),
    "ml-1m": (
        Published("HSTU-large, with times", 0.3294, 0.1893, _FIRST_PARTY),
        Published("LRURec", 0.3264, 0.1930, _FIRST_PARTY),
        Published("SASRec, full cross-entropy", 0.3207, 0.1858, _FIRST_PARTY),
        Published("GRU4Rec, tuned", 0.2887, 0.1679, _FIRST_PARTY),
    ),
}
"""By the name of a dataset, without what stands behind its dash (`beauty-ids` has the figures of `beauty`)."""


def figures_of(dataset: str) -> tuple[Published, ...]:
    """The published figures of a dataset; none where there are none.

    >>> figures_of("beauty-ids") == figures_of("beauty"), figures_of("shop")
    (True, ())
    """
    return FIGURES.get(dataset) or FIGURES.get(dataset.removesuffix("-ids"), ())
