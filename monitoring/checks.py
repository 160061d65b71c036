"""Checks of a window's profile beside those of earlier windows, each with a cause of its own."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise

from colisten.monitoring.check import Check, Kind, share_text
from colisten.monitoring.limits import ENOUGH, Limit, Source, level, trend
from colisten.monitoring.profile import ColumnProfile, WindowProfile, pooled

MIN_ROWS = 200
"""Users of a window, or values of a column, below which shapes are not compared."""

MIN_COUNT = 100
"""Events or users that were expected, below which a volume is not judged."""

TASTE = "taste_axis_"

# Differences worth a look, and those taken while there are too few windows to learn from.
_NULLS, _NULLS_FIXED = 0.03, 0.10
_VOLUME, _VOLUME_FIXED = 0.15, 0.60
_REGISTERED, _REGISTERED_FIXED = 0.02, 0.03
_PSI, _PSI_FIXED = 0.04, 0.25
_JS, _JS_FIXED = 0.04, 0.20
_CATEGORY = 0.01
_STALE_DAYS, _RELEASE_WINDOWS = 3.0, 3.0
_SKEW = 0.02


def table_checks(earlier: Sequence[WindowProfile], now: WindowProfile) -> Iterator[Check]:
    """All that two or more profiles tell; `earlier` one after the other, the latest last."""
    yield from columns_gone(earlier, now)
    yield from null_shares(earlier, now)
    yield from freshness(earlier, now)
    yield from users_gone(earlier, now)
    yield from volumes(earlier, now)
    yield from categories(earlier, now)
    yield from skews(earlier, now)
    yield from shapes(earlier, now)


def columns_gone(earlier: Sequence[WindowProfile], now: WindowProfile) -> Iterator[Check]:
    """Columns that had values in the latest of the earlier windows and have none now."""
    if not earlier:
        return
    before = earlier[-1]
    had = {name: one.values > 0 for name, one in before.columns.items()}
    has = {name: one.values > 0 for name, one in now.columns.items()}
    comparable = not before.rebuilt and now.rows > 0
    for table, shares in before.tables.items() if not before.rebuilt else ():
        later = now.tables.get(table, {})
        had |= {f"{table}.{name}": share < 1 for name, share in shares.items()}
        has |= {f"{table}.{name}": share < 1 for name, share in later.items()}
    for name in sorted(had):
        # One that is computed under a release is not there without one.
        if not had[name] or (name in before.columns and before.columns[name].under is not None):
            continue
        gone = not has.get(name, False)
        if gone and now.rows and (comparable or name in before.columns):
            says = f"{name} has no value left"
            yield Check("column", name, 0.0, 1.0, 1.0, None, "fixed", True, says)


def null_shares(earlier: Sequence[WindowProfile], now: WindowProfile) -> Iterator[Check]:
    """Missing values by column, of the window's users and of whole tables.

    Windows that were rebuilt say nothing here: they read the users table as it is today.
    """
    told = [one for one in earlier if not one.rebuilt]
    for name, column in now.columns.items():
        # What is computed is there for every user, and a column that is gone has its own check.
        if column.under is None and column.values:
            known = [
                one.columns[name].missing_share
                for one in _unmoved(told, f"nulls:{name}")
                if name in one.columns and one.columns[name].rows
            ]
            yield _nulls(name, column.missing_share, column.rows, known)
    for table, shares in now.tables.items():
        for name, share in shares.items():
            of = f"{table}.{name}"
            known = [
                one.tables[table][name]
                for one in _unmoved(told, f"nulls:{of}")
                if name in one.tables.get(table, {})
            ]
            if share < 1:
                yield _nulls(of, share, None, known)


def _nulls(of: str, share: float, rows: int | None, earlier: Sequence[float]) -> Check:
    says = f"{share_text(share)} of {of} is missing"
    if not earlier or (rows is not None and rows < MIN_ROWS):
        return Check.not_judged("nulls", of, share, says)
    usual = sum(earlier) / len(earlier)
    chance = 0.0 if rows is None else math.sqrt(max(usual * (1 - usual), 1 / rows) / rows)
    limit = level(earlier, least=_NULLS, chance=chance, fixed=_NULLS_FIXED)
    return Check.of_limit("nulls", of, share, limit, f"{says} ({_usually(limit)})")


def freshness(earlier: Sequence[WindowProfile], now: WindowProfile) -> Iterator[Check]:
    """Days from the newest moment of tables, features and release to the window's end."""
    for name, days in now.ages.items():
        if name == "release":
            high = _RELEASE_WINDOWS * now.days
        else:
            known = [
                one.ages[name] for one in _unmoved(earlier, f"stale:{name}") if name in one.ages
            ]
            high = max([_STALE_DAYS, *(2 * one for one in known)])
        says = f"{name} end {days:.1f} days before the window does"
        if name == "release":
            says = f"the release was learned {days:.1f} days before the window's end"
        limit = Limit(None, None, high, "fixed")
        yield Check.of_limit("stale", name, days, limit, says)


