"""What no file says and the others tell: the catalogue and the users of the events.

Of an item or user that several events describe, the last event that says a column decides.
"""

from __future__ import annotations

from colisten.data.contract import ITEMS, USERS, Column, Table
from colisten.data.sql import is_blank, sql_name
from colisten.data.violation import SHOWN_ROWS, Violation
from colisten.data.violations import ItemTypeContradiction
from colisten.importing.sources import Source
from colisten.importing.translation import ROW


def type_from_items(source: Source) -> None:
    """Give interactions the type that the catalogue has of their item."""
    source.query(
        "CREATE OR REPLACE TABLE interactions AS SELECT interactions.*, item_type "
        "FROM interactions LEFT JOIN (SELECT item_id, any_value(item_type) AS item_type "
        f"FROM items GROUP BY 1) USING (item_id) ORDER BY {ROW}"
    )


def derive(source: Source, table: Table, said: list[Column]) -> list[Column]:
    """Make `items` or `users` of the interactions.

    Args:
        source: Rows of the interactions.
        table: Items or users.
        said: Columns that interactions have.

    Returns:
        The columns that it has, those that must be there among them.
    """
    key = table.columns[0].name
    has = {column.name for column in said}
    columns, selected = [table.columns[0]], [sql_name(key)]
    for column in table.columns[1:]:
        name = sql_name(column.name)
        if column.name in has:
            selected.append(f"arg_max({name}, {ROW}) AS {name}")
        elif column.required:
            selected.append(f"CAST(NULL AS {column.kind.sql}) AS {name}")
        else:
            continue
        columns.append(column)
    source.query(
        f"CREATE TABLE {table.name} AS SELECT row_number() OVER () - 1 AS {ROW}, * FROM "
        f"(SELECT {', '.join(selected)} FROM interactions "
        f"WHERE {sql_name(key)} IS NOT NULL AND NOT {is_blank(sql_name(key))} "
        f"GROUP BY {sql_name(key)} ORDER BY {sql_name(key)})"
    )
    return columns


def of_two_types(source: Source, theirs: list[str]) -> list[Violation]:
    """Items that the events call by more than one type, where no catalogue decides."""
    wrong = (
        "item_id IN (SELECT item_id FROM interactions GROUP BY 1 "
        "HAVING count(DISTINCT item_type) > 1)"
    )
    [(items, count)] = source.query(
        f"SELECT count(DISTINCT item_id), count(*) FROM interactions WHERE {wrong}"
    )
    if not count:
        return []
    rows = source.query(
        f"SELECT {ROW} FROM interactions WHERE {wrong} ORDER BY item_id, {ROW} LIMIT {SHOWN_ROWS}"
    )
    return [
        ItemTypeContradiction(
            "interactions",
            "item_type",
            count=int(count),
            rows=source.bad_rows([int(row[0]) for row in rows], theirs),
            detail=f"{items:,} items occur under more than one type",
            do="Give each item one type, e.g. by a file for `items`, which then decides.",
        )
    ]


DERIVED = {ITEMS.name: ITEMS, USERS.name: USERS}
"""Tables that events can tell."""
