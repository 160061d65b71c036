"""`colisten import`: a warehouse's export as the tables that colisten takes."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from colisten.cli.check import refused
from colisten.cli.documents import JsonOption, print_document
from colisten.cli.inputs import ConfigOption, SetOption
from colisten.data.violation import TableViolations, Violation
from colisten.errors import ConfigError
from colisten.importing.mapping import read_mapping
from colisten.importing.proposal import propose_mapping
from colisten.importing.tables import Imported, import_tables
from colisten.settings.tree import load_settings
from colisten.terminal import Terminal

_HELP = """Turn a warehouse's export into the tables that colisten takes.

Of CSV, JSON lines or parquet, also packed (.gz, .zst), FILES alone drafts a mapping from their
names to ours on standard output. Look through it, then give it in their place:

\b
Example: colisten import export.csv titles.csv > mapping.yaml
  colisten import mapping.yaml --dry-run
  colisten import mapping.yaml --out tables

Items and users that no file holds are derived from the interactions. Whatever cannot be
translated is named at once, with its rows and what to do; then nothing is written, exit code 2.
docs/import.md says what a mapping holds.
"""


def import_(
    files: Annotated[
        list[Path],
        typer.Argument(metavar="MAPPING.yaml | FILES...", help="A mapping, or files to draft one."),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="DIR",
            help="Folder of the tables: new, empty, or holding tables alone.",
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check and show the first rows; write nothing.")
    ] = False,
    config: ConfigOption = None,
    overrides: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    settings = load_settings(config, tuple(overrides or ()))
    given = [file.suffix.casefold() in (".yaml", ".yml") for file in files]
    if any(given) and len(files) > 1:
        raise ConfigError("A mapping stands alone.", "Give one mapping, or files to draft one.")
    if all(given) and out is None and not dry_run:
        raise ConfigError("There is no place to write to.", "Give --out DIR, or --dry-run.")
    if out is not None and not all(given):
        raise ConfigError(
            "Files alone only draft a mapping, to standard output.",
            "Write that to mapping.yaml, look through it, and give it with --out.",
        )
    try:
        if not all(given):
            mapping = propose_mapping(files, data=settings.data, engine=settings.engine)
            if as_json:
                print_document({"mapping": mapping})
            else:
                print(mapping, end="")
            return
        place = None if dry_run else out
        imported = import_tables(
            read_mapping(files[0]), place, data=settings.data, engine=settings.engine
        )
    except (Violation, TableViolations) as broken:
        raise refused(broken, as_json=as_json) from None
    if as_json:
        answer = {"ok": True, "written": place, **_plain(imported)}
        print_document(answer, otherwise=str)
    else:
        _print(imported, place)


import_.__doc__ = _HELP


def _plain(imported: Imported) -> dict[str, object]:
    return {
        "tables": imported.tables,
        "notices": [*imported.notices, *imported.report.notices],
        "report": imported.report.to_dict(),
    }


def _print(imported: Imported, out: Path | None) -> None:
    console = Terminal()
    console.width = max(console.width, 100)
    for name, table in imported.tables.items():
        made = ", derived from the interactions" if table.derived else ""
        console.print(Text.assemble((name, "bold"), f"  {table.rows:,} rows{made}"))
        shown = Table(box=None, pad_edge=False)
        for column in table.first[0] if table.first else ():
            shown.add_column(column, overflow="ellipsis", no_wrap=True, max_width=32)
        for row in table.first:
            shown.add_row(*(Text("null" if cell is None else str(cell)) for cell in row.values()))
        console.print(shown)
        console.print()
    for notice in (*imported.notices, *imported.report.notices):
        console.print(Text(f"Notice: {notice}"), soft_wrap=True)
    if out is None:
        console.print("The tables would keep the contract; nothing was written.")
        return
    console.print("The tables keep the contract. Next:", style="bold")
    days = max(1, min(28, (imported.report.last - imported.report.first).days // 6))
    cut = imported.report.last + timedelta(days=1 - days)
    # One line whatever the terminal's width: it is there to be copied.
    console.print(
        f"  colisten run --data {out} --cut {cut:%Y-%m-%d} --window-days {days} --out {out}-run",
        soft_wrap=True,
        highlight=False,
    )
