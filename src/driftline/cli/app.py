"""The application: every command by name, and the one place where errors become a line and an exit code."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from driftline import __version__
from driftline.errors import DriftlineError

app = typer.Typer(
    name="driftline",
    help="A recommender that follows people as their interests change.",
    invoke_without_command=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

# Typer carries its own copy of click since 0.20; the base of its public BadParameter is the right class in both worlds.
_UsageProblem: type[Exception] = typer.BadParameter.__mro__[2]


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"driftline {__version__}")
        raise typer.Exit


@app.callback()
def driftline(
    context: typer.Context,
    version: Annotated[  # noqa: ARG001  # its callback has acted before
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and stop.")
    ] = False,
) -> None:
    """A recommender that follows people as their interests change."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


def main() -> None:
    """Run the command line: exit code 0 done, 1 the work failed, 2 the request was wrong; errors are one line."""
    try:
        code = app(standalone_mode=False)
    except DriftlineError as error:
        code = _complain(str(error), error.exit_code)
    except _UsageProblem as error:
        code = _complain(f"{error.format_message()} (see driftline --help)", 2)  # type: ignore[attr-defined]
    except (KeyboardInterrupt, typer.Abort):
        code = _complain("stopped before the work was done; what was saved before is untouched", 130)
    except BrokenPipeError:
        sys.stderr.close()
        code = 0
    except OSError as error:
        code = _complain(f"{error.filename or 'a file'}: {error.strerror or error}", 1)
    except MemoryError:
        code = _complain("the machine has too little memory for this; try --size small or fewer events", 1)
    sys.exit(code or 0)


def _complain(message: str, code: int) -> int:
    print("driftline: " + " ".join(message.split()), file=sys.stderr)
    return code
