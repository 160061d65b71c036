"""The world's catalogue: what each audiobook and podcast is, and what is written about it."""

from __future__ import annotations

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


@dataclass(frozen=True)
class Items:
    """Audiobooks first, then podcasts: sorted by (item_type, item_id).

    Attributes:
        ids: Item ids, object [n].
        audiobooks: How many of the first rows are audiobooks.
        language: Index into `settings.languages`, int64 [n].
        taste: Visible shades (unit length), then hidden dimensions (unit length), float32
            [n, SHADES + hidden_dim].
        popularity: Log weight in everybody's choice, float32 [n].
        local_popularity: Added to it by country, float32 [countries, n].
        published: Microseconds since 1970 UTC, int64 [n].
        length: Mean hours of one stream, float32 [n].
    """

    ids: np.ndarray
    audiobooks: int
    language: np.ndarray
    taste: np.ndarray
    popularity: np.ndarray
    local_popularity: np.ndarray
    published: np.ndarray
    length: np.ndarray

    @property
    def types(self) -> np.ndarray:
        """Item types, object [n]."""
        kinds = np.full(len(self.ids), "podcast", dtype=object)
        kinds[: self.audiobooks] = "audiobook"
        return kinds

    def rows(self, item_type: str) -> slice:
        """The contiguous rows of one type."""
        if item_type == "audiobook":
            return slice(0, self.audiobooks)
        return slice(self.audiobooks, len(self.ids))


def draw_items(settings: WorldSettings, rng: np.random.Generator) -> Items:
    """Draw the catalogue's planted truth."""
    books, shows = settings.audiobooks, settings.podcasts
    total = books + shows
    weights = _language_weights(settings)
    language = rng.choice(len(weights), size=total, p=weights)
    popularity = np.concatenate(
        [
            _popularity(language[:books], settings.audiobook_tail, rng),
            _popularity(language[books:], settings.podcast_tail, rng),
        ]
    )
    new = np.concatenate(
        [np.full(books, settings.new_audiobooks), np.full(shows, settings.new_podcasts)]
    )
    age_days = np.where(
        rng.random(total) < new,
        rng.random(total) * settings.days,
        settings.days + 1 + rng.exponential(500.0, total),
    )
    end = int(settings.end_moment.timestamp()) * 1_000_000
    hours = np.concatenate(
        [rng.lognormal(np.log(7.0), 0.5, books), rng.lognormal(-0.5, 0.4, shows)]
    )
    return Items(
        ids=np.array(
            [f"a{n:06d}" for n in range(books)] + [f"p{n:07d}" for n in range(shows)], dtype=object
        ),
        audiobooks=books,
        language=language,
        taste=np.concatenate(
            [_visible(total, rng), unit(rng.normal(size=(total, settings.hidden_dim)))], axis=1
        ).astype(np.float32),
        popularity=popularity.astype(np.float32),
        local_popularity=rng.normal(0, 0.4, (len(settings.countries), total)).astype(np.float32),
        # Releases fall on whole hours of a day.
        published=(end - (age_days * 24).astype(np.int64) * (DAY // 24)).astype(np.int64),
        length=hours.astype(np.float32),
    )


def items_table(items: Items, settings: WorldSettings, rng: np.random.Generator) -> pa.Table:
    """The contract's items: text composed from visible taste, genres a noisy function of it."""
    titles, descriptions, genres = [], [], []
    for row, item_type in enumerate(items.types):
        visible = items.taste[row, :SHADES].astype(np.float64)
        visible = visible / visible.sum()
        title, description = compose(
            item_type,
            settings.languages[items.language[row]],
            visible,
            noise=settings.text_noise,
            rng=rng,
        )
        titles.append(title)
        descriptions.append(description)
        genres.append(_genres(visible, settings.genre_noise, rng))
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


def _visible(count: int, rng: np.random.Generator) -> np.ndarray:
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
    chosen = [GENRES[main]]
    second = int(rng.choice(len(GENRES), p=topics / topics.sum()))
    if second != main:
        chosen.append(GENRES[second])
    return chosen
