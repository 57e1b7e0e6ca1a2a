"""From settings to the core of a network: what carries the interest state through the steps."""

from __future__ import annotations

from driftline.models.sequence.attention import AttentionCore
from driftline.models.sequence.cells import AnyCell, make_cell
from driftline.models.sequence.linear import LinearCore
from driftline.models.sequence.scales import ScalesCore
from driftline.models.sequence.settings import Linear, Recurrence, SequenceSettings, Timescales, Transformer

Core = AnyCell | LinearCore | AttentionCore | ScalesCore


def make_core(settings: SequenceSettings, dim: int) -> Core:
    """The core that the settings name."""
    match settings:
        case Transformer():
            return AttentionCore(dim, settings.layers, settings.heads, settings.max_length, settings.thinning)
        case Linear():
            return LinearCore(dim, settings.layers, settings.thinning)
        case Timescales():
            return ScalesCore(dim, settings.half_lives, settings.heads, settings.thinning)
        case Recurrence():
            return make_cell(settings.cell, dim, evolves=settings.evolves)
    raise TypeError(f"no core for settings of type {type(settings).__name__}")
