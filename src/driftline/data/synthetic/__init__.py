"""Synthetic worlds with a known answer and a dial: users who drift, change, follow a season or a habit, or nothing."""

from __future__ import annotations

from driftline.data.synthetic.interests import changing, drifting, seasonal, still
from driftline.data.synthetic.sequences import baskets, markov, pauses
from driftline.data.synthetic.world import START_US, Truth, World

__all__ = ["START_US", "Truth", "World", "baskets", "changing", "drifting", "markov", "pauses", "seasonal", "still"]
