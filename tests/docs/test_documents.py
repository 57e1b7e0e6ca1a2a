"""The documents are true: their code blocks run, in order, in an empty folder, and print what they say."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BLOCK = re.compile(r"^```(python|console)\n(.*?)^```", re.MULTILINE | re.DOTALL)
PAGES = sorted(
    page for page in [ROOT / "README.md", *ROOT.glob("docs/**/*.md")] if BLOCK.search(page.read_text(encoding="utf-8"))
)


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_code_block_of_a_page_runs(page: Path, tmp_path: Path) -> None:
    """Blocks marked `python` and `console` (lines that begin with `$ `) run one after the other in an empty folder."""
    names: dict[str, object] = {}
    cwd, blocks = Path.cwd(), BLOCK.findall(page.read_text(encoding="utf-8"))
    done = 0
    os.chdir(tmp_path)
    try:
        for language, block in blocks:
            if language == "python":
                exec(compile(block, str(page), "exec"), names)  # noqa: S102  # our own documents
            else:
                failed = run_console(block)
                assert not failed, failed
            done += 1
    finally:
        os.chdir(cwd)
    assert done == len(blocks) > 0


def run_console(block: str) -> str:
    """Run the lines of a block that begin with `$ `; what the first said that did not end with exit code 0, if any.

    `make` lines are CI's own.
    """
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    for line in re.findall(r"^\$ ((?:.*\\\n)*.*)$", block, re.MULTILINE):
        if line.startswith(("make ", "git ", "cd ", "pip ")):
            continue
        done = subprocess.run(line, shell=True, capture_output=True, text=True, env=environment)  # noqa: S602
        if done.returncode != 0:
            return f"{line}\n{done.stdout}\n{done.stderr}"
    return ""