def users_gone(earlier: Sequence[WindowProfile], now: WindowProfile) -> Iterator[Check]:
    """Users of the users table by country: the share by which they became fewer.

    A table of users is no sample: it grows or stays, and one that is gone was taken out.
    """
    told = [one for one in earlier if one.registered]
    if not now.registered:
        return
    for country in sorted({name for one in told for name in one.registered}):
        still = _unmoved(told, f"users_gone:{country}")
        counts = [one.registered.get(country, 0) for one in still]
        count, before = now.registered.get(country, 0), counts[-1]
        says = f"{count:,} users of {country} are registered (there were {before:,})"
        if before < MIN_COUNT:
            yield Check.not_judged("users_gone", country, None, says)
            continue
        drops = [1 - later / max(one, 1) for one, later in pairwise(counts)]
        limit = level(drops, least=_REGISTERED, chance=0.0, fixed=_REGISTERED_FIXED)
        yield Check.of_limit("users_gone", country, 1 - count / before, limit, says)


def volumes(earlier: Sequence[WindowProfile], now: WindowProfile) -> Iterator[Check]:
    """Active users and events, in all, by type and by country."""
    names = {name for one in earlier for name in one.volume} | set(now.volume)
    for name in sorted(names):
        limit = trend(
            _counts(earlier, f"volume:{name}", "volume", name), least=_VOLUME, fixed=_VOLUME_FIXED
        )
        count = now.volume.get(name, 0)
        says = f"{count:,} {name} ({_expected(limit)})"
        yield _volume("volume", name, count, limit, says)


def _volume(kind: Kind, of: str, count: int, limit: Limit, says: str) -> Check:
    # A window without any event is never too small to be judged.
    nothing = of == "events" and not count
    if nothing and limit.usual is None:
        return Check(kind, of, 0.0, None, 1.0, None, "fixed", True, "there are no events at all")
    if limit.usual is None or (max(limit.usual, count) < MIN_COUNT and not nothing):
        return Check.not_judged(kind, of, float(count), says)
    return Check.of_limit(kind, of, float(count), limit, says)


def _counts(
    windows: Sequence[WindowProfile], check: str, field: str, name: str
) -> list[float | None]:
    """A count by window; None where the check had moved, unless it had in most of them."""
    still = {id(one) for one in _unmoved(windows, check)}
    return [
        float(getattr(one, field).get(name, 0)) if id(one) in still else None for one in windows
    ]


