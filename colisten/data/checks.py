"""The check at the door: tables keep their contract, or nothing downstream runs."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn

from colisten.data.contract import ITEMS, TABLES, Table
from colisten.data.report import TableReport, describe_tables
from colisten.data.rules import Rule, row_rules
from colisten.data.sql import sql_text
from colisten.data.views import TableViews, open_files, open_views
from colisten.data.violation import SHOWN_ROWS, BadRow, TableViolations, Violation
from colisten.data.violations import ItemTypeMissing, TableUnreadable
from colisten.errors import TableError
from colisten.logs import logger
from colisten.progress import track
from colisten.settings.data import DataSettings
from colisten.settings.engine import Engine

log = logger("data.checks")


def check_tables(
    folder: Path,
    *,
    now: datetime | None = None,
    data: DataSettings = DataSettings(),
    engine: Engine = Engine(),
) -> TableReport:
    """Check the tables of `folder` (`items.parquet`, ...) against the contract; writes nothing.

    Every violation is looked for, so that one reading tells all that is to be mended; a column that
    is missing or of a wrong type is not looked into further. Memory is bounded by
    `engine.memory_limit`, whatever the size of the tables.

    Args:
        folder: Folder of contract tables; see docs/tables.md.
        now: What the clock says, see `colisten.data.moments`; default the current time.
        data: Types and signals that there are, and declared columns.
        engine: Bounds of DuckDB.

    Raises:
        Violation: Exactly one: an instance of its own class, from `colisten.data.violations`.
        TableViolations: Several; `.violations` lists them (as it does on a single one).
        TableError: `now` has no zone, or memory or temporary disk do not suffice.
    """
    with open_views(folder, data, engine) as (views, violations):
        moment = _moment(now)
        rules = row_rules(moment, views.data)
        for table in track(TABLES, "Checking tables"):
            if table.name in views.rows:
                violations += _check_rows(
                    views, [rule for rule in rules if rule.table == table.name]
                )
        if {"items", "interactions"} <= views.rows.keys() and not _broken("items", violations):
            violations += _missing_types(views)
        if violations:
            _refuse(violations)
        try:
            report = describe_tables(views, moment)
        except Violation as violation:
            _refuse([violation])
    for notice in views.notices:
        log.warning("name not of the contract", notice=notice)
    log.info("tables checked", folder=str(folder), **report.rows)
    return report


def check_file(
    table: Table,
    file: Path,
    *,
    items: Path | None = None,
    now: datetime | None = None,
    data: DataSettings = DataSettings(),
    engine: Engine = Engine(),
) -> None:
    """Check one file of any name and place against the contract of one table; writes nothing.

    Args:
        table: Of `colisten.data.contract`; the file may be without rows even where it is required.
        file: A parquet file.
        items: File of the catalogue; without one, rules that compare with it are not judged.
        now: As `check_tables`.
        data: As `check_tables`.
        engine: As `check_tables`.

    Raises:
        Violation, TableViolations, TableError: As `check_tables`; each violation names the file.
    """
    files = [(table, file)] + ([(ITEMS, items)] if items else [])
    places = {each.name: place for each, place in files}
    with open_files(files, data, engine) as (views, violations):
        rules = row_rules(_moment(now), views.data)
        for each, _ in files:
            if each.name in views.rows:
                violations += _check_rows(
                    views, [rule for rule in rules if rule.table == each.name]
                )
        if violations:
            _refuse([violation.of_file(places[violation.table]) for violation in violations])
        for notice in views.notices:
            log.warning("name not of the contract", file=str(file), notice=notice)


def _moment(now: datetime | None) -> datetime:
    moment = now or datetime.now(UTC)
    if moment.tzinfo is None:
        raise TableError(f"The moment {moment} has no time zone.", "Pass a UTC datetime.")
    return moment


def _check_rows(views: TableViews, rules: list[Rule]) -> list[Violation]:
    judged = [rule for rule in rules if _can_judge(views, rule)]
    if not judged:
        return []
    table = judged[0].table
    flags = ", ".join(f"({rule.broken}) AS broken_{at}" for at, rule in enumerate(judged))
    counts = ", ".join(f"count_if(broken_{at})" for at in range(len(judged)))
    try:
        [counted] = views.query(f"SELECT {counts} FROM (SELECT {flags} FROM {table})", table)
        return [
            _violation(views, rule, int(count))
            for rule, count in zip(judged, counted, strict=True)
            if count
        ]
    except TableUnreadable as violation:
        views.usable[table] = frozenset()
        return [violation]


def _can_judge(views: TableViews, rule: Rule) -> bool:
    places = (place.split(".") for place in rule.reads)
    return all(column in views.usable.get(table, ()) for table, column in places)


def _violation(views: TableViews, rule: Rule, count: int) -> Violation:
    shows = [name for name in rule.shows if name in views.present[rule.table]]
    shows = [name for name in shows if name in views.usable[rule.table]] or [rule.column]
    columns = ", ".join(f'CAST("{name}" AS VARCHAR)' for name in shows)
    examples: list[tuple[Any, ...]] = views.query(
        f"SELECT row_number, {columns} FROM {rule.table} WHERE {rule.broken} "
        f"ORDER BY row_number LIMIT {SHOWN_ROWS}",
        rule.table,
    )
    rows = [BadRow(int(row[0]), dict(zip(shows, row[1:], strict=True))) for row in examples]
    return rule.violation(
        rule.table, rule.column, count=count, rows=rows, detail=rule.detail, do=rule.do
    )


def _missing_types(views: TableViews) -> list[Violation]:
    violations: list[Violation] = []
    for kind in views.data.item_types:
        [(count,)] = views.query(
            f"SELECT count(*) FROM items WHERE item_type = {sql_text(kind)}", "items"
        )
        if not count:
            violations.append(ItemTypeMissing("items", "item_type", detail=f"items has no {kind}"))
    return violations


def _broken(table: str, violations: list[Violation]) -> bool:
    return any(violation.table == table for violation in violations)


def _refuse(violations: list[Violation]) -> NoReturn:
    order = {table.name: at for at, table in enumerate(TABLES)}
    ordered = sorted(violations, key=lambda violation: order.get(violation.table, -1))
    if len(ordered) == 1:
        raise ordered[0]
    raise TableViolations(ordered)
