"""`driftline prepare`: a public format into a dataset folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from driftline.cli.app import app
from driftline.cli.output import console, print_json
from driftline.errors import RequestError

if TYPE_CHECKING:
    from driftline.data.formats.prepared import Prepared

_FORMAT_HELP = (
    "online-retail, movietweetings, movielens, stackexchange, open-bandit, s3rec, mind, deskdrop, lastfm-hetrec, "
    "recbole, csv (with --map), or bundled (SOURCE is then the name of a bundled dataset)."
)


@app.command()
def prepare(
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="A file, folder or archive as published.")],
    format_: Annotated[str, typer.Option("--as", metavar="FORMAT", help=_FORMAT_HELP)],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="The dataset folder to write; new or empty.")],
    mapping: Annotated[
        list[str] | None, typer.Option("--map", metavar="OURS=THEIRS", help="With csv: user_id=CustomerID, and so on.")
    ] = None,
    event: Annotated[str | None, typer.Option("--event", help="With csv: the kind of every event.")] = None,
    separator: Annotated[str | None, typer.Option("--separator", help="With csv: what stands between fields.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the dataset folder at DIR.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Turn a public format, or a bundled dataset, into a dataset folder, and count what was left out."""
    pairs = _pairs(mapping or [])
    if format_ == "bundled":
        prepared = _bundled(source, out, overwrite, with_options=bool(pairs or event or separator))
    else:
        from driftline.data.prepare import prepare as prepare_source

        prepared = prepare_source(
            Path(source), format_, out, mapping=pairs, event=event, separator=separator, overwrite=overwrite
        )
    if as_json:
        print_json(_document(prepared, out))
    else:
        _print(prepared, out)


def _bundled(name: str, out: Path, overwrite: bool, *, with_options: bool) -> Prepared:
    from driftline.data.bundled import read_bundled
    from driftline.data.prepare import check_free, write_dataset

    if with_options:
        raise RequestError(
            "expected --map, --event and --separator with --as csv alone, got --as bundled; leave them out"
        )
    check_free(out, overwrite=overwrite)
    prepared = read_bundled(name)
    write_dataset(prepared, out, overwrite=overwrite)
    return prepared


def _pairs(options: list[str]) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for option in options:
        ours, equals, theirs = option.partition("=")
        if not (ours and equals and theirs) or ours in pairs:
            raise RequestError(
                f"expected --map OURS=THEIRS once for each column, such as user_id=CustomerID, got {option!r}"
            )
        pairs[ours] = theirs
    return pairs


def _document(prepared: Prepared, out: Path) -> dict[str, Any]:
    return {
        "out": str(out),
        "settings": dict(prepared.settings),
        "tables": {name: table.height for name, table in prepared.tables.items()},
        "files": [
            {
                "file": one.file,
                "rows": one.rows,
                "kept": one.kept,
                "left_out": [
                    {"code": left.code, "count": left.count, "example": left.example} for left in one.left_out
                ],
            }
            for one in prepared.files
        ],
        "notes": list(prepared.notes),
    }


def _print(prepared: Prepared, out: Path) -> None:
    for one in prepared.files:
        console.print(f"read {one.file}: {one.rows:,} rows, {one.kept:,} kept", markup=False, soft_wrap=True)
        for left in one.left_out:
            console.print(
                f"  left out {left.count:,} {left.code}, such as: {left.example}", markup=False, soft_wrap=True
            )
    for note in prepared.notes:
        console.print(f"note: {note}", markup=False, soft_wrap=True)
    tables = ", ".join(f"{name} {table.height:,}" for name, table in prepared.tables.items())
    console.print(f"wrote {tables}", markup=False, soft_wrap=True)
    console.print(f"dataset: {out}", markup=False, soft_wrap=True)