def categories(earlier: Sequence[WindowProfile], now: WindowProfile) -> Iterator[Check]:
    """Texts that came or went and were, or are, more than one in a hundred values."""
    for name, column in now.columns.items():
        if column.bins.are_of_numbers or column.values < MIN_ROWS:
            continue
        windows = [one.columns[name] for one in earlier if name in one.columns]
        known = [one for one in windows if one.bins == column.bins and one.values >= MIN_ROWS]
        if not known:
            continue
        before, shares = [one.shares() for one in known], column.shares()
        ever = {value for each in before for value, share in each.items() if share}
        steady = set.intersection(
            *({v for v, s in each.items() if s >= _CATEGORY} for each in before)
        )
        source: Source = "windows" if len(known) >= ENOUGH else "fixed"
        for value in sorted(value for value, share in shares.items() if share >= _CATEGORY):
            if value not in ever:
                says = f"{name} is {value} for {share_text(shares[value])} of users, never before"
                yield Check(
                    "categories",
                    f"{name}={value}",
                    shares[value],
                    0.0,
                    None,
                    _CATEGORY,
                    source,
                    True,
                    says,
                )
        for value in sorted(steady):
            if not shares.get(value):
                usual = sum(each[value] for each in before) / len(before)
                says = f"{name} is {value} for nobody (usually {share_text(usual)})"
                yield Check(
                    "categories", f"{name}={value}", 0.0, usual, _CATEGORY, None, source, True, says
                )


def skews(earlier: Sequence[WindowProfile], now: WindowProfile) -> Iterator[Check]:
    """Features of which serving read another value than training would."""
    for name, share in now.skew.items():
        known = [one.skew[name] for one in _unmoved(earlier, f"skew:{name}") if name in one.skew]
        limit = level(known, least=_SKEW, chance=0.0, fixed=_SKEW)
        says = f"{name} differs between serving and training for {share_text(share)} of users"
        yield Check.of_limit("skew", name, share, limit, says)


def shapes(earlier: Sequence[WindowProfile], now: WindowProfile) -> Iterator[Check]:
    """Distances of columns from the earlier windows together."""
    for name, column in now.columns.items():
        kind: Kind = "mix" if column.under is None else "vectors"
        if name.startswith(TASTE):
            kind = "taste"
        known = [
            one.columns[name]
            for one in _unmoved(earlier, f"{kind}:{name}")
            if name in one.columns and _alike(one.columns[name], column)
        ]
        if known and column.values:
            yield _shape(kind, name, known, column)
        else:
            yield Check.not_judged(kind, name, None, f"{name} cannot be compared")


def _shape(kind: Kind, name: str, known: Sequence[ColumnProfile], column: ColumnProfile) -> Check:
    """The distance beside those of every earlier window from the others of them."""
    large = [one for one in known if one.values >= MIN_ROWS]
    reference = pooled(large or known)
    distance, chance = column.distance(reference), column.chance(reference)
    numbers = column.bins.are_of_numbers
    by = "PSI" if numbers else "Jensen-Shannon"
    says = f"{name} lies {distance:.3f} ({by}) from earlier windows"
    then, later = reference.median, column.median
    if then is not None and later is not None:
        says += f", its median {later:.4g} (was {then:.4g})"
    if not large or column.values < MIN_ROWS:
        return Check.not_judged(kind, name, distance, says)
    least, fixed = (_PSI, _PSI_FIXED) if numbers else (_JS, _JS_FIXED)
    own = [
        one.distance(pooled([other for other in large if other is not one]))
        for one in (large if len(large) > 1 else ())
    ]
    limit = level(own, least=least, chance=chance, fixed=fixed)
    return Check.of_limit(kind, name, distance, limit, says)


def _alike(one: ColumnProfile, column: ColumnProfile) -> bool:
    return one.bins == column.bins and one.under == column.under and one.values > 0


def _unmoved(earlier: Sequence[WindowProfile], name: str) -> Sequence[WindowProfile]:
    """Windows in which a check had not moved; all, once those that moved are the most."""
    still = [one for one in earlier if name not in one.moved]
    return still if 2 * len(still) >= len(earlier) else earlier


def _usually(limit: Limit) -> str:
    return (
        "nobody knows what is usual"
        if limit.usual is None
        else (f"usually {share_text(limit.usual)}")
    )


def _expected(limit: Limit) -> str:
    if limit.usual is None:
        return "nothing to compare with"
    return f"{limit.usual:,.0f} were expected"
