"""What somebody computed elsewhere of the items: their text vectors and their popularity.

Vectors come as a column of the items table or as a table of their own; in a history they are one
file, `text_vectors.parquet`, whichever it was.
"""

from __future__ import annotations

from datetime import datetime

from colisten.data.contract import POPULARITY, TEXT_VECTORS
from colisten.data.moments import sql_moment
from colisten.data.sql import sql_name
from colisten.data.views import TableViews

_NAMED = 3


def vectors_query(views: TableViews, available: str) -> str | None:
    """SQL of the vectors of some items, by item id; None where nobody gives any.

    Args:
        views: Sound tables.
        available: SQL predicate over items.
    """
    items = f"SELECT item_id FROM items WHERE {available}"
    if views.data.text_vectors is not None:
        source = f"SELECT item_id, {sql_name(views.data.text_vectors)} AS vector FROM items"
    elif TEXT_VECTORS.name in views.rows:
        source = f"SELECT item_id, vector FROM {TEXT_VECTORS.name}"
    else:
        return None
    return (
        f"SELECT item_id, vector::FLOAT[] AS vector FROM ({source}) "
        f"WHERE len(vector) > 0 AND item_id IN ({items}) ORDER BY item_id"
    )


def popularity_query(views: TableViews, cut: datetime, available: str) -> str | None:
    """SQL of the scores that were known before a cut, by item and time; None where there are none.

    Args:
        views: Sound tables.
        cut: Moment with a zone.
        available: SQL predicate over items.
    """
    if POPULARITY.name not in views.rows:
        return None
    return (
        f"SELECT DISTINCT item_id, score, since FROM {POPULARITY.name} "
        f"WHERE (since IS NULL OR since < {sql_moment(cut)}) "
        f"AND item_id IN (SELECT item_id FROM items WHERE {available}) "
        "ORDER BY item_id, since NULLS FIRST, score"
    )


def own_notices(views: TableViews) -> list[str]:
    """What vectors and scores leave out, with the first ids."""
    notices = []
    for what, query in (
        ("text vector, as if they had no text", vectors_query(views, "true")),
        (
            "popularity of yours, so they come last",
            f"SELECT item_id FROM {POPULARITY.name}" if POPULARITY.name in views.rows else None,
        ),
    ):
        if query is None:
            continue
        [(count, first)] = views.query(
            f"SELECT count(*), min(item_id, {_NAMED}) FROM items "
            f"WHERE item_id NOT IN (SELECT item_id FROM ({query}) WHERE item_id IS NOT NULL)",
            "items",
        )
        if count:
            named = ", ".join(map(repr, first))
            notices.append(f"{count:,} items have no {what}: {named}{', ...' * (count > _NAMED)}.")
    return notices
