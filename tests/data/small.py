"""Tables as small as one likes: given events, as many books and podcasts as asked for."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from colisten.data.contract import INTERACTIONS, ITEMS

CUT = datetime(2025, 6, 1, tzinfo=UTC)
Event = tuple[str, str, str, datetime]
"""User, item (`a<n>` or `p<n>`), signal, moment."""


def write_small(folder: Path, events: list[Event], *, books: int = 12, podcasts: int = 6) -> Path:
    """Write items.parquet and interactions.parquet, and nothing else."""
    folder.mkdir(exist_ok=True)
    words = ("river", "clock", "stone", "garden", "night", "city", "ocean", "letter", "winter")
    items = [
        {
            "item_id": f"{kind[0]}{number}",
            "item_type": kind,
            "title": f"The {words[number % 9]} of the {words[(number * 5 + 1) % 9]}",
            "description": None,
            "language": "en" if number % 3 else "sv-SE",
            "genres": [words[number % 4]],
            "published_at": None,
        }
        for kind, count in (("audiobook", books), ("podcast", podcasts))
        for number in range(count)
    ]
    rows = [
        {
            "user_id": user,
            "item_id": item,
            "item_type": "audiobook" if item[0] == "a" else "podcast",
            "signal": signal,
            "timestamp": moment,
        }
        for user, item, signal, moment in events
    ]
    pq.write_table(pa.Table.from_pylist(items, ITEMS.schema), folder / "items.parquet")
    pq.write_table(pa.Table.from_pylist(rows, INTERACTIONS.schema), folder / "interactions.parquet")
    return folder
