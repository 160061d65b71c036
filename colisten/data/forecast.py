"""What a run will find at a cut: whom it can measure, on how many days, and what looks wrong.

All of it is read from the tables before anything is trained, so that a mistyped date costs seconds
and not the run.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from colisten.data.contract import ITEMS
from colisten.data.moments import from_microseconds, sql_moment, utc
from colisten.data.outlook import Outlook, later_starts, shortages
from colisten.data.prepare import open_outlook
from colisten.data.sql import is_blank, sql_text
from colisten.data.views import TableViews
from colisten.data.violations import CutAfterData
from colisten.settings.data import DataSettings
from colisten.settings.engine import Engine

# No window of the default settings reaches further back: beyond it graph and popularity are empty.
LATE_DAYS = 90
# With fewer users than this most intervals are wider than the differences that they are to tell.
FEW_USERS = 100
# Of the users, who have one item; a hub joins everything to everything.
HUB_SHARE = 0.5
_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Hub:
    """The item that most users have touched before the cut.

    Attributes:
        name: Its title, or its id where it has none.
        share: Of the users with events before the cut.
    """

    name: str
    share: float


@dataclass(frozen=True)
class Forecast:
    """What lies before a cut and in the window after it.

    Attributes:
        cut: UTC moment that ends all learning.
        window_days: Days after it that measure.
        first, last: Moments of the first and the last interaction, UTC.
        target_type: Item type that is recommended.
        events: Interactions before the cut.
        starts: Of them, starts of items of the recommended type.
        users: With events before the cut.
        cold: Of them, those without any on the recommended type.
        measured: Users who start an item for the first time in the window.
        measured_cold: Of them, those who are cold at the cut.
        titles: Items of the recommended type that are available at the cut.
        items: Of all types.
        texts: Of them, those with a title or a description.
        hub: See `Hub`.
        warnings: What there is too little of, or looks wrong; a sentence each.
    """

    cut: datetime
    window_days: int
    first: datetime
    last: datetime
    target_type: str
    events: int
    starts: int
    users: int
    cold: int
    measured: int
    measured_cold: int
    titles: int
    items: int
    texts: int
    hub: Hub
    warnings: tuple[str, ...] = ()

    @property
    def days_inside(self) -> int:
        """Days of the window that lie inside the data; one that has begun counts."""
        return min(max(0, math.ceil((self.last - self.cut) / _DAY)), self.window_days)

    @property
    def share_cold(self) -> float:
        """Of the users with events before the cut."""
        return self.cold / self.users


def forecast_cut(
    source: Path,
    *,
    cut: datetime,
    window_days: int,
    k: int,
    data: DataSettings = DataSettings(),
    engine: Engine = Engine(),
    allow_late_cut: bool = False,
) -> Forecast:
    """Look at checked tables as a run with this cut will; writes nothing.

    Args:
        source: Folder of tables that `check_tables` accepted.
        cut: UTC moment.
        window_days: Days from the cut on that measure.
        k: Length of the lists that are measured.
        data: As `prepare_tables`.
        engine: As `prepare_tables`.
        allow_late_cut: Go on where the cut lies more than `LATE_DAYS` after the last event.

    Raises:
        CutAfterData: It does, and that is not allowed.
        Violation, ConfigError: As `check_cut`.
    """
    with open_outlook(source, cut, window_days, data, engine) as (views, outlook):
        coming = _read(views, outlook, window_days)
        if coming.cut - coming.last > LATE_DAYS * _DAY and not allow_late_cut:
            late = (coming.cut - coming.last).days
            detail = (
                f"the cut {coming.cut:%Y-%m-%d} lies {late:,} days after the last event; they "
                f"reach from {coming.first:%Y-%m-%d} to {coming.last:%Y-%m-%d}"
            )
            raise CutAfterData("interactions", "timestamp", detail=detail)
        warnings = (*shortages(views, outlook, k), *_doubts(coming))
    return Forecast(**{**vars(coming), "warnings": warnings})


def _read(views: TableViews, outlook: Outlook, window_days: int) -> Forecast:
    target, before = sql_text(outlook.target_type), f"timestamp < {sql_moment(outlook.cut)}"
    [(events, first, last, users, warm)] = views.query(
        f"SELECT count_if({before}), epoch_us(min(timestamp)), epoch_us(max(timestamp)), "
        f"count(DISTINCT user_id) FILTER ({before}), "
        f"count(DISTINCT user_id) FILTER ({before} AND item_type = {target}) FROM interactions",
        "interactions",
    )
    [(measured, measured_warm)] = views.query(
        "SELECT count(DISTINCT user_id), count(DISTINCT user_id) FILTER (user_id IN ("
        f"SELECT user_id FROM interactions WHERE {before} AND item_type = {target})) "
        f"FROM ({later_starts(outlook)})",
        "interactions",
    )
    [(items, texts)] = views.query(
        f"SELECT count(*), count_if(NOT ({is_blank('title')} AND {is_blank('description')})) "
        f"FROM items",
        ITEMS.name,
    )
    return Forecast(
        cut=utc(outlook.cut),
        window_days=window_days,
        first=from_microseconds(first),
        last=from_microseconds(last),
        target_type=outlook.target_type,
        events=events,
        starts=outlook.starts,
        users=users,
        cold=users - warm,
        measured=measured,
        measured_cold=measured - measured_warm,
        titles=outlook.titles,
        items=items,
        texts=texts,
        hub=_hub(views, before, users),
    )


def _hub(views: TableViews, before: str, users: int) -> Hub:
    [(name, touched)] = views.query(
        "SELECT coalesce(any_value(title), item_id), any_value(touched) FROM ("
        f"SELECT item_id, count(DISTINCT user_id) AS touched FROM interactions WHERE {before} "
        "GROUP BY item_id ORDER BY touched DESC, item_id LIMIT 1"
        ") LEFT JOIN items USING (item_id) GROUP BY item_id",
        "interactions",
    )
    return Hub(str(name), touched / users)


def _doubts(coming: Forecast) -> list[str]:
    """What is no shortage of the tables but looks like a slip, or makes figures say little."""
    doubts = []
    if coming.last < coming.cut:
        doubts.append(
            f"The cut lies {math.ceil((coming.cut - coming.last) / _DAY):,} days after the last "
            f"event ({coming.last:%Y-%m-%d}): nothing after it can be measured."
        )
    elif coming.days_inside < coming.window_days:
        doubts.append(
            f"Events end on {coming.last:%Y-%m-%d}: only {coming.days_inside} of the "
            f"{coming.window_days} days of the window lie inside the data."
        )
    if 0 < coming.measured < FEW_USERS:
        doubts.append(
            f"Fewer than {FEW_USERS} users will be measured ({coming.measured}): intervals will be "
            "wide, and few differences sure."
        )
    if coming.hub.share > HUB_SHARE:
        doubts.append(
            f"{coming.hub.share:.0%} of users have {coming.hub.name!r}: an item that nearly "
            "everyone has ties all others together and tells nobody apart; see `colisten graph "
            "report`."
        )
    return doubts
