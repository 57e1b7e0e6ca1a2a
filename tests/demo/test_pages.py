"""The page shows what was measured, each difference the right way round."""

from __future__ import annotations

from driftline.console.content import Interval
from driftline.demo.pages import SHOWN_METRICS, models_of
from driftline.evaluation.compare import Evaluation
from driftline.evaluation.protocols import Questions
from driftline.metrics.bootstrap import Estimate


def every(value: float, low: float, high: float) -> dict[str, Estimate]:
    return dict.fromkeys(SHOWN_METRICS, Estimate(value, low, high))


def test_a_model_behind_the_best_has_how_far_the_best_is_ahead_of_it() -> None:
    """Better by .3, somewhere between .2 and .5: that stands in the row of the worse one, and nothing in the best's."""
    found = Evaluation(
        data={"cutoff": "2020-03-01T00:00:00Z"},
        protocol="global-time",
        seeds=(0,),
        seconds=1.0,
        models={"poor": every(0.1, 0.0, 0.2), "good": every(0.4, 0.3, 0.5)},
        versus={"good": {"poor": every(0.3, 0.2, 0.5)}, "poor": {"good": every(-0.3, -0.5, -0.2)}},
        warm={},
        cold={},
        questions=Questions(9, 3, 8, 1, 3, 0, 0, 0, 0, "allow", 0.5),
        distance="users",
    )
    good, poor = models_of(found).rows
    assert (good.name, dict(good.behind)) == ("good", {})
    assert dict(poor.behind) == dict.fromkeys(SHOWN_METRICS, Interval(0.3, 0.2, 0.5))
