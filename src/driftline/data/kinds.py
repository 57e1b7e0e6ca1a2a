"""Kinds of event: what each counts for, and whether a model may be asked to predict it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Kind:
    """One kind of event.

    `weight` is how much such an event counts as a sign of interest: above zero it is positive, zero says nothing,
    below zero it speaks against the item. `target` says whether models are asked to predict it.
    """

    name: str
    weight: float = 1.0
    target: bool = True

    @property
    def positive(self) -> bool:
        """Whether such an event is a sign of interest."""
        return self.weight > 0


RATING = "rating"
INTERACTION = "interaction"
"""The kind of an event whose log names none."""

_DEFAULTS = {
    kind.name: kind
    for kind in (
        Kind("impression", weight=0.0, target=False),
        Kind("dislike", weight=-1.0, target=False),
        Kind("hide", weight=-1.0, target=False),
        Kind("remove_from_cart", weight=0.0, target=False),
        Kind("return", weight=0.0, target=False),
        Kind("cancellation", weight=0.0, target=False),
    )
}


def default_kind(name: str) -> Kind:
    """The kind that holds for `name` where `dataset.toml` says nothing: positive and a target, but for six names."""
    return _DEFAULTS.get(name, Kind(name))
