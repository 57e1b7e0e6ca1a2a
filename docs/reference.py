"""Write docs/reference/commands.md from the command line itself; `--check` fails where the page is stale."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import typer

from driftline.cli import app

PAGE = Path(__file__).parent / "reference" / "commands.md"

HEAD = """# Commands

<!-- Written by docs/reference.py (make docs); edit the command's docstring and option helps instead. -->

`driftline COMMAND`. With `--json` a command prints one JSON document on standard output and nothing else. Exit codes:
0 done, 1 the work failed, 2 the request was wrong; an error is one line that says what was expected, what came and what
to do. Long work shows a progress bar on a terminal and is quiet elsewhere. The shapes of the JSON documents are on
[their own page](json.md).
"""


def main() -> int:
    """Write or check the page."""
    text = page()
    if "--check" in sys.argv:
        if not PAGE.is_file() or PAGE.read_text(encoding="utf-8") != text:
            sys.stderr.write(f"{PAGE.name} is stale: run make docs\n")
            return 1
        return 0
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(text, encoding="utf-8")
    return 0


def page() -> str:
    """The whole page as Markdown."""
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
