"""The shopper of the worked example: visits (A, B), (A, C, D), (C, E, F)."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from driftline.models.sequence import Evolution, SequenceFit

SCRIPT = Path(__file__).resolve().parents[3] / "examples" / "shopper.py"
CHANGED = {
    "the first visit": [("A", "D"), ("A", "C", "D"), ("C", "E", "F")],
    "the second visit": [("A", "B"), ("B", "C", "D"), ("C", "E", "F")],
    "the third visit": [("A", "B"), ("A", "C", "D"), ("D", "E", "F")],
}


@pytest.fixture(scope="module")
def example() -> ModuleType:
    spec = importlib.util.spec_from_file_location("shopper", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def fitted(example: ModuleType) -> SequenceFit:
    return example.learn()  # type: ignore[no-any-return]


def vectors(example: ModuleType, fitted: SequenceFit, visits: list[tuple[str, ...]]) -> list[np.ndarray]:
    """H_3, i_3, H_4."""
    ahead = fitted.forecast_steps(example.history_of(visits), 2)
    return [ahead.states[0, 0, :16], ahead.behaviours[0, 0], ahead.states[0, 1, :16]]


def test_states_and_purchase_are_finite_and_not_zero(example: ModuleType, fitted: SequenceFit) -> None:
    for vector in vectors(example, fitted, example.SHOPPER):
        assert np.isfinite(vector).all()
        assert (np.abs(vector) > 0).all()


@pytest.mark.parametrize("which", CHANGED)
def test_each_visit_leaves_its_mark(example: ModuleType, fitted: SequenceFit, which: str) -> None:
    pairs = zip(vectors(example, fitted, example.SHOPPER), vectors(example, fitted, CHANGED[which]), strict=True)
    assert all(np.abs(ours - changed).max() > 1e-3 for ours, changed in pairs)


def test_the_recommendation_is_what_others_went_on_to(example: ModuleType, fitted: SequenceFit) -> None:
    """E and G next; of what the shopper has not had, G first; G and H after that."""
    ahead = fitted.forecast_steps(example.history_of(example.SHOPPER), 2)
    best = [{example.ITEMS[item] for item in np.argsort(-scores)[:2]} for scores in ahead.scores[0]]
    assert best == [{"E", "G"}, {"G", "H"}]
    had = {item for visit in example.SHOPPER for item in visit}
    fresh = [item for item in np.argsort(-ahead.scores[0, 0]) if example.ITEMS[item] not in had]
    assert example.ITEMS[fresh[0]] == "G"


@pytest.mark.parametrize("f", ["gru", "rnn", "lstm"])
def test_every_form_of_f_moves_from_nothing(example: ModuleType, f: str) -> None:
    """Taken literally the equations stay at zero; these leave it at the first visit, even hardly trained."""
    log = example.shop_log({"ours": example.SHOPPER})
    fitted = Evolution(dim=8, epochs=1, f=f).fit(log)  # type: ignore[arg-type]
    ahead = fitted.forecast_steps(example.history_of(example.SHOPPER[:1]), 2)
    assert all(np.isfinite(part).all() and np.abs(part).max() > 0 for part in (ahead.states, ahead.behaviours))


def test_the_script_prints_states_and_items(example: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    example.main()
    said = capsys.readouterr().out
    assert all(word in said for word in ("H_3", "i_3", "H_4", "visit 3: ", "visit 4: "))
