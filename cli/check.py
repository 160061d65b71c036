"""`colisten check`: are these tables fit to learn from?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from colisten.data.checks import check_tables
from colisten.data.faults import Fault, TableFaults
from colisten.json_files import to_json
from colisten.terminal import Terminal, print_json

_HELP = """Check a folder of tables against the contract; nothing is written.

DIR holds one parquet file per table (docs/tables.md says more):

\b
  items.parquet         item_id, title, item_type: audiobook or podcast;
                        if known description, language, genres, published_at
  interactions.parquet  user_id, item_id, item_type, timestamp with a zone,
                        signal: stream, follow, preview or intent_to_pay
  users.parquet         optional: user_id; if known country, age
  music.parquet         optional: user_id, music_vector, timestamp
  exposures.parquet     optional: request_id, user_id, variant, release_id,
                        surface, item_id, position, timestamp

Sound tables: prints what they hold and what they lack; exit code 0.

Broken tables: prints every fault with its table, column, first rows
(counted from 0) and what to do; exit code 2.

\b
  colisten check data/
  colisten check data/ --json | jq -r ".faults[].fault"
"""


def check(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder that holds the tables.")],
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object: ok, report or faults.")
    ] = False,
) -> None:
    try:
        report = check_tables(folder)
    except (Fault, TableFaults) as broken:
        if as_json:
            faults = [fault.to_dict() for fault in broken.faults]
            print_json(to_json({"ok": False, "faults": faults}, indent=2))
        else:
            _print_faults(broken.faults)
        raise typer.Exit(broken.exit_code) from None
    if as_json:
        print_json(to_json({"ok": True, "report": report.to_dict()}, indent=2))
    else:
        console = Terminal()
        console.print(report)
        console.print("The tables keep the contract.")


check.__doc__ = _HELP


def _print_faults(faults: tuple[Fault, ...]) -> None:
    console = Terminal(stderr=True)
    for fault in faults:
        console.print(Text.assemble((fault.kind, "bold red"), "  ", (fault.place, "bold")))
        counted = f"{fault.count:,} row{'' if fault.count == 1 else 's'}: " if fault.count else ""
        console.print(Text(f"  {counted}{fault.detail}"), soft_wrap=True)
        if fault.rows:
            console.print(Padding.indent(_rows(fault), 2))
        console.print(Text(f"  Do: {fault.do}\n"), soft_wrap=True)
    noun = "fault" if len(faults) == 1 else "faults"
    console.print(f"{len(faults)} {noun}; nothing was written.")


def _rows(fault: Fault) -> Table:
    names = list(fault.rows[0].values)
    table = Table(box=None, pad_edge=False)
    table.add_column("row", justify="right")
    for name in names:
        table.add_column(name, overflow="ellipsis", no_wrap=True, max_width=32)
    for row in fault.rows:
        values = (row.values[name] for name in names)
        table.add_row(str(row.number), *(Text("null" if v is None else repr(v)) for v in values))
    return table
