"""What a cut leaves to learn from, to recommend and to measure, before anything is trained."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from colisten.data.moments import sql_moment
from colisten.data.sql import sql_text, sql_texts
from colisten.data.views import TableViews
from colisten.settings.data import DataSettings


@dataclass(frozen=True)
class Outlook:
    """A cut on tables that keep the contract.

    Attributes:
        cut: UTC moment.
        until: End of the window that measures, UTC.
        data: Which items are recommended, and which signals count as a start.
        titles: Items of the recommended type that are available at the cut.
        starts: Starts of them before the cut.
    """

    cut: datetime
    until: datetime
    data: DataSettings
    titles: int
    starts: int

    @property
    def target_type(self) -> str:
        """Item type that is recommended."""
        return self.data.target_type


def target_starts(views: TableViews, cut: datetime) -> int:
    """Starts of items of the recommended type before the cut."""
    return _count(views, f"SELECT count(*) FROM interactions WHERE {_started(views.data, cut)}")


def shortages(views: TableViews, outlook: Outlook, k: int) -> tuple[str, ...]:
    """What there is too little of to say much, a sentence each.

    Args:
        views: The tables.
        outlook: What the cut leaves of them.
        k: Length of the list whose hits are counted.
    """
    sentences = [
        _titles(outlook, k),
        _nothing_left(views, outlook),
        _no_pair(views, outlook),
    ]
    if not anybody_measured(views, outlook):
        sentences.append(
            f"No user with events before the cut starts another {outlook.target_type} in the "
            "window after it: the release will not be measured."
        )
    return tuple(sentence for sentence in sentences if sentence)


def _titles(outlook: Outlook, k: int) -> str:
    kind = outlook.target_type
    if outlook.titles == 1:
        return f"One {kind} can be recommended: every list is the same, and no measure says much."
    if outlook.titles <= k:
        return (
            f"{outlook.titles} {kind} items can be recommended, no more than evaluation.k "
            f"({k}): every list holds them all, and only their order (MRR) says something."
        )
    return ""


def _nothing_left(views: TableViews, outlook: Outlook) -> str:
    before = f"timestamp < {sql_moment(outlook.cut)}"
    users = _count(views, f"SELECT count(DISTINCT user_id) FROM interactions WHERE {before}")
    # A user and an item at least once each: where there are fewer starts, nothing need be paired.
    if outlook.starts < users * outlook.titles:
        return ""
    started = _count(
        views,
        "SELECT count(*) FROM (SELECT DISTINCT user_id, item_id FROM interactions "
        f"WHERE {_started(outlook.data, outlook.cut)})",
    )
    if started < users * outlook.titles:
        return ""
    return (
        f"Every user has started every {outlook.target_type} before the cut: nothing is left to "
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
    """Whether a user of the history starts an item for the first time in the window."""
    return bool(_count(views, f"SELECT count(*) FROM ({later_starts(outlook)})"))


def later_starts(outlook: Outlook) -> str:
    """Query of (user_id, item_id): what users of the history start first in the window."""
    window = (
        f"{_is_start(outlook.data)} "
        f"AND timestamp >= {sql_moment(outlook.cut)} AND timestamp < {sql_moment(outlook.until)}"
    )
    return (
        "SELECT user_id, item_id FROM ("
        f"SELECT DISTINCT user_id, item_id FROM interactions WHERE {window}) AS later "
        "SEMI JOIN (SELECT user_id FROM interactions "
        f"WHERE timestamp < {sql_moment(outlook.cut)}) AS known USING (user_id) "
        "ANTI JOIN (SELECT user_id, item_id FROM interactions "
        f"WHERE {_started(outlook.data, outlook.cut)}) AS earlier USING (user_id, item_id)"
    )


def _started(data: DataSettings, cut: datetime) -> str:
    return f"{_is_start(data)} AND timestamp < {sql_moment(cut)}"


def _is_start(data: DataSettings) -> str:
    signals = sql_texts(data.start_signals)
    return f"signal IN ({signals}) AND item_type = {sql_text(data.target_type)}"


def _count(views: TableViews, sql: str) -> int:
    [(count,)] = views.query(sql, "interactions")
    return int(count)
