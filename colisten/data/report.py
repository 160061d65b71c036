"""What a folder of sound tables holds: counts, spans, gaps, and what follows from the gaps."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from rich.console import Group
from rich.table import Table as RichTable
from rich.text import Text

from colisten.data.canonical import Canonical, canonical_country, canonical_language
from colisten.data.contract import EXPOSURES, LINKS, MUSIC, POPULARITY, TABLES, TEXT_VECTORS, USERS
from colisten.data.moments import days_from, from_microseconds, sql_moment
from colisten.data.own_parts import own_notices
from colisten.data.sql import is_blank, sql_name, sql_text
from colisten.data.views import TableViews

_FIRST_RECORDINGS = datetime(1877, 1, 1, tzinfo=UTC)
_EXCEL_ZERO = (datetime(1899, 12, 30, tzinfo=UTC), datetime(1900, 1, 1, 23, 59, 59, tzinfo=UTC))
_DAY_MICROSECONDS = 86_400_000_000
_ZONE_MICROSECONDS = 14 * 3_600_000_000
"""How far local time is ahead of UTC at most, so that 1970-01-01 there is 1969 in UTC."""

_AHEAD_DAYS = 3650


@dataclass(frozen=True)
class TableReport:
    """What `check_tables` found in tables that keep the contract.

    Attributes:
        rows: Rows per table; a table without a file is not named.
        items: Items per item type.
        listeners: Users with at least one interaction.
        interactions: Interactions per item type.
        signals: Interactions per signal.
        links: Links per relation, by name.
        first: Moment of the earliest interaction, UTC.
        last: Moment of the latest interaction, UTC.
        missing: Share of rows without a value, 0 to 1: `audiobook.title` (blank counts as
            missing), `.description`, `.language`, `.genres`, `.published_at`, the same for
            every other type, `users.country`, `users.age` and further columns that settings name.
        music_dim: Length of the music vectors; None without any.
        notices: What the tables lack and what follows from it; none is an error.
    """

    rows: dict[str, int]
    items: dict[str, int]
    listeners: int
    interactions: dict[str, int]
    signals: dict[str, int]
    links: dict[str, int]
    first: datetime
    last: datetime
    missing: dict[str, float]
    music_dim: int | None
    notices: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """The report as plain values, for JSON; moments in ISO 8601."""
        tree = asdict(self)
        tree["first"], tree["last"] = self.first.isoformat(), self.last.isoformat()
        tree["notices"] = list(self.notices)
        return tree

    def __rich__(self) -> Group:
        """Two tables and the notices, for a terminal."""
        tables = RichTable(title="Tables", title_justify="left")
        tables.add_column("table")
        tables.add_column("rows", justify="right")
        tables.add_column("holds")
        for table in TABLES:
            held = f"{self.rows[table.name]:,}" if table.name in self.rows else "-"
            tables.add_row(table.name, held, self._holds(table.name))
        gaps = RichTable(title="Without a value", title_justify="left")
        names = ("title", "description", "language", "genres", "published_at")
        gaps.add_column("")
        for name in names:
            gaps.add_column(name, justify="right")
        for kind in self.items:
            gaps.add_row(kind, *(f"{self.missing[f'{kind}.{name}']:.0%}" for name in names))
        parts: list[RichTable | Text] = [tables, gaps]
        parts += [Text(f"Notice: {notice}") for notice in self.notices]
        return Group(*parts)

    def _holds(self, table: str) -> str:
        if table not in self.rows:
            return "no file"
        if table == "items":
            return _counts(self.items)
        if table == "users" and self.rows[table]:
            return ", ".join(
                f"{name.removeprefix('users.')} known of {1 - share:.0%}"
                for name, share in self.missing.items()
                if name.startswith("users.")
            )
        if table == "links":
            return _counts(self.links)
        if table == "music" and self.music_dim is not None:
            return f"vectors of length {self.music_dim}"
        if table == "interactions":
            return (
                f"{self.listeners:,} users, {self.first:%Y-%m-%d} to {self.last:%Y-%m-%d}; "
                f"{_counts(self.signals)}"
            )
        return ""


def describe_tables(views: TableViews, now: datetime) -> TableReport:
    """Measure sound tables as of `now`; raises TableUnreadable where a file is damaged inside."""
    language = canonical_language(views)
    items, missing = _items(views, language)
    missing |= _users(views)
    listeners, by_type, signals, first, last, at_midnight = _interactions(views)
    music_dim = _music_dim(views)
    notices = _notices(views, missing, by_type, signals, music_dim, at_midnight)
    notices += _strange(views, language)
    notices += _published(views, now)
    return TableReport(
        rows=dict(views.rows),
        items=items,
        listeners=listeners,
        interactions=by_type,
        signals=signals,
        links=_links(views),
        first=first,
        last=last,
        missing=missing,
        music_dim=music_dim,
        notices=tuple(notices),
    )


def _items(views: TableViews, language: Canonical) -> tuple[dict[str, int], dict[str, float]]:
    names = ("title", "description")
    blank = ", ".join(f"count_if({name} IS NULL OR {is_blank(name)})" for name in names)
    by_type = views.query(
        f"SELECT item_type, count(*), {blank}, count_if({language.value} IS NULL), "
        "count_if(coalesce(len(genres), 0) = 0), "
        "count_if(published_at IS NULL) FROM items GROUP BY 1",
        "items",
    )
    counts = {row[0]: row[1:] for row in by_type}
    items: dict[str, int] = {kind: int(counts[kind][0]) for kind in views.data.item_types}
    missing = {
        f"{kind}.{name}": counts[kind][at + 1] / items[kind]
        for kind in items
        for at, name in enumerate((*names, "language", "genres", "published_at"))
    }
    return items, missing


def _users(views: TableViews) -> dict[str, float]:
    texts = ("country", *views.data.user_categories)
    numbers = ("age", *views.data.user_numbers)
    if not views.rows.get("users"):
        return {f"users.{name}": 1.0 for name in (*texts, *numbers)}
    counts = [f"count_if({sql_name(name)} IS NULL)" for name in numbers]
    for name in map(sql_name, reversed(texts)):
        counts.insert(0, f"count_if({name} IS NULL OR {is_blank(name)})")
    [(rows, *missing)] = views.query(f"SELECT count(*), {', '.join(counts)} FROM users", "users")
    return {
        f"users.{name}": count / rows
        for name, count in zip((*texts, *numbers), missing, strict=True)
    }


def _interactions(
    views: TableViews,
) -> tuple[int, dict[str, int], dict[str, int], datetime, datetime, bool]:
    kinds, signals = views.data.item_types, views.data.signal_names
    counts = ", ".join(
        f"count_if({column} = {sql_text(value)})"
        for column, values in (("item_type", kinds), ("signal", signals))
        for value in values
    )
    [(users, first, last, midnight, *counted)] = views.query(
        "SELECT count(DISTINCT user_id), min(epoch_us(timestamp)), max(epoch_us(timestamp)), "
        f"bool_and(epoch_us(timestamp) % 86400000000 = 0), {counts} FROM interactions",
        "interactions",
    )
    by_type = dict(zip(kinds, map(int, counted), strict=False))
    by_signal = dict(zip(signals, map(int, counted[len(kinds) :]), strict=True))
    span = [from_microseconds(moment) for moment in (first, last)]
    return int(users), by_type, by_signal, span[0], span[1], bool(midnight)


def _links(views: TableViews) -> dict[str, int]:
    if not views.rows.get("links"):
        return {}
    counted = views.query("SELECT relation, count(*) FROM links GROUP BY 1 ORDER BY 1", "links")
    return {str(relation): int(count) for relation, count in counted}


def _music_dim(views: TableViews) -> int | None:
    if not views.rows.get("music"):
        return None
    [(size,)] = views.query("SELECT max(len(music_vector)) FROM music", "music")
    return int(size)


def _notices(
    views: TableViews,
    missing: dict[str, float],
    by_type: dict[str, int],
    signals: dict[str, int],
    music_dim: int | None,
    at_midnight: bool,
) -> list[str]:
    notices = list(views.notices)
    notices += own_notices(views)
    for table in (USERS, MUSIC, LINKS, TEXT_VECTORS, POPULARITY, EXPOSURES):
        if table.name in views.rows and not views.rows[table.name]:
            notices.append(f"{table.file_name} has no rows.")
    if USERS.name not in views.rows:
        notices.append("No users table: every user's country and age are unknown.")
    elif views.rows[USERS.name]:
        unknown = [name for name in ("country", "age") if missing[f"users.{name}"] == 1.0]
        if unknown:
            notices.append(f"No user has a known {' or '.join(unknown)}.")
        [(strangers,)] = views.query(
            "SELECT count(DISTINCT user_id) FROM interactions "
            "WHERE user_id NOT IN (SELECT user_id FROM users)",
            "interactions",
        )
        if strangers:
            notices.append(f"{strangers:,} users of interactions are not in the users table.")
    if music_dim is None:
        notices.append("No music vectors: taste comes from listening alone.")
    for kind in by_type:
        if missing[f"{kind}.title"] == 1.0 and missing[f"{kind}.description"] == 1.0:
            notices.append(f"No {kind} has any text: only listening tells them apart.")
        elif missing[f"{kind}.description"] == 1.0:
            notices.append(f"No {kind} has a description.")
        if not by_type[kind]:
            notices.append(f"No interaction with any {kind}.")
    for name in ("language", "genres", "published_at"):
        if all(missing[f"{kind}.{name}"] == 1.0 for kind in by_type):
            notices.append(f"No item says its {name}.")
    used = [signal for signal, count in signals.items() if count]
    if len(used) == 1:
        notices.append(f"One signal only: {used[0]}.")
    if at_midnight:
        notices.append("All interactions are at midnight UTC: their order within a day is unknown.")
    return notices


def _strange(views: TableViews, language: Canonical) -> list[str]:
    notices = []
    if language.strange:
        notices.append(
            f"items.language: {_rows(language)} no language tag (BCP 47), which counts as none: "
            f"{language.shown()}. {language.strange[0].hint}"
        )
    country = canonical_country(views) if views.rows.get(USERS.name) else None
    if country is not None and country.strange:
        notices.append(
            f"users.country: {_rows(country)} no country code (ISO 3166), which is kept as it is: "
            f"{country.shown()}."
        )
    return notices


def _published(views: TableViews, now: datetime) -> list[str]:
    """Publishing dates that can be meant but hardly are; all of them are taken as they stand."""
    zero = f"epoch_us(published_at) BETWEEN {-_ZONE_MICROSECONDS} AND {_DAY_MICROSECONDS} - 1"
    spreadsheet = (
        f"published_at BETWEEN {sql_moment(_EXCEL_ZERO[0])} AND {sql_moment(_EXCEL_ZERO[1])}"
    )
    kinds = {  # A row belongs to the first that fits.
        f"before {_FIRST_RECORDINGS:%Y}, before there were recordings": (
            f"published_at < {sql_moment(_FIRST_RECORDINGS)}"
        ),
        "1970-01-01, which an empty date often becomes": zero,
        "1900-01-01 or just before, which an empty date often becomes": spreadsheet,
        f"more than {_AHEAD_DAYS // 365} years ahead, so they are yet to come": (
            f"published_at > {sql_moment(days_from(now, _AHEAD_DAYS))}"
        ),
    }
    cases = " ".join(f"WHEN {fits} THEN {at}" for at, fits in enumerate(kinds.values()))
    suspects = views.query(
        f"SELECT CASE {cases} END AS kind, count(*), min(row_number) FROM items "
        "GROUP BY kind HAVING kind IS NOT NULL ORDER BY kind",
        "items",
    )
    words = list(kinds)
    return [
        f"items.published_at: {count:,} row{'' if count == 1 else 's'} {words[at]} "
        f"(first row {first})."
        for at, count, first in suspects
    ]


def _rows(column: Canonical) -> str:
    return "1 row holds" if column.rows == 1 else f"{column.rows:,} rows hold"


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in counts.items())
