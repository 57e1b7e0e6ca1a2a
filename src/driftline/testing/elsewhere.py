"""What `another_process_loads_it` runs: load a model by its class, and write down what it scores."""

from __future__ import annotations

import sys
from functools import reduce
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from driftline.testing.case import small_questions, still_fold

UNSEEN = 3
"""Exit code for a class that cannot be imported here: one of a script, a notebook or a test."""


def main(module: str, kind: str, folder: str, answer: str) -> int:
    """Load `module.kind` from a folder, and save its scores of the questions of every case."""
    try:
        fitted_class: Any = reduce(getattr, kind.split("."), import_module(module))
    except (ImportError, AttributeError):
        return UNSEEN
    fitted = fitted_class.load(Path(folder))
    np.save(answer, fitted.score(small_questions(still_fold(noise=0.02).train)), allow_pickle=False)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
