"""Fresh events into users' online rows: a row is read, changed and written as one step.

Worker processes and their threads write at once, and a history is one value: whoever reads it,
adds an event and writes it back undoes what another wrote in between. So it is done in turns
(`colisten.features.row_turns`). What is read and written goes through Feast's online store.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from colisten.data.moments import LATEST, utc
from colisten.errors import ColistenError, FeatureError, UserUnreadable
from colisten.features import event_ids, names
from colisten.features.events import Event
from colisten.features.lightfeast import EntityKey, FeatureStore, Value
from colisten.features.row_turns import RedisTurns, RowTurns, SqliteTurns, StillMine
from colisten.features.seen import read_seen, with_item
from colisten.json_files import parse_json

Values = Mapping[str, Value]
IndexOf = Callable[[Any], Any]
Change = Callable[[Values], dict[str, Value] | None]
_MICROSECOND = timedelta(microseconds=1)
_NEVER = datetime(1970, 1, 1, tzinfo=UTC)
_NOBODY = "nobody (is the store well?)"
# Whoever sends events on items that no release has takes this share of a history's places at most,
# and what was started of them is noted up to so many titles.
_UNKNOWN_SHARE = 0.1
_MOST_SEEN = 10_000
_LISTS = ("string_list_val", "string_list_val", "int64_list_val")


class OnlineWriter:
    """Adds events to users' online histories; safe to share between threads.

    Args:
        store: Whose online store is written; on SQLite nobody else may read on its connection.
        index_of: Item ids to catalogue index, -1 where unknown.
    """

    def __init__(self, store: FeatureStore, index_of: IndexOf) -> None:
        self._store = store
        self._index_of = index_of
        views = store.list_feature_views(allow_cache=True)
        self._views = {view.name: view for view in views}
        turns = SqliteTurns if store.config.online_store.type == "sqlite" else RedisTurns
        self._turns: RowTurns = turns(store.provider.online_store, store.config)

    def append(self, event: Event) -> bool:
        """Put an event into its user's history, and a start among all that they had.

        The next read sees it. The history stays in the order of time, item and signal and keeps
        the most recent events, as the offline store would have it; but events on items that the
        catalogue lacks make room for one another before they do for those that a model reads.

        Returns:
            False where there was nothing to write: the history held this very event or only
            later ones than it can hold, and what was started is known to have been; or an event
            of this id was stored before.

        Raises:
            UserUnreadable: The history that it belongs to is damaged.
            UserBusy: Others write this user's row all the while.
            FeatureError: The online store is out of reach.
        """
        try:
            return self._turns.take(event.user_id, lambda still_mine: self._add(event, still_mine))
        except ColistenError:
            raise
        except Exception as error:
            raise FeatureError(f"The online store cannot take an event: {error}.") from error

    def _add(self, event: Event, still_mine: StillMine) -> bool:
        history = names.history_view(event.item_type)
        length = int(self._views[history].tags[names.HISTORY_LENGTH_TAG])
        changes: list[tuple[str, Change]] = [
            (history, lambda held: _with_event(held, event, length, self._index_of))
        ]
        seen = self._views.get(names.seen_view(event.item_type))
        if seen is not None and event.signal in parse_json(seen.tags[names.STARTS_TAG]):
            # First: a crash in between leaves an event that is not yet stored, and is sent again.
            changes.insert(0, (seen.name, lambda held: _with_start(held, event, self._index_of)))
        event_id = event.event_id if names.USER_EVENT_IDS in self._views else None
        if event_id is not None and self._has_id(event, event_id):
            return False
        changed = [self._change(view, event, change, still_mine) for view, change in changes]
        if event_id is not None:
            # Last: the id of an event that is not stored would have it lost when sent again.
            self._change(
                names.USER_EVENT_IDS, event, lambda held: _with_id(held, event_id), still_mine
            )
        return any(changed)

    def _has_id(self, event: Event, event_id: str) -> bool:
        """Whether an event of the user came with this id before."""
        _, held = self._read(names.USER_EVENT_IDS, _key(event))
        try:
            return event_ids.holds(_bytes(held.get(names.EVENT_IDS)), event_id)
        except (TypeError, ValueError) as error:
            raise damaged_row(error) from error

    def _change(self, view: str, event: Event, change: Change, still_mine: StillMine) -> bool:
        """Replace a user's row by what `change` makes of it; None leaves it, and False says so."""
        key = _key(event)
        newest, held = self._read(view, key)
        try:
            values = change(held)
            # An online store may ignore a row that is not newer than the one it has, so a late
            # event must not carry its own moment.
            moment = max(utc(event.timestamp), newest + _MICROSECOND)
        except (TypeError, ValueError, OverflowError) as error:
            raise damaged_row(error) from error
        if values is None:
            return False
        if moment > LATEST:
            raise damaged_row(f"it is of {moment}")
        still_mine()
        self._store.provider.online_write_batch(
            self._store.config, self._views[view], [(key, values, moment, None)], None
        )
        return True

    def _read(self, view: str, key: EntityKey) -> tuple[datetime, Values]:
        try:
            newest, held = self._rows(view, key)
        except Exception as error:
            # A cursor that such a frame still holds keeps SQLite's file locked.
            traceback.clear_frames(error.__traceback__)
            nobody = EntityKey(join_keys=["user_id"], entity_values=[Value(string_val=_NOBODY)])
            try:
                self._rows(view, nobody)
            except Exception:
                raise FeatureError(f"The online store cannot answer: {error}.") from error
            raise damaged_row(error) from error
        return newest or _NEVER, held or {}

    def _rows(self, view: str, key: EntityKey) -> tuple[datetime | None, Values | None]:
        table = self._views[view]
        features = [feature.name for feature in table.features]
        rows = self._store.provider.online_read(self._store.config, table, [key], features)
        newest, held = rows[0]
        return newest, held


