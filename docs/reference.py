"""Write docs/reference/{commands,models}.md from commands and models themselves; `--check` fails where one is stale."""

from __future__ import annotations

import inspect
import sys
from dataclasses import MISSING, fields
from importlib import import_module
from pathlib import Path
from typing import Any

import typer

from driftline.cli import app
from driftline.learning.names import TABLE
from driftline.models.sequence import SequenceSettings

FOLDER = Path(__file__).parent / "reference"

HEAD = """# Commands

<!-- Written by docs/reference.py (make docs); edit the command's docstring and option helps instead. -->

`driftline COMMAND`. With `--json` a command prints one JSON document on standard output and nothing else. Exit codes:
0 done, 1 the work failed, 2 the request was wrong; an error is one line that says what was expected, what came and what
to do. Long work shows a progress bar on a terminal and is quiet elsewhere. The shapes of the JSON documents are on
[their own page](json.md).
"""

MODELS_HEAD = """# Models

<!-- Written by docs/reference.py (make docs); edit the docstring of the model's settings instead. -->

The short names that `--models` and `--arms` take, and the keywords that a [configuration](configuration.md) gives them
under `[models.NAME]`. A default of None is chosen on validation or from the data. `blend` is made of the others.
"""


def main() -> int:
    """Write or check the pages."""
    stale = False
    for name, text in {"commands.md": commands(), "models.md": models()}.items():
        page = FOLDER / name
        if "--check" not in sys.argv:
            page.parent.mkdir(exist_ok=True)
            page.write_text(text, encoding="utf-8")
        elif not page.is_file() or page.read_text(encoding="utf-8") != text:
            sys.stderr.write(f"{name} is stale: run make docs\n")
            stale = True
    return int(stale)


def models() -> str:
    """Every model: what it is, and its keywords; those that all sequence models share are said once."""
    shared = [field.name for field in fields(SequenceSettings)]
    text = MODELS_HEAD
    for name, entry in TABLE.items():
        kind = getattr(import_module(entry.module), entry.settings)
        own = [field for field in fields(kind) if not (issubclass(kind, SequenceSettings) and field.name in shared)]
        text += f"\n## {name}\n\n{said(kind)}\n{keywords(own)}"
        if issubclass(kind, SequenceSettings):
            text += "\nand those of [all sequence models](#all-sequence-models).\n"
    return text + f"\n## all sequence models\n\n{said(SequenceSettings)}\n{keywords(fields(SequenceSettings))}"


def said(kind: type) -> str:
    """What a class says of itself, without the examples in it."""
    lines = (inspect.getdoc(kind) or "").split("\n\n")
    return "\n\n".join(part for part in lines if not part.startswith(">>>"))


def keywords(own: Any) -> str:
    """Keywords and their defaults, in a line."""
    told = ", ".join(f"`{field.name} = {field.default!r}`" for field in own if field.default is not MISSING)
    return f"\nKeywords: {told or 'none'}.\n".replace("'", '"')


def commands() -> str:
    """Every command."""
    group: Any = typer.main.get_command(app)
    return HEAD + "".join(section(name, group.commands[name]) for name in sorted(group.commands))


def section(name: str, command: Any) -> str:
    """One command: its usage, its help, a table of its options."""
    arguments = [each for each in command.params if each.param_type_name == "argument"]
    options = [each for each in command.params if each.param_type_name == "option" and each.name != "help"]
    usage = " ".join(["driftline", name, *(Parameter(each).metavar() for each in arguments), "[OPTIONS]"])
    text = f"\n## {name}\n\n```\n{usage}\n```\n\n{(command.help or '').strip()}\n\n"
    text += "| argument or option | what it is | default |\n|---|---|---|\n"
    return text + "".join(Parameter(each).row() for each in [*arguments, *options])


class Parameter:
    """One argument or option as a row of a table."""

    def __init__(self, parameter: Any) -> None:
        self.parameter = parameter

    def metavar(self) -> str:
        """How the argument is written on a usage line."""
        return str(self.parameter.metavar or self.parameter.name.upper())

    def row(self) -> str:
        """The row: name, help, default."""
        one = self.parameter
        names = ", ".join(f"`{name}`" for name in one.opts) if one.param_type_name == "option" else self._argument()
        default = one.default if not callable(one.default) else None
        shown = "required" if one.required else "" if default in (None, False, (), []) else f"`{default}`"
        return f"| {names} | {one.help or ''} | {shown} |\n".replace("\\", "\\\\")

    def _argument(self) -> str:
        return f"`{self.metavar()}`"


if __name__ == "__main__":
    sys.exit(main())
