"""What every row must keep, as data: a rule is a class of violation and the SQL of a breaking row.

A table's rules are counted together in one scan; only a rule that is broken costs a second one,
for its first rows.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from colisten.data import violations
from colisten.data.contract import (
    EMPTY,
    ITEMS,
    MAX_AGE,
    MOST_MILLISECONDS,
    POPULARITY,
    QUALITIES,
    TEXT_VECTORS,
)
from colisten.data.ids import MAX_ID_BYTES, is_too_long
from colisten.data.moments import EARLIEST, LATEST, newest, sql_moment, utc
from colisten.data.sql import WHITE_SPACE, is_blank, sql_name, sql_text, sql_texts
from colisten.data.units import WrongUnit, units
from colisten.data.violation import Violation
from colisten.settings.data import DataSettings

LARGEST_POSITION = 2**31 - 1
LARGEST_FLOAT = 3.4028234e38
LONGEST_NAME = 64
CO_LISTENED = "co_listened"
"""The relation that listeners make, which no link may be named after."""


@dataclass(frozen=True)
class Rule:
    """One rule on the rows of one table.

    Attributes:
        violation: Raised where the rule is broken.
        table: Whose rows are looked at.
        column: The column at fault.
        broken: SQL predicate over the table's view; null breaks nothing.
        reads: Columns, as `table.column`, without which the rule cannot be judged.
        shows: Columns of the table to show of an offending row.
        detail: What is wrong; default the violation's own words.
        do: What to do; default the violation's own advice.
    """

    violation: type[Violation]
    table: str
    column: str
    broken: str
    reads: tuple[str, ...]
    shows: tuple[str, ...]
    detail: str = ""
    do: str = ""


def row_rules(now: datetime, data: DataSettings) -> list[Rule]:
    """All rules, in the order of the tables.

    Args:
        now: What the clock says.
        data: Types and signals that may occur.
    """
    return [
        *_item_rules(data),
        *_user_rules(),
        *_music_rules(now),
        *_interaction_rules(now, data),
        *_link_rules(now),
        *_text_vector_rules(data),
        *_popularity_rules(now),
        *_exposure_rules(now),
    ]


def _item_rules(data: DataSettings) -> list[Rule]:
    shows = ("item_id", "item_type", "title")
    return [
        *_id_rules("items", "item_id", shows),
        _rule(violations.DuplicateItem, "items", "item_id", _repeated("items", "item_id"), shows),
        _type_rule("items", shows, data),
        *_date_rules(
            "items",
            "published_at",
            ("item_id", "item_type", "published_at"),
            units("published_at", LATEST, days_are_meant=True),
        ),
    ]


def _user_rules() -> list[Rule]:
    shows = ("user_id", "country", "age")
    old = f"age < 0 OR age >= {MAX_AGE} OR TRY_CAST(age AS FLOAT) >= {MAX_AGE}"
    return [
        *_id_rules("users", "user_id", shows),
        _rule(violations.DuplicateUser, "users", "user_id", _repeated("users", "user_id"), shows),
        _rule(violations.AgeOutOfRange, "users", "age", old, ("user_id", "age")),
    ]


def _music_rules(now: datetime) -> list[Rule]:
    shows = ("user_id", "timestamp")
    return [
        *_id_rules("music", "user_id", shows),
        *_moment_rules("music", shows, now),
        *_vector_rules(),
    ]


def _interaction_rules(now: datetime, data: DataSettings) -> list[Rule]:
    table, shows = "interactions", ("user_id", "item_id", "item_type", "signal", "timestamp")
    place = (table, "signal", shows)
    return [
        *_id_rules(table, "user_id", shows),
        *_id_rules(table, "item_id", shows),
        _type_rule(table, shows, data),
        _word_rule(violations.UnknownSignal, place, data.signal_names, "data.signals"),
        *_moment_rules(table, shows, now),
        _unknown_item(violations.InteractionWithUnknownItem, table, shows),
        _contradiction(shows, data.item_types),
        _rule(
            violations.DurationOutOfRange,
            table,
            "duration_ms",
            f"duration_ms NOT BETWEEN 0 AND {MOST_MILLISECONDS}",
            (*shows, "duration_ms"),
        ),
    ]


def _exposure_rules(now: datetime) -> list[Rule]:
    table, shows = "exposures", ("request_id", "user_id", "item_id", "position", "timestamp")
    empty = f"quality IS NOT DISTINCT FROM {sql_text(EMPTY)}"
    off = f"NOT {empty} AND (position IS NULL OR position NOT BETWEEN 1 AND {LARGEST_POSITION})"
    both = f"{empty} AND (item_id IS NOT NULL OR position IS NOT NULL)"
    unknown = f"quality NOT IN ({sql_texts(QUALITIES)})"
    no_item, *item_rules = _id_rules(table, "item_id", shows)
    rules = (
        replace(no_item, broken=f"{no_item.broken} AND NOT {empty}"),
        _rule(violations.PositionOutOfRange, table, "position", off, shows),
        _rule(violations.EmptyShelfWithItem, table, "quality", both, (*shows[::3], "quality")),
    )
    return [
        *_id_rules(table, "request_id", shows),
        *_id_rules(table, "user_id", shows),
        *_id_rules(table, "variant", ("request_id", "user_id", "variant")),
        *item_rules,
        *(replace(rule, reads=(f"{table}.quality", *rule.reads)) for rule in rules),
        _rule(violations.UnknownQuality, table, "quality", unknown, ("request_id", "quality")),
        *_moment_rules(table, shows, now),
        _unknown_item(violations.ExposureOfUnknownItem, table, shows),
    ]


def _rule(
    violation: type[Violation], table: str, column: str, broken: str, shows: tuple[str, ...]
) -> Rule:
    return Rule(violation, table, column, broken, (f"{table}.{column}",), shows)


def _repeated(table: str, column: str) -> str:
    return (
        f"{column} IN (SELECT {column} FROM {table} WHERE {column} IS NOT NULL "
        f"GROUP BY 1 HAVING count(*) > 1)"
    )


def _id_rules(table: str, column: str, shows: tuple[str, ...]) -> list[Rule]:
    return [
        _rule(violations.NullId, table, column, f"{column} IS NULL", shows),
        _rule(violations.BlankId, table, column, is_blank(column), shows),
        Rule(
            violations.LongId,
            table,
            column,
            is_too_long(column),
            (f"{table}.{column}",),
            shows,
            f"longer than {MAX_ID_BYTES:,} bytes in UTF-8",
        ),
    ]


def _type_rule(table: str, shows: tuple[str, ...], data: DataSettings) -> Rule:
    place = (table, "item_type", shows)
    return _word_rule(violations.UnknownItemType, place, data.item_types, "data.context_types")


def _word_rule(
    violation: type[Violation],
    place: tuple[str, str, tuple[str, ...]],
    known: tuple[str, ...],
    setting: str,
) -> Rule:
    table, column, shows = place
    broken = f"{column} IS NULL OR {column} NOT IN ({sql_texts(known)})"
    names = ", ".join(map(repr, known))
    do = f"Name it in the setting {setting}, or map it to one of {names}, or drop these rows."
    return replace(_rule(violation, table, column, broken, shows), do=do)


def _future_rules(table: str, column: str, shows: tuple[str, ...], now: datetime) -> list[Rule]:
    return _clock_rules(
        violations.FutureTimestamp,
        (table, column, f"{column} > {sql_moment(newest(now))}", shows),
        [unit for unit in units(column, newest(now)) if unit.ahead],
        f"after now ({utc(now):%Y-%m-%d %H:%M} UTC)",
    )


def _moment_rules(table: str, shows: tuple[str, ...], now: datetime) -> list[Rule]:
    early = f"timestamp < {sql_moment(EARLIEST)}"
    return [
        _rule(violations.NullTimestamp, table, "timestamp", "timestamp IS NULL", shows),
        *_future_rules(table, "timestamp", shows, now),
        *_clock_rules(
            violations.EarlyTimestamp,
            (table, "timestamp", early, shows),
            [unit for unit in units("timestamp", newest(now)) if not unit.ahead],
        ),
    ]


def _clock_rules(
    violation: type[Violation],
    place: tuple[str, str, str, tuple[str, ...]],
    wrong: list[WrongUnit],
    detail: str = "",
) -> list[Rule]:
    """One rule for each unit that explains the values, and one for what none explains."""
    table, column, broken, shows = place
    reads = (f"{table}.{column}",)
    rules = [
        Rule(
            violation,
            table,
            column,
            f"({broken}) AND {unit.explains}",
            reads,
            shows,
            unit.detail,
            unit.do,
        )
        for unit in wrong
    ]
    none = " AND ".join([f"({broken})", *(f"NOT {unit.explains}" for unit in wrong)])
    return [*rules, Rule(violation, table, column, none, reads, shows, detail)]


def _date_rules(
    table: str, column: str, shows: tuple[str, ...], wrong: list[WrongUnit]
) -> list[Rule]:
    """Dates may lie long ago, but not where only a wrong unit puts them."""
    reads = (f"{table}.{column}",)
    return [
        Rule(
            violations.DateInWrongUnit,
            table,
            column,
            unit.explains,
            reads,
            shows,
            unit.detail,
            unit.do,
        )
        for unit in wrong
    ]


def _link_rules(now: datetime) -> list[Rule]:
    shows = ("item_id", "other_id", "relation", "since")
    triple = ("item_id", "other_id", "relation")
    complete = " AND ".join(f"{name} IS NOT NULL" for name in triple)
    repeated = (
        f"({', '.join(triple)}) IN (SELECT ({', '.join(triple)}) FROM links WHERE {complete} "
        f"GROUP BY {', '.join(triple)} HAVING count(*) > 1)"
    )
    unfit = (
        f"relation IS NULL OR length(relation) NOT BETWEEN 1 AND {LONGEST_NAME} "
        f"OR trim(relation, {sql_text(WHITE_SPACE)}) <> relation "
        f"OR regexp_matches(relation, '[\\x00-\\x1f]') OR relation = {sql_text(CO_LISTENED)}"
    )
    ids = [
        rule
        for column in ("item_id", "other_id")
        for rule in (
            *_id_rules("links", column, shows),
            _unknown_item(violations.LinkOfUnknownItem, "links", shows, column),
        )
    ]
    reads = tuple(f"links.{name}" for name in triple)
    since = units("since", newest(now), days_are_meant=True)
    return [
        *ids,
        Rule(violations.LinkToItself, "links", "other_id", "item_id = other_id", reads[:2], shows),
        Rule(violations.DuplicateLink, "links", "relation", repeated, reads, shows),
        _rule(violations.UnfitRelation, "links", "relation", unfit, shows),
        *_future_rules("links", "since", shows, now),
        *_date_rules("links", "since", shows, [unit for unit in since if not unit.ahead]),
    ]


def _text_vector_rules(data: DataSettings) -> list[Rule]:
    table = TEXT_VECTORS.name
    own = _id_rules(table, "item_id", ("item_id",))
    own.append(
        _rule(violations.DuplicateItem, table, "item_id", _repeated(table, "item_id"), ("item_id",))
    )
    places = [(table, "vector")]
    if data.text_vectors is not None:
        places.append((ITEMS.name, sql_name(data.text_vectors)))
    for name, column in places:
        length, finite = _one_length(name, column), _not_finite(column)
        plain = column.strip('"')
        for violation, broken in (
            (violations.TextVectorLength, length),
            (violations.NonFiniteTextVector, finite),
        ):
            own.append(_rule(violation, name, plain, broken, ("item_id",)))
    return own


def _popularity_rules(now: datetime) -> list[Rule]:
    table, shows = POPULARITY.name, ("item_id", "score", "since")
    unfit = "score IS NULL OR NOT isfinite(score)"
    return [
        *_id_rules(table, "item_id", shows),
        _rule(violations.UnfitScore, table, "score", unfit, shows),
        *_future_rules(table, "since", shows, now),
    ]


def _one_length(table: str, column: str) -> str:
    """SQL: the vector is not as long as most."""
    return (
        f"len({column}) > 0 AND len({column}) <> "
        f"(SELECT len({column}) AS size FROM {table} WHERE len({column}) > 0 "
        "GROUP BY 1 ORDER BY count(*) DESC, size DESC LIMIT 1)"
    )


def _not_finite(column: str) -> str:
    """SQL: a value of the vector is no 32-bit float."""
    bad = f"x IS NULL OR NOT isfinite(x) OR abs(x) > {LARGEST_FLOAT}"
    return f"len(list_filter({column}, lambda x: {bad})) > 0"


def _vector_rules() -> list[Rule]:
    shows = ("user_id", "music_vector", "timestamp")
    vector = "music.music_vector"
    conflict = (
        "(user_id, timestamp) IN (SELECT (user_id, timestamp) FROM music "
        "WHERE user_id IS NOT NULL AND timestamp IS NOT NULL GROUP BY user_id, timestamp "
        "HAVING min(hash(music_vector)) <> max(hash(music_vector)))"
    )
    rules = [
        (violations.NullMusicVector, "music_vector IS NULL OR len(music_vector) = 0", (vector,)),
        (violations.MusicVectorLength, _one_length("music", "music_vector"), (vector,)),
        (violations.NonFiniteMusicVector, _not_finite("music_vector"), (vector,)),
        (violations.MusicVectorConflict, conflict, (vector, "music.user_id", "music.timestamp")),
    ]
    return [
        Rule(violation, "music", "music_vector", broken, reads, shows)
        for violation, broken, reads in rules
    ]


def _unknown_item(
    violation: type[Violation], table: str, shows: tuple[str, ...], column: str = "item_id"
) -> Rule:
    broken = (
        f"NOT {is_blank(column)} "
        f"AND {column} NOT IN (SELECT item_id FROM items WHERE item_id IS NOT NULL)"
    )
    return Rule(violation, table, column, broken, (f"{table}.{column}", "items.item_id"), shows)


def _contradiction(shows: tuple[str, ...], types: tuple[str, ...]) -> Rule:
    # Per type, an item that the catalogue has under another type and not under this one.
    cases = [
        f"(item_type = {sql_text(kind)} AND item_id IN (SELECT item_id FROM items "
        f"WHERE item_id IS NOT NULL GROUP BY 1 "
        f"HAVING bool_and(item_type IN ({sql_texts(types)}) AND item_type <> {sql_text(kind)})))"
        for kind in types
    ]
    reads = tuple(f"{table}.{name}" for table in ("items", "interactions") for name in shows[1:3])
    return Rule(
        violations.ItemTypeContradiction,
        "interactions",
        "item_type",
        " OR ".join(cases),
        reads,
        shows,
    )
