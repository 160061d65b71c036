"""`colisten check`: are these tables fit to learn from?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from colisten.cli.documents import JsonOption, print_document
from colisten.cli.inputs import ConfigOption, OptionalDataOption, SetOption, renamed
from colisten.data.checks import check_tables
from colisten.data.gather import gathered
from colisten.data.violation import WITHHELD, TableViolations, Violation
from colisten.errors import ConfigError
from colisten.settings.tree import load_settings
from colisten.terminal import Terminal

_HELP = """Check a folder of tables against the contract; nothing is written.

The folder holds a parquet file per table, or a folder of its parts such as
interactions/date=2025-06-01/part-0.parquet (docs/tables.md says more):

\b
  items.parquet         item_id, title, item_type, one that settings name;
                        if known description, language, genres, published_at
  interactions.parquet  user_id, item_id, item_type, timestamp with a zone,
                        signal, one that settings name
  users.parquet         optional: user_id; if known country, age
  music.parquet         optional: user_id, music_vector, timestamp
  links.parquet         optional: item_id, other_id, relation; if known since
  exposures.parquet     optional: request_id, user_id, variant, release_id,
                        surface, item_id, position, timestamp

Sound tables: prints what they hold and what they lack; exit code 0.

Broken tables: prints every violation with its table, column, first rows
(counted from 0) and what to do; exit code 2.

\b
Example: colisten check --data tables
  colisten check --data tables --json | jq -r ".violations[].violation"
"""


def check(
    folder: Annotated[Path | None, typer.Argument(metavar="DIR", hidden=True)] = None,
    data: OptionalDataOption = None,
    config: ConfigOption = None,
    overrides: SetOption = None,
    show_ids: Annotated[
        bool,
        typer.Option("--show-ids", help="Show users' ids and moments in rows; else … is in place."),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    if folder is not None:
        renamed("colisten check DIR", "colisten check --data DIR")
    data = data or folder
    if data is None:
        raise ConfigError("check needs --data.", "Give the folder that holds the tables.")
    settings = load_settings(config, tuple(overrides or ()))
    try:
        with gathered(data) as tables:
            report = check_tables(tables, data=settings.data, engine=settings.engine)
    except (Violation, TableViolations) as broken:
        raise refused(broken, as_json=as_json, ids=show_ids) from None
    if as_json:
        print_document({"ok": True, "report": report.to_dict()})
    else:
        console = Terminal()
        console.print(report)
        console.print("The tables keep the contract.")


check.__doc__ = _HELP


def refused(broken: Violation | TableViolations, *, as_json: bool, ids: bool = False) -> typer.Exit:
    """The end of a command whose tables are at fault, once every violation is printed.

    Who a row is of, and when, is withheld unless `ids`.
    """
    if as_json:
        violations = [violation.to_dict(ids=ids) for violation in broken.violations]
        print_document({"ok": False, "violations": violations})
    else:
        _print_violations(broken.violations, ids)
    return typer.Exit(broken.exit_code)


def _print_violations(violations: tuple[Violation, ...], ids: bool) -> None:
    """Every violation with its first rows and what to do, to standard error."""
    console = Terminal(stderr=True)
    for violation in violations:
        console.print(Text.assemble((violation.kind, "bold red"), "  ", (violation.place, "bold")))
        counted = (
            f"{violation.count:,} row{'' if violation.count == 1 else 's'}: "
            if violation.count
            else ""
        )
        console.print(Text(f"  {counted}{violation.detail}"), soft_wrap=True)
        if violation.rows:
            console.print(Padding.indent(_rows(violation, ids), 2))
        console.print(Text(f"  Do: {violation.do}\n"), soft_wrap=True)
    noun = "violation" if len(violations) == 1 else "violations"
    console.print(f"{len(violations)} {noun}; nothing was written.")


def _rows(violation: Violation, ids: bool) -> Table:
    names = list(violation.rows[0].values)
    table = Table(box=None, pad_edge=False)
    table.add_column("row", justify="right")
    for name in names:
        table.add_column(name, overflow="ellipsis", no_wrap=True, max_width=32)
    for row in violation.rows:
        table.add_row(str(row.number), *map(_cell, row.told(violation.column, ids=ids).values()))
    return table


def _cell(value: str | None) -> Text:
    if value is None:
        return Text("null")
    return Text(value if value is WITHHELD else repr(value))
