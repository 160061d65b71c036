"""Who made what: authors and series of audiobooks, publishers of podcasts, and what they share.

A maker has a taste and a standing of its own. With `author_taste` above zero its titles lean to
both, hidden taste included: a title that nobody has listened to yet is liked by those who like its
author's others, which its text tells in part and its links tell in full.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from colisten.simulator.items import STAMP, Items, unit, visible_taste
from colisten.simulator.prose import SHADES
from colisten.simulator.settings import WorldSettings

RELATIONS = {"audiobook": "same_author", "podcast": "same_publisher"}
"""What the titles of one maker are to each other, by item type."""
SERIES = "same_series"

_TITLES = 5
"""Mean titles of a maker."""
_PROLIFIC = 1.5
"""Power that draws titles towards a few makers; 1 is even."""
_IN_SERIES = 0.4
"""Share of an author's audiobooks that belong to the author's series."""


@dataclass(frozen=True)
class Makers:
    """Makers and series by number; -1 where a title has none.

    Attributes:
        maker: Makes titles of one type in one language, int64 [n].
        series: Of audiobooks, by the number of its author, int64 [n].
    """

    maker: np.ndarray
    series: np.ndarray


def draw_makers(
    items: Items, settings: WorldSettings, rng: np.random.Generator
) -> tuple[Makers, Items]:
    """Draw who made what, and the titles as their makers shape them."""
    maker = np.full(len(items.ids), -1, dtype=np.int64)
    for rows in _groups(items):
        count = max(1, round(len(rows) / _TITLES))
        drawn = (count * rng.random(len(rows)) ** _PROLIFIC).astype(np.int64)
        maker[rows] = drawn + maker.max() + 1
    books = np.arange(len(maker))[items.rows("audiobook")]
    volumes = books[rng.random(len(books)) < _IN_SERIES]
    series = np.full(len(maker), -1, dtype=np.int64)
    # A series is two volumes at least.
    series[volumes] = np.where(np.bincount(maker[volumes])[maker[volumes]] > 1, maker[volumes], -1)
    makers = Makers(maker, series)
    return makers, _shaped(items, makers, settings, rng) if settings.author_taste else items


def links_table(makers: Makers, items: Items) -> pa.Table:
    """The contract's links: each pair of titles once, since the later one was published."""
    parts = [
        (relation, _pairs(np.where(items.types == item_type, makers.maker, -1)))
        for item_type, relation in RELATIONS.items()
    ]
    parts.append((SERIES, _pairs(makers.series)))
    pairs = np.concatenate([pairs for _, pairs in parts])
    relation = np.repeat([name for name, _ in parts], [len(pairs) for _, pairs in parts])
    ids = pa.array(items.ids, pa.string())
    return pa.table(
        {
            "item_id": ids.take(pa.array(pairs[:, 0])),
            "other_id": ids.take(pa.array(pairs[:, 1])),
            "relation": pa.array(relation, pa.string()),
            "since": pa.array(items.published[pairs].max(axis=1)).cast(STAMP),
        }
    )


def makers_table(makers: Makers, items: Items) -> pa.Table:
    """The truth's makers: item_id, maker, series; null where there is none."""

    def named(letter: str, numbers: np.ndarray) -> pa.Array:
        return pa.array([f"{letter}{n:06d}" if n >= 0 else None for n in numbers], pa.string())

    return pa.table(
        {
            "item_id": pa.array(items.ids, pa.string()),
            "maker": named("w", makers.maker),
            "series": named("s", makers.series),
        }
    )


def _groups(items: Items) -> list[np.ndarray]:
    """Rows of each type and language."""
    rows = np.arange(len(items.ids))
    return [
        own[items.language[own] == code]
        for own in (rows[items.rows(item_type)] for item_type in RELATIONS)
        for code in np.unique(items.language[own])
    ]


def _shaped(
    items: Items, makers: Makers, settings: WorldSettings, rng: np.random.Generator
) -> Items:
    """Titles with a share of their maker's taste and standing; volumes of a series with more."""
    count = makers.maker.max() + 1
    seen, hidden = visible_taste(count, rng), unit(rng.normal(size=(count, settings.hidden_dim)))
    rows = np.flatnonzero(makers.maker >= 0)
    maker, share = makers.maker[rows], settings.author_taste
    weight = np.where(makers.series[rows] >= 0, (1 + share) / 2, share)[:, None]
    own_seen, own_hidden = np.split(items.taste[rows].astype(np.float64), [SHADES], axis=1)
    # A title is about its author's topics or about others, not about a blend of both.
    own_topics = rng.random((len(rows), 1)) >= weight
    taste = items.taste.copy()
    taste[rows, :SHADES] = np.where(own_topics, own_seen, seen[maker])
    taste[rows, SHADES:] = unit(np.sqrt(1 - weight) * own_hidden + np.sqrt(weight) * hidden[maker])
    popularity = items.popularity.copy()
    lead = np.sqrt(share) * rng.normal(size=count)
    for group in _groups(items):
        # The same standings as before, handed out anew: the head and the tail stay what they are.
        ranked = np.argsort(-popularity[group], kind="stable")
        score = lead[makers.maker[group]]
        score[ranked] += np.sqrt(1 - share) * np.sort(rng.normal(size=len(group)))[::-1]
        popularity[group[np.argsort(-score, kind="stable")]] = popularity[group[ranked]]
    return replace(items, taste=taste, popularity=popularity)


def _pairs(group: np.ndarray) -> np.ndarray:
    """Every pair of rows of one group, the lower row first, int64 [pairs, 2]; -1 is no group."""
    rows = np.flatnonzero(group >= 0)
    rows = rows[np.argsort(group[rows], kind="stable")]
    parts = np.split(rows, np.flatnonzero(np.diff(group[rows])) + 1)
    pairs = [own[np.stack(np.triu_indices(len(own), k=1), axis=1)] for own in parts]
    return np.concatenate(pairs)
