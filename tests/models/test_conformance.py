"""Every model of the table passes the conformance suite, one test for each promise."""

from __future__ import annotations

from typing import Any

import pytest

from driftline.learning.names import BLEND, TABLE, load_blend, make_model, make_models
from driftline.ranking.blend import Blend
from driftline.testing import CHECKS, Case, run_check

SMALL: dict[str, Any] = {"dim": 16, "epochs": 4}
"""Networks that learn the suite's world in a moment."""

NETWORKS = frozenset(name for name, entry in TABLE.items() if "sequence" in entry.module)
EVERYBODY_ALIKE = frozenset({"popularity", "popularity-7d"})

_cases: dict[str, Case] = {}


def case_of(name: str) -> Case:
    """The case of a model, kept so that it is fitted once for all checks."""
    if name not in _cases and name == BLEND:
        _cases[name] = Case(Blend(make_models(["popularity", "cooccurrence", "als"])), load=load_blend)
    elif name not in _cases:
        model = make_model(name, given=SMALL if name in NETWORKS else None)
        _cases[name] = Case(model, personal=name not in EVERYBODY_ALIKE, cold=name == "content")
    return _cases[name]


def broken(name: str, check: str) -> AssertionError | None:
    """The promise that a model breaks, as the check tells it."""
    try:
        run_check(check, case_of(name))
    except AssertionError as error:
        return error
    return None


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("name", [*(name for name in TABLE if name not in NETWORKS), BLEND])
def test_the_floor_keeps_every_promise(name: str, check: str) -> None:
    assert broken(name, check) is None


@pytest.mark.slow
@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_networks_keep_every_promise(name: str, check: str) -> None:
    assert broken(name, check) is None
