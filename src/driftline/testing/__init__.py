"""The conformance suite: what every model promises, ours and other people's.

    from driftline.testing import check_model

    def test_my_model():
        check_model(MyModel())

Each check is a function whose name is the promise; `CHECKS` lists them, so a test runner can run them one by one with
`run_check`. A broken promise is an AssertionError; no test framework is needed.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from tempfile import TemporaryDirectory

from driftline.errors import SettingsError
from driftline.models.base import Model
from driftline.testing import files, learning, scores
from driftline.testing.case import CHECKS, Case, Load

__all__ = ["CHECKS", "Case", "Load", "check_model", "files", "learning", "run_check", "scores"]


def check_model(
    model: Model,
    *,
    personal: bool = True,
    cold: bool = False,
    load: Load | None = None,
    skip: Collection[str] = (),
) -> None:
    """Run every check on a model; AssertionError with one line for each promise that it breaks.

    `personal=False` for a model that answers everybody alike, `cold=True` for one that may know of an item without any
    event, `load` where the fitted class cannot read itself. SettingsError where `skip` names no check.
    """
    for name in skip:
        _known(name)
    case = Case(model, personal, cold, load)
    broken = [line for name in CHECKS if name not in skip and (line := _failure(name, case))]
    if broken:
        raise AssertionError(f"{model.name} breaks {len(broken)} of {len(CHECKS)} promises:\n" + "\n".join(broken))


def run_check(name: str, case: Case) -> None:
    """Run one check by its name, in a folder of its own; a case may be used for many, so that it is fitted once."""
    with TemporaryDirectory(prefix="driftline-check-") as folder:
        CHECKS[_known(name)](case, Path(folder))


def _failure(name: str, case: Case) -> str:
    """What a check says, with its name, or nothing where it passes."""
    try:
        run_check(name, case)
    except AssertionError as error:
        return f"{name}: {error}"
    except Exception as error:  # whatever a model raises out of turn, it has not kept the promise
        return f"{name}: raised {error!r}"
    return ""


def _known(name: str) -> str:
    if name not in CHECKS:
        raise SettingsError(f"expected a check out of {', '.join(CHECKS)}, got {name!r}")
    return name
