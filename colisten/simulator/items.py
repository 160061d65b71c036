"""The world's catalogue: what each title is, and what is written about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from colisten.simulator.prose import GENRES, SHADES, compose
from colisten.simulator.settings import WorldSettings

STAMP = pa.timestamp("us", tz="UTC")
DAY = 86_400_000_000
"""Microseconds of a day."""

_HEAD = 0.1
"""Share of titles of about equal standing at the head, before the power law sets in."""
_MUSIC_TAIL, _NEW_MUSIC = 1.1, 0.05


@dataclass(frozen=True)
class Kind:
    """How the titles of one type are drawn.

    Attributes:
        item_type: Its name.
        ids: Form of an item id.
        count: Titles.
        tail: Power-law exponent of popularity.
        new: Share published within the window.
        hours: Mean of the log of a stream's hours, and its deviation.
    """

    item_type: str
    ids: str
    count: int
    tail: float
    new: float
    hours: tuple[float, float]


@dataclass(frozen=True)
class Items:
    """Titles sorted by (item_type, item_id).

    Attributes:
        ids: Item ids, object [n].
        counts: How many rows each type has, in their order.
        language: Index into `settings.languages`, int64 [n].
        taste: Visible shades (unit length), then hidden dimensions (unit length), float32
            [n, SHADES + hidden_dim].
        popularity: Log weight in everybody's choice, float32 [n].
        local_popularity: Added to it by country, float32 [countries, n].
        published: Microseconds since 1970 UTC, int64 [n].
        length: Mean hours of one stream, float32 [n].
    """

    ids: np.ndarray
    counts: Mapping[str, int]
    language: np.ndarray
    taste: np.ndarray
    popularity: np.ndarray
    local_popularity: np.ndarray
    published: np.ndarray
    length: np.ndarray

    @property
    def types(self) -> np.ndarray:
        """Item types, object [n]."""
        return np.repeat(np.array(list(self.counts), dtype=object), list(self.counts.values()))

    def rows(self, item_type: str) -> slice:
        """The contiguous rows of one type."""
        before = sum(count for name, count in self.counts.items() if name < item_type)
        return slice(before, before + self.counts[item_type])


def draw_items(
    settings: WorldSettings, rng: np.random.Generator, music: np.random.Generator
) -> Items:
    """Draw the catalogue's planted truth; artists from numbers of their own, `music`."""
    books = Kind(
        "audiobook",
        "a{:06d}",
        settings.audiobooks,
        settings.audiobook_tail,
        settings.new_audiobooks,
        (np.log(7.0), 0.5),
    )
    shows = Kind(
        "podcast",
        "p{:07d}",
        settings.podcasts,
        settings.podcast_tail,
        settings.new_podcasts,
        (-0.5, 0.4),
    )
    items = _draw([books, shows], settings, rng)
    if not settings.music:
        return items
    artists = Kind("music", "m{:06d}", settings.music, _MUSIC_TAIL, _NEW_MUSIC, (-1.5, 0.3))
    return _sorted([items, _draw([artists], settings, music)])