def damaged_row(why: object) -> UserUnreadable:
    """What to say where the store answers for others: what it holds of these users is no row."""
    return UserUnreadable(
        f"The online store holds a damaged row: {why}.", "Rebuild the feature store."
    )


def _with_event(
    held: Values, event: Event, length: int, index_of: IndexOf
) -> dict[str, Value] | None:
    """The history columns with one more event; None where it adds nothing."""
    columns = names.history_columns(event.item_type)
    lists = [_list(held.get(column), kind) for column, kind in zip(columns, _LISTS, strict=True)]
    if len({len(values) for values in lists}) > 1:
        raise UserUnreadable(
            f"The {event.item_type} history of a user has ids, signals and times that differ in "
            "number.",
            "The feature store is damaged; rebuild it.",
        )
    events = set(zip(lists[2], lists[0], lists[1], strict=True))
    fresh = (event.time, event.item_id, event.signal)
    recent = _recent(sorted(events | {fresh}), length, index_of)
    if fresh in events or fresh not in recent:
        return None
    changed = {}
    for column, kind, at in zip(columns, _LISTS, (1, 2, 0), strict=True):
        changed[column] = Value()
        getattr(changed[column], kind).val.extend([each[at] for each in recent])
    return changed


def _recent(events: list[tuple[Any, ...]], length: int, index_of: IndexOf) -> list[tuple[Any, ...]]:
    """The last events; of those on unknown items no more than their share, once there is no room.

    Args:
        events: In order; each with its item's id at 1.
        length: How many are kept.
        index_of: As of `OnlineWriter`.
    """
    over = len(events) - length
    if over <= 0:
        return events
    unknown = [at for at, index in enumerate(index_of([one[1] for one in events])) if index < 0]
    share = max(1, int(length * _UNKNOWN_SHARE))
    leaving = set(unknown[: max(0, min(over, len(unknown) - share))])
    kept = [event for at, event in enumerate(events) if at not in leaving]
    return kept[-length:]


def _with_start(held: Values, event: Event, index_of: IndexOf) -> dict[str, Value] | None:
    """All that a user had, with one more item; None where it is among it, or may not be noted."""
    column = names.seen_column(event.item_type)
    stored = _bytes(held.get(column))
    # Known items are as many as the catalogue has; of others anybody can think of more.
    if len(read_seen(stored)) >= _MOST_SEEN and index_of([event.item_id])[0] < 0:
        return None
    seen = with_item(stored, event.item_id)
    return None if seen is None else {column: Value(bytes_val=seen)}


def _with_id(held: Values, event_id: str) -> dict[str, Value]:
    """The latest event ids with one more."""
    ids = event_ids.with_id(_bytes(held.get(names.EVENT_IDS)), event_id)
    return {names.EVENT_IDS: Value(bytes_val=ids)}


def _key(event: Event) -> EntityKey:
    return EntityKey(join_keys=["user_id"], entity_values=[Value(string_val=event.user_id)])


def _bytes(value: Value | None) -> bytes | None:
    """What a cell of bytes holds; None where it holds nothing."""
    stored = None if value is None else value.WhichOneof("val")
    if value is None or stored is None:
        return None
    if stored != "bytes_val":
        raise TypeError(f"the row holds {stored}, not bytes_val")
    held: bytes = value.bytes_val
    return held


def _list(value: Value | None, kind: str) -> list[Any]:
    stored = None if value is None else value.WhichOneof("val")
    if value is None or stored is None:
        return []
    if stored != kind:
        raise TypeError(f"a history holds {stored}, not {kind}")
    return list(getattr(value, kind).val)
