"""How an event is recorded, the same over HTTP and from a shell: judged first, then stored.

Whatever can be refused because of the event itself is refused before the store is asked. So a
sender's fault is reported to the sender, is never mistaken for an outage, and touches nobody else.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import pyarrow as pa

from colisten.data import parquet
from colisten.data.catalogue import Catalogue
from colisten.errors import EventRefused, ReleaseCorrupt
from colisten.features.events import Event
from colisten.features.users import UserFields
from colisten.release.store import ReleaseStore


class CatalogueLike(Protocol):
    """What is asked of a release's catalogue."""

    @property
    def item_types(self) -> np.ndarray: ...

    def index_of(self, ids: list[str]) -> np.ndarray: ...


@dataclass(frozen=True)
class Recorded:
    """What became of an event.

    Attributes:
        new: False where it was stored before, or is older than all that is kept.
        known_item: Whether the live release has the item; if not, it counts from the next one.
            None where no release is live, so that nobody could tell.
    """

    new: bool
    known_item: bool | None


def record_event(
    event: Event, fields: UserFields, items: CatalogueLike | None, push: Callable[[Event], bool]
) -> Recorded:
    """Judge an event by itself and by the live release's catalogue, then store it.

    Args:
        event: What a user did.
        fields: Types and signals that histories hold: those of the live release or of the store.
        items: Catalogue of the live release; None where none is live.
        push: Stores the event; False where it was there already. See `OnlineFeatures.push`.

    Raises:
        EventRefused: It breaks a rule, or the catalogue has the item under another type; `push`
            was not called.
        FeatureError: As `push`.
    """
    event.check(fields.types, fields.signals)
    known = None if items is None else _known(event, items)
    return Recorded(push(event), known)


def live_items(home: Path) -> Catalogue | None:
    """What the live release of an output folder knows of items; None where none is live.

    Reads ids and types alone: a shell that pushes one event need not load a tower.

    Raises:
        ReleaseNotFound: The live release is not there.
        ReleaseCorrupt: The pointer or the items cannot be read.
    """
    store = ReleaseStore(home)
    live = store.live()
    if live is None:
        return None
    file = store.folder(live) / "items.parquet"
    try:
        return Catalogue(parquet.read(file, columns=["item_id", "item_type"]))
    except (OSError, pa.ArrowException) as error:
        raise ReleaseCorrupt(f"Cannot read {file}: {error}.") from error


def _known(event: Event, items: CatalogueLike) -> bool:
    at = int(items.index_of([event.item_id])[0])
    if at < 0:
        return False
    if items.item_types[at] != event.item_type:
        raise EventRefused(
            f"The item is of type {items.item_types[at]}, not {event.item_type}.",
            f"Send item_type {items.item_types[at]}.",
            field="item_type",
        )
    return True