def _draw(kinds: list[Kind], settings: WorldSettings, rng: np.random.Generator) -> Items:
    total = sum(kind.count for kind in kinds)
    weights = _language_weights(settings)
    language = rng.choice(len(weights), size=total, p=weights)
    starts = np.cumsum([kind.count for kind in kinds])[:-1]
    popularity = np.concatenate(
        [
            _popularity(part, kind.tail, rng)
            for part, kind in zip(np.split(language, starts), kinds, strict=True)
        ]
    )
    new = np.concatenate([np.full(kind.count, kind.new) for kind in kinds])
    age_days = np.where(
        rng.random(total) < new,
        rng.random(total) * settings.days,
        settings.days + 1 + rng.exponential(500.0, total),
    )
    end = int(settings.end_moment.timestamp()) * 1_000_000
    hours = np.concatenate([rng.lognormal(*kind.hours, kind.count) for kind in kinds])
    return Items(
        ids=np.array(
            [kind.ids.format(n) for kind in kinds for n in range(kind.count)], dtype=object
        ),
        counts={kind.item_type: kind.count for kind in kinds},
        language=language,
        taste=np.concatenate(
            [visible_taste(total, rng), unit(rng.normal(size=(total, settings.hidden_dim)))], axis=1
        ).astype(np.float32),
        popularity=popularity.astype(np.float32),
        local_popularity=rng.normal(0, 0.4, (len(settings.countries), total)).astype(np.float32),
        # Releases fall on whole hours of a day.
        published=(end - (age_days * 24).astype(np.int64) * (DAY // 24)).astype(np.int64),
        length=hours.astype(np.float32),
    )


def _sorted(parts: list[Items]) -> Items:
    """One catalogue of several, in the order of types."""
    counts = {name: count for part in parts for name, count in part.counts.items()}
    order = np.argsort(np.concatenate([part.types for part in parts]), kind="stable")

    def column(name: str, axis: int = 0) -> np.ndarray:
        return np.concatenate([getattr(part, name) for part in parts], axis).take(order, axis)

    return Items(
        ids=column("ids"),
        counts=dict(sorted(counts.items())),
        language=column("language"),
        taste=column("taste"),
        popularity=column("popularity"),
        local_popularity=column("local_popularity", axis=1),
        published=column("published"),
        length=column("length"),
    )


def items_table(
    items: Items, settings: WorldSettings, rng: np.random.Generator, music: np.random.Generator
) -> pa.Table:
    """The contract's items: text composed from visible taste, genres a noisy function of it."""
    titles, descriptions, genres = [], [], []
    draws = {"audiobook": rng, "podcast": rng, "music": music}
    for row, item_type in enumerate(items.types):
        visible = items.taste[row, :SHADES].astype(np.float64)
        visible = visible / visible.sum()
        title, description = compose(
            item_type,
            settings.languages[items.language[row]],
            visible,
            noise=settings.text_noise,
            rng=draws[item_type],
        )
        titles.append(title)
        descriptions.append(description)
        genres.append(_genres(visible, settings.genre_noise, draws[item_type]))
    return pa.table(
        {
            "item_id": pa.array(items.ids, pa.string()),
            "item_type": pa.array(items.types, pa.string()),
            "title": pa.array(titles, pa.string()),
            "description": pa.array(descriptions, pa.string()),
            "language": pa.array([settings.languages[n] for n in items.language], pa.string()),
            "genres": pa.array(genres, pa.list_(pa.string())),
            "published_at": pa.array(items.published).cast(STAMP),
        }
    )


def unit(vectors: np.ndarray) -> np.ndarray:
    """Rows scaled to length one."""
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True).clip(1e-12))


def _language_weights(settings: WorldSettings) -> np.ndarray:
    """Titles per language follow its speakers, damped: a small language still has a catalogue."""
    speakers = np.zeros(len(settings.languages))
    for country in settings.countries:
        if country.language in settings.languages:
            speakers[settings.languages.index(country.language)] += country.share
    weights = np.sqrt(np.maximum(speakers, 0.02))
    return np.asarray(weights / weights.sum())


def _popularity(language: np.ndarray, tail: float, rng: np.random.Generator) -> np.ndarray:
    """Log of a shifted power law over the ranks within each language."""
    logs = np.empty(len(language))
    for code in np.unique(language):
        rows = np.flatnonzero(language == code)
        rank = rng.permutation(len(rows))
        shift = _HEAD * len(rows)
        logs[rows] = -tail / 2 * np.log1p((rank / shift) ** 2)
    return logs


def visible_taste(count: int, rng: np.random.Generator) -> np.ndarray:
    """One main shade and one second, often of the same topic; unit rows [count, SHADES]."""
    rows = np.arange(count)
    main = rng.integers(SHADES, size=count)
    sibling = main ^ 1
    second = np.where(rng.random(count) < 0.5, sibling, rng.integers(SHADES, size=count))
    share = rng.uniform(0.6, 0.95, count)
    weights = np.zeros((count, SHADES))
    weights[rows, main] = share
    weights[rows, second] += 1.0 - share
    return unit(weights)


def _genres(visible: np.ndarray, noise: float, rng: np.random.Generator) -> list[str]:
    topics = visible.reshape(len(GENRES), 2).sum(axis=1)
    main = int(np.argmax(topics)) if rng.random() >= noise else int(rng.integers(len(GENRES)))
    genres = [GENRES[main]]
    second = int(rng.choice(len(GENRES), p=topics / topics.sum()))
    if second != main:
        genres.append(GENRES[second])
    return genres
