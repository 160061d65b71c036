"""What a cut leaves to learn from, to recommend and to measure, before anything is trained."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from colisten.data.moments import sql_moment
from colisten.data.sql import sql_text
from colisten.data.views import TableViews


@dataclass(frozen=True)
class Outlook:
    """A cut on tables that keep the contract.

    Attributes:
        cut: UTC moment.
        until: End of the window that measures, UTC.
        target_type: Item type that is recommended.
        titles: Items of it that are available at the cut.
        streams: Streams of it before the cut.
    """

    cut: datetime
    until: datetime
    target_type: str
    titles: int
    streams: int


def target_streams(views: TableViews, cut: datetime, target_type: str) -> int:
    """Streams of items of a type before the cut."""
    return _count(views, f"SELECT count(*) FROM interactions WHERE {_streamed(cut, target_type)}")


def shortages(views: TableViews, outlook: Outlook, k: int) -> tuple[str, ...]:
    """What there is too little of to say much, a sentence each.

    Args:
        views: The tables.
        outlook: What the cut leaves of them.
        k: Length of the list whose hits are counted.
    """
    found = (
        _titles(outlook, k),
        _nothing_left(views, outlook),
        _no_pair(views, outlook),
    )
    told = [sentence for sentence in found if sentence]
    if not anybody_measured(views, outlook):
        told.append(
            f"No user with events before the cut streams another {outlook.target_type} in the "
            "window after it: the release will not be measured."
        )
    return tuple(told)


def _titles(outlook: Outlook, k: int) -> str:
    kind = outlook.target_type
    if outlook.titles == 1:
        return f"One {kind} can be recommended: every list is the same, and no measure says much."
    if outlook.titles <= k:
        return (
            f"{outlook.titles} {kind}s can be recommended, no more than evaluation.k "
            f"({k}): every list holds them all, and only their order (MRR) says something."
        )
    return ""


def _nothing_left(views: TableViews, outlook: Outlook) -> str:
    before = f"timestamp < {sql_moment(outlook.cut)}"
    users = _count(views, f"SELECT count(DISTINCT user_id) FROM interactions WHERE {before}")
    # A user and an item at least once each: where there are fewer streams, nothing need be paired.
    if outlook.streams < users * outlook.titles:
        return ""
    had = _count(
        views,
        "SELECT count(*) FROM (SELECT DISTINCT user_id, item_id FROM interactions "
        f"WHERE {_streamed(outlook.cut, outlook.target_type)})",
    )
    if had < users * outlook.titles:
        return ""
    return (
        f"Every user has streamed every {outlook.target_type} before the cut: nothing is left to "
        "recommend to them."
    )


def _no_pair(views: TableViews, outlook: Outlook) -> str:
    pairs = _count(
        views,
        "SELECT count(*) FROM (SELECT user_id FROM interactions "
        f"WHERE timestamp < {sql_moment(outlook.cut)} GROUP BY user_id "
        "HAVING min(item_id) <> max(item_id) LIMIT 1)",
    )
    return (
        "" if pairs else "No user has touched two items before the cut: there is no co-listening."
    )


def anybody_measured(views: TableViews, outlook: Outlook) -> bool:
    """Whether a user of the history streams an item for the first time in the window."""
    window = (
        f"signal = 'stream' AND item_type = {sql_text(outlook.target_type)} "
        f"AND timestamp >= {sql_moment(outlook.cut)} AND timestamp < {sql_moment(outlook.until)}"
    )
    measured = _count(
        views,
        "SELECT count(*) FROM ("
        f"SELECT DISTINCT user_id, item_id FROM interactions WHERE {window}) AS later "
        "SEMI JOIN (SELECT user_id FROM interactions "
        f"WHERE timestamp < {sql_moment(outlook.cut)}) AS known USING (user_id) "
        "ANTI JOIN (SELECT user_id, item_id FROM interactions "
        f"WHERE {_streamed(outlook.cut, outlook.target_type)}) AS had USING (user_id, item_id)",
    )
    return bool(measured)


def _streamed(cut: datetime, target_type: str) -> str:
    return (
        f"signal = 'stream' AND item_type = {sql_text(target_type)} "
        f"AND timestamp < {sql_moment(cut)}"
    )


def _count(views: TableViews, sql: str) -> int:
    [(found,)] = views.query(sql, "interactions")
    return int(found)
