"""`make bench ARGS=TABLE`: one command a table; reports go to files that git ignores."""

from __future__ import annotations

import argparse
import sys
from importlib import import_module

from benchmarks.machine import describe
from benchmarks.tables.asked import common
from driftline.errors import DriftlineError

TABLES = (
    "quality",
    "sessions",
    "speed",
    "roofline",
    "equal-time",
    "scale",
    "shop",
    "forecast",
    "forecasts-speed",
    "change",
)


def main() -> int:
    """Run the table that is asked for; 1 where a contender failed, 2 where the request was wrong."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    tables = parser.add_subparsers(dest="table", required=True, metavar="TABLE")
    for name in TABLES:
        module = import_module(f"benchmarks.tables.{name.replace('-', '_')}")
        table = tables.add_parser(name, help=str(module.__doc__).splitlines()[0], description=module.__doc__)
        module.arguments(table)
        common(table)
        table.set_defaults(run=module.run)
    asked = parser.parse_args()
    asked.command, asked.machine = sys.argv[1:], describe(asked.threads)
    try:
        found = asked.run(asked)
    except DriftlineError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    page = found.write(asked.out)
    print(found.markdown(), f"report: {page}", sep="\n")
    return 1 if found.failures else 0


if __name__ == "__main__":
    sys.exit(main())
