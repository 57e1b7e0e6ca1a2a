"""What `another_process_loads_it` runs: load a model by its class, and write down what it scores."""

from __future__ import annotations

import sys
from functools import reduce
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from driftline.testing.case import small_questions, still_fold


def main(module: str, kind: str, folder: str, answer: str) -> None:
    """Load `module.kind` from a folder, and save its scores of the questions of every case."""
    fitted: Any = reduce(getattr, kind.split("."), import_module(module)).load(Path(folder))
    np.save(answer, fitted.score(small_questions(still_fold(noise=0.02).train)), allow_pickle=False)


if __name__ == "__main__":
    main(*sys.argv[1:])
