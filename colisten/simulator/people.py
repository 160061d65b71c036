"""The world's users: where they live, what they like, when they come and how much they listen."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from colisten.simulator.items import DAY, STAMP, unit
from colisten.simulator.prose import SHADES, TOPICS
from colisten.simulator.settings import WorldSettings

_FOREIGN = -1.2
"""Log weight of a title in a user's second language."""
_NEVER = -60.0
"""Log weight of a title in a language that the user does not speak."""
_SECOND_ENGLISH = 0.5
"""Share of users of other languages who also listen in English."""

_MUSIC_USERS = 0.9
"""Share of users who listen to artists, where the world has any."""
_ARTISTS = 14.0
"""Mean artists of such a user, beside the first."""

# How taste leans with age (log weight per 30 years from the age of 40), in the order of TOPICS.
_AGE_LEAN = np.array([0.5, 0.0, -0.1, 0.8, 0.2, -0.2, -0.9, -0.8, -0.4, 0.4, 0.3, 0.4])


@dataclass(frozen=True)
class People:
    """One chunk of users.

    Attributes:
        first: Number of the chunk's first user.
        country: Index into `settings.countries`, int64 [b].
        age: Years, float32 [b].
        shown_country: Whether the country is known to the tables, bool [b].
        shown_age: Whether the age is known to the tables, bool [b].
        joined: Day (from the window's start, may be negative) of joining, float64 [b].
        speaks: Log weight of each language, float32 [b, languages].
        taste: Taste by item type times its strength, so that a dot product with an item's taste
            is a log weight, float32 [b, SHADES + hidden_dim].
        music: What music shows of the shared taste, float32 [b, SHADES + hidden_dim].
        shows: Podcasts (artists of music) that the user would listen to from the window's start,
            by item type, int64 [b].
        rate: Audiobooks that the user turns to in 30 days, float64 [b].
        adopted: Day of taking up audiobooks, float64 [b]; infinite where never.
        patience: Share of a stream that the user hears out, float64 [b].
    """

    first: int
    country: np.ndarray
    age: np.ndarray
    shown_country: np.ndarray
    shown_age: np.ndarray
    joined: np.ndarray
    speaks: np.ndarray
    taste: dict[str, np.ndarray]
    music: np.ndarray
    shows: dict[str, np.ndarray]
    rate: np.ndarray
    adopted: np.ndarray
    patience: np.ndarray

    def __len__(self) -> int:
        return len(self.country)

    @property
    def ids(self) -> pa.Array:
        """User ids, string [b]."""
        return pa.array([f"u{self.first + n:08d}" for n in range(len(self))], pa.string())


def draw_people(
    first: int, count: int, settings: WorldSettings, rng: np.random.Generator
) -> People:
    """Draw `count` users, the first of them being number `first`."""
    shares = np.array([country.share for country in settings.countries])
    country = rng.choice(len(shares), size=count, p=shares / shares.sum())
    age = np.clip(18 + rng.gamma(2.4, 8.5, count), 18, 90).astype(np.float32)
    joined = np.where(
        rng.random(count) < settings.new_users,
        rng.random(count) * settings.days * 0.97,
        -1.0 - rng.exponential(300.0, count),
    )
    begin = np.maximum(joined, 0.0)
    # Adoption gathers pace: the type is new, so more users take it up late than early.
    adopted = begin + (settings.days - begin) * rng.random(count) ** 0.75
    adopted[rng.random(count) >= settings.audiobook_users] = np.inf
    shows = 1 + rng.poisson((settings.podcast_shows - 1) * _spread(0.8, count, rng))
    shows[rng.random(count) >= settings.podcast_users] = 0
    taste, shared = _tastes(age, settings, rng)
    return People(
        first=first,
        country=country,
        age=age,
        shown_country=rng.random(count) >= 0.03,
        shown_age=rng.random(count) >= 0.12,
        joined=joined,
        speaks=_speaks(country, settings, rng),
        taste=taste,
        music=shared,
        shows={"podcast": shows},
        rate=settings.audiobook_rate * _spread(1.2, count, rng),
        adopted=adopted,
        patience=rng.beta(1.2, 1.6, count),
    )


def with_music(people: People, settings: WorldSettings, rng: np.random.Generator) -> People:
    """The same users, who listen to artists too: in taste as close to music as to any type."""
    artists = 1 + rng.poisson(_ARTISTS * _spread(0.8, len(people), rng))
    artists[rng.random(len(people)) >= _MUSIC_USERS] = 0
    common, hidden = np.split(people.music.astype(np.float64), [SHADES], axis=1)
    taste = _taste(
        common / common.sum(axis=1, keepdims=True),
        hidden * np.sqrt(settings.hidden_dim),
        _lean(people.age),
        settings,
        rng,
    )
    return replace(
        people,
        taste=people.taste | {"music": taste},
        shows=people.shows | {"music": artists},
    )


def users_table(people: People, settings: WorldSettings) -> pa.Table:
    """The contract's users."""
    codes = np.array([country.code for country in settings.countries], dtype=object)
    return pa.table(
        {
            "user_id": people.ids,
            "country": pa.array(codes[people.country], pa.string(), mask=~people.shown_country),
            "age": pa.array(np.floor(people.age), pa.float32(), mask=~people.shown_age),
        }
    )


def music_projection(settings: WorldSettings, rng: np.random.Generator) -> np.ndarray:
    """How taste sounds: a fixed random map [SHADES + hidden_dim, music_dim]."""
    width = SHADES + settings.hidden_dim
    return rng.normal(0, 1 / np.sqrt(settings.music_dim), (width, settings.music_dim))


def music_table(
    people: People, projection: np.ndarray, settings: WorldSettings, rng: np.random.Generator
) -> pa.Table:
    """The contract's music vectors: a fresh noisy one a month, none for one user in twelve."""
    start = int(settings.start_moment.timestamp()) * 1_000_000
    has = np.flatnonzero(rng.random(len(people)) >= 1 / 12)
    # The first vector follows a day after joining: there must be something to measure.
    opening = np.where(people.joined[has] < 0, rng.random(len(has)), people.joined[has] + 1.0)
    users, days = [], []
    for month in range(-(-settings.days // 30)):
        day = opening + 30 * month
        alive = day < settings.days
        users.append(has[alive])
        days.append(day[alive])
    user, day = np.concatenate(users), np.concatenate(days)
    order = np.lexsort((day, user))
    user, day = user[order], day[order]
    vectors = people.music[user] @ projection
    vectors = unit(vectors + rng.normal(0, 0.08, vectors.shape)).astype(np.float32)
    offsets = np.arange(len(user) + 1, dtype=np.int32) * settings.music_dim
    return pa.table(
        {
            "user_id": people.ids.take(pa.array(user)),
            "music_vector": pa.ListArray.from_arrays(offsets, pa.array(vectors.ravel())),
            "timestamp": pa.array(start + (day * DAY).astype(np.int64)).cast(STAMP),
        }
    )


def _tastes(
    age: np.ndarray, settings: WorldSettings, rng: np.random.Generator
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Taste per type, and the shared one that music shows."""
    lean = _lean(age)
    common = _visible(lean, rng)
    hidden = rng.normal(size=(len(age), settings.hidden_dim))
    out = {
        item_type: _taste(common, hidden, lean, settings, rng)
        for item_type in ("audiobook", "podcast")
    }
    music = np.concatenate([unit(common), unit(hidden)], axis=1).astype(np.float32)
    return out, music


def _taste(
    common: np.ndarray,
    hidden: np.ndarray,
    lean: np.ndarray,
    settings: WorldSettings,
    rng: np.random.Generator,
) -> np.ndarray:
    """Taste of one type: the common part, visible and hidden, and a part of its own."""
    shared = settings.shared_taste
    visible = shared * common + (1 - shared) * _visible(lean, rng)
    own = np.sqrt(shared) * hidden + np.sqrt(1 - shared) * rng.normal(size=hidden.shape)
    return np.concatenate(
        [settings.visible_strength * unit(visible), settings.hidden_strength * unit(own)], axis=1
    ).astype(np.float32)


def _lean(age: np.ndarray) -> np.ndarray:
    return np.asarray(np.exp(np.outer((age - 40.0) / 30.0, _AGE_LEAN)))


def _visible(lean: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A few topics a user, one shade of each stronger; rows sum to one, [b, SHADES]."""
    topics = rng.gamma(0.3, 1.0, (len(lean), len(TOPICS))) * lean + 1e-4
    shades = rng.beta(0.6, 0.6, (len(lean), len(TOPICS)))
    weights = np.stack([topics * shades, topics * (1 - shades)], axis=2).reshape(len(lean), SHADES)
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))


def _speaks(country: np.ndarray, settings: WorldSettings, rng: np.random.Generator) -> np.ndarray:
    out = np.full((len(country), len(settings.languages)), _NEVER, dtype=np.float32)
    if "en" in settings.languages:
        out[rng.random(len(country)) < _SECOND_ENGLISH, settings.languages.index("en")] = _FOREIGN
    for number, place in enumerate(settings.countries):
        # Where the catalogue lacks a country's language its users listen in the first one.
        known = place.language in settings.languages
        first = settings.languages.index(place.language) if known else 0
        out[country == number, first] = 0.0
    return out


def _spread(sigma: float, count: int, rng: np.random.Generator) -> np.ndarray:
    """Log-normal factors of mean one: few listen much."""
    return rng.lognormal(-(sigma**2) / 2, sigma, count)
